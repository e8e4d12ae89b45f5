from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest
import torch

from prv2_ros.training.journal import Journal


def test_rows_are_running_means(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for value in (1.0, 2.0):
        journal.add({"loss": torch.tensor(value)})
    assert journal.write(2, 3.21, 0.1) == {"loss": pytest.approx(1.02)}
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"step": 2, "seconds": 3.2, "loss": 1.02}


def test_tensorboard_gets_the_same_figures(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    journal = Journal(tmp_path, tensorboard=True)
    journal.add({"loss": torch.tensor(0.5)})
    journal.write(50, 1.0, 0.25)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(50, 0.5)]
    assert [(e.step, e.value) for e in events.Scalars("learning_rate")] == [(50, 0.25)]


def test_without_tensorboard_there_is_one_line_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with caplog.at_level(logging.WARNING):
        journal = Journal(tmp_path, tensorboard=True)
    assert [record.message for record in caplog.records] == [
        "tensorboard is not installed: figures go to log.jsonl alone (pip install tensorboard)"
    ]
    journal.add({"loss": torch.tensor(0.5)})
    journal.write(1, 1.0, 0.1)
    assert (tmp_path / "log.jsonl").exists()
