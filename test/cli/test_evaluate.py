from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from bag_samples import Samples

from prv2_ros.cli.main import main

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
        (["nowhere", "-o", "FILE"], "FILE is a file: name a folder"),
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
    assert not (tmp_path / "OUT" / "report.json").exists()


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
