from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from short_runs import short_config, start_run

from prv2_ros.errors import ConfigError
from prv2_ros.training import precision
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.precision import bfloat16_is_slow, with_fitting_precision

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("machine", "avx512", "amx", "slow"),
    [
        ("x86_64", False, False, True),
        ("AMD64", False, False, True),
        ("x86_64", True, False, False),
        ("x86_64", False, True, False),
        ("x86_64", False, None, False),
        ("aarch64", False, False, False),
    ],
)
def test_a_cpu_is_slow_where_torch_says_that_it_has_neither(
    machine: str, avx512: bool | None, amx: bool | None, slow: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    for name, found in (("_is_avx512_bf16_supported", avx512), ("_is_amx_tile_supported", amx)):
        if found is None:  # a torch that does not have it
            monkeypatch.delattr(torch.cpu, name, raising=False)
        else:
            monkeypatch.setattr(torch.cpu, name, lambda found=found: found, raising=False)
    assert bfloat16_is_slow() is slow


def test_bfloat16_is_off_on_a_slow_cpu_alone_and_a_line_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    half, full = TrainConfig(bf16=True), TrainConfig()
    monkeypatch.setattr(precision, "bfloat16_is_slow", lambda: False)
    assert with_fitting_precision(half, CPU) is half
    monkeypatch.setattr(precision, "bfloat16_is_slow", lambda: True)
    assert with_fitting_precision(half, CUDA) is half
    assert with_fitting_precision(full, CPU) is full
    assert with_fitting_precision(half, CPU, tell=False) == full
    assert not caplog.records
    assert with_fitting_precision(half, CPU) == full
    said = "bf16 is off: this CPU has neither AVX512-BF16 nor AMX, and is faster in float32"
    assert [record.getMessage() for record in caplog.records] == [said]


def test_float16_on_a_cpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="fp16 needs CUDA, and the device is cpu: use bf16"):
        with_fitting_precision(TrainConfig(fp16=True), CPU)


def test_a_run_and_its_coarse_maps_are_in_the_precision_that_fits(
    tile_scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In bfloat16 the loss is another one; where it is off, it is to the last digit that of float32."""
    losses = {}
    for name, bf16, slow in (("float32", False, True), ("bfloat16", True, False), ("off", True, True)):
        monkeypatch.setattr(precision, "bfloat16_is_slow", lambda slow=slow: slow)
        config = short_config(tile_scenes, stage="refiner", steps=1, bf16=bf16)
        start_run(config, tmp_path / name).run()
        (maps,) = (tmp_path / name).glob("coarse_maps_*")
        assert maps.name.endswith("_float32") is (name != "bfloat16")
        losses[name] = json.loads((tmp_path / name / "log.jsonl").read_text())["loss"]
    assert math.isfinite(losses["bfloat16"])
    assert losses["off"] == losses["float32"] != losses["bfloat16"]
