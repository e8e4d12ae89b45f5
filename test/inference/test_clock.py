"""Time of the stages, on a clock that only the stand-in for a GPU moves on."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from prv2_ros.inference.clock import StageClock


@pytest.mark.parametrize(("device", "waits"), [("cuda:1", True), ("cpu", False)])
def test_a_stage_lasts_until_the_gpu_has_done_its_work(
    monkeypatch: pytest.MonkeyPatch, device: str, waits: bool
) -> None:
    now_s, queued_s, waited_for = [7.0], [0.0], []

    def synchronize(which: torch.device) -> None:
        waited_for.append(which)
        now_s[0] += queued_s[0]
        queued_s[0] = 0.0

    monkeypatch.setattr("prv2_ros.inference.clock.time", SimpleNamespace(perf_counter=lambda: now_s[0]))
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    clock = StageClock(torch.device(device))
    queued_s[0] = 0.25
    assert clock.lap("coarse") == (250.0 if waits else 0.0)
    queued_s[0] = 0.5
    assert clock.elapsed_ms() == (750.0 if waits else 0.0)
    now_s[0] += 0.125
    assert clock.lap("refine") == (625.0 if waits else 125.0)
    coarse_ms, refine_ms = (250.0, 625.0) if waits else (0.0, 125.0)
    assert clock.timings_ms() == {"coarse": coarse_ms, "refine": refine_ms, "total": coarse_ms + refine_ms}
    assert waited_for == [torch.device(device)] * (3 if waits else 0)
