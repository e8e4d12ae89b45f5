"""`prv2 train` over a run that has come to its end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tiny_depth_model import small_model

from prv2_ros.cli.main import main
from prv2_ros.network.checkpoint import save_model


def test_a_run_at_its_end_is_told_and_left_alone_unless_its_model_is_missing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, run = tmp_path / "frames", tmp_path / "run"
    main(["synth", "-o", str(frames), "--count", "1", "--size", "96x64", "--kind", "plain"])
    start = str(save_model(small_model(), tmp_path, "start"))
    common = ["train", "--init", start, "--batch", "1", "--device", "cpu", "--data", str(frames), "-o", str(run)]
    assert main([*common, "--steps", "2"]) == 0
    (row,) = (run / "log.jsonl").read_text().splitlines()
    assert json.loads(row)["step"] == 2
    before = {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.iterdir()}
    capsys.readouterr()
    with caplog.at_level("INFO"):
        assert main([*common, "--steps", "1"]) == 0
    line = f"nothing to train: the run in {run} is at step 2 of 1; give more --steps, or another folder"
    assert [record.getMessage() for record in caplog.records] == [line]
    assert "\u2030" not in capsys.readouterr().err, "no bar beyond 1000 per mille"
    assert {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in run.iterdir()} == before
    for name in ("model.yaml", "model.safetensors"):
        (run / name).unlink()
        assert main([*common, "--steps", "1"]) == 0
        assert (run / name).read_bytes() == before[name][1], "the averaged weights of the checkpoint"
        assert (run / "checkpoint.pt").stat().st_mtime_ns == before["checkpoint.pt"][0]


def test_a_model_that_is_older_than_the_checkpoint_is_written_again(tmp_path: Path) -> None:
    frames, run = tmp_path / "frames", tmp_path / "run"
    main(["synth", "-o", str(frames), "--count", "1", "--size", "96x64", "--kind", "plain"])
    start = str(save_model(small_model(), tmp_path, "start"))
    common = ["train", "--init", start, "--batch", "1", "--device", "cpu", "--data", str(frames), "-o", str(run)]
    assert main([*common, "--steps", "1"]) == 0
    whole = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").write_bytes(b"of a shorter run")
    os.utime(run / "model.safetensors", ns=(1, 1))
    assert main([*common, "--steps", "1"]) == 0
    assert (run / "model.safetensors").read_bytes() == whole
