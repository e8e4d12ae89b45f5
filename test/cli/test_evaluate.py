from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bag_samples import Samples

from prv2_ros.cli.main import main
from prv2_ros.errors import InputError

REAL = os.environ.get("PRV2_REAL_DATA")


def error_of(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["evaluate", *argv]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = [line for line in captured.err.splitlines() if line.startswith("prv2: error: ")]
    assert len(lines) == 1
    assert "Traceback" not in captured.err
    return lines[0]


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["nowhere", "-o", "OUT"], "no frame could be scored: bag nowhere: no such file or folder"),
        (["nowhere", "-o", "OUT", "--workers", "0"], "--workers 0: must be at least 1"),
        (["nowhere", "-o", "FILE"], "output FILE is a file: name a folder"),
        (["nowhere", "-o", "OUT", "--cache", "FILE"], "--cache FILE is a file: name a folder"),
        (["nowhere", "-o", "OUT", "--cache", "FILE", "--score-only"], "--cache FILE is a file: name a folder"),
        (["nowhere", "-o", "OUT", "--cache", "FILE/x"], "--cache FILE/x: Not a directory; name a folder that can be"),
        (["nowhere", "-o", "OUT", "--cache", "OUT/x/y"], "no frame could be scored: bag nowhere"),
        (["nowhere", "-o", "OUT", "--config", "FILE"], "expected a mapping of fields, found str"),
        (["nowhere", "-o", "OUT", "--model", "nobody"], "no model 'nobody'"),
        (["nowhere", "-o", "OUT", "--precision", "float8"], "float8"),
    ],
)
def test_wrong_options_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, argv: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("hello")
    assert line in error_of(argv, capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["FILE"], "no folder is left"


def test_a_line_tells_of_every_bag_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bags = [str(Samples(with_info=False, frames=1).write(tmp_path / "blind")), *(str(tmp_path / n) for n in "abc")]
    assert main(["evaluate", *bags, "-o", str(tmp_path / "out")]) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("prv2: ")]
    told = {n: f"prv2: {n}: bag {tmp_path / n}: no such file or folder" for n in "abc"}
    assert [*lines[:2], lines[3]] == list(told.values())
    assert lines[2].startswith("prv2: blind/front: /front/image_raw has no camera info")
    assert lines[4].startswith("prv2: error: no frame could be scored: bag ")
    assert lines[4].endswith("; and 2 other reasons")
    assert len(lines) == 5
    assert not (tmp_path / "out").exists()


def test_stored_predictions_may_lie_where_nothing_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != tmp_path / "cache")  # root may write anywhere
    (tmp_path / "cache").mkdir()
    common = ["nowhere", "-o", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]
    assert "cache: Permission denied; name a folder" in error_of(common, capsys)
    assert "no frame could be scored" in error_of([*common, "--score-only"], capsys)


def test_a_bag_is_evaluated_with_the_model_of_the_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bag = Samples(frames=1).write(tmp_path / "drive")
    out = tmp_path / "out"
    assert main(["evaluate", str(bag), "-o", str(out), "--device", "cpu", "--output-bag"]) == 0
    told = capsys.readouterr().out
    assert f"scored 1 frames (1 predictions made, 0 used again), left out 0; report: {out / 'index.html'}" in told
    report = json.loads((out / "report.json").read_text())
    assert report["models"][0]["name"] == "default"
    assert report["models"][0]["device"] == "cpu"
    assert report["results"]["default"]["all"]["scores"]["abs_rel"]["mean"] > 0
    assert (out / "report.csv").is_file()
    assert (out / "drive_depth" / "metadata.yaml").is_file()


@pytest.mark.slow
@pytest.mark.skipif(REAL is None, reason="PRV2_REAL_DATA names no folder with bags/driving_six_cameras")
def test_the_drive_with_six_cameras(tmp_path: Path) -> None:
    assert REAL is not None
    bag = Path(REAL) / "bags" / "driving_six_cameras"
    assert main(["evaluate", str(bag), "-o", str(tmp_path), "--device", "cpu"]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["frames"]["scored"] == 18
    cameras = report["results"]["default"]["cameras"]
    assert list(cameras) == [f"/camera_0{i}" for i in (1, 5, 6, 7, 8, 9)]
    assert all(group["frames"] == 3 and "20-40" in group["by_range"] for group in cameras.values())
    assert report["results"]["default"]["all"]["scores"]["abs_rel"]["mean"] < 0.35


def test_every_option_reaches_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def evaluate(*given: Any) -> Any:
        asked.append(given)
        raise InputError("enough")

    monkeypatch.setattr("prv2_ros.evaluation.run.evaluate", evaluate)
    (tmp_path / "e.yaml").write_text("{rectify: false}")
    argv = ["a", "b", "-o", str(tmp_path / "out"), "--config", str(tmp_path / "e.yaml"), "--device", "cpu"]
    argv += ["--model", "m", "--model", "n", "--precision", "float32", "--workers", "3", "--ray", "auto"]
    assert main(["evaluate", *argv, "--cache", str(tmp_path / "cache"), "--score-only"]) == 1
    ((bags, config, options),) = asked
    assert bags == [Path("a"), Path("b")]
    assert (config.models, config.device, config.precision, config.rectify) == (("m", "n"), "cpu", "float32", False)
    assert (options.output, options.cache) == (tmp_path / "out", tmp_path / "cache")
    assert (options.workers, options.ray, options.score_only) == (3, "auto", True)
