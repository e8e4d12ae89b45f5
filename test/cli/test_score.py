"""`prv2 score` as a user runs it, over frames that `prv2 synth` wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from prv2_ros.cli.main import main
from prv2_ros.errors import InputError


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    assert main(["synth", "-o", str(folder), "--start", "8990000", "--count", "3", "--size", "128x96"]) == 0
    return folder


def test_models_are_scored_frame_by_frame_and_as_a_table(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(frames), f"frames:{frames}", "-o", str(tmp_path), "--device", "cpu"]) == 0
    (report,) = json.loads((tmp_path / "score.json").read_text())
    assert report["model"] == "default"
    assert list(report["sets"]) == [str(frames), f"frames:{frames}"]
    block, same = report["sets"].values()
    assert [row["name"] for row in block["frames"]] == ["08990000", "08990001", "08990002"]
    assert block == same
    assert block["left_out"] == []
    summary = block["summary"]["all"]
    assert set(summary) == {"coarse", "refined", "coarse with perfect edges", "best constant", "best plane"}
    assert 0 < summary["refined"]["abs_rel"] < 2
    # The network sees pictures of 128 px enlarged, which leaves a refiner nothing to sharpen.
    refined, coarse = (summary[name]["boundary_f1"] for name in ("refined", "coarse"))
    assert 0 < refined < 1
    assert 0 < coarse < 1
    assert refined != coarse
    mean = sum(row["scores"]["refined"]["abs_rel"] for row in block["frames"]) / 3
    assert summary["refined"]["abs_rel"] == pytest.approx(mean)
    table = (tmp_path / "score.md").read_text()
    assert f"| all | refined | {summary['refined']['abs_rel']:.3f} |" in table
    assert capsys.readouterr().out.strip() == table.strip()


def test_every_second_frame(frames: Path, tmp_path: Path) -> None:
    assert main(["score", str(frames), "-o", str(tmp_path), "--device", "cpu", "--every", "2"]) == 0
    (report,) = json.loads((tmp_path / "score.json").read_text())
    assert [row["name"] for row in report["sets"][str(frames)]["frames"]] == ["08990000", "08990002"]


def test_a_frame_that_cannot_be_read_is_left_out_and_said(
    frames: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "frames"
    shutil.copytree(frames, folder)
    (folder / "08990001.jpg").write_bytes(b"no picture")
    assert main(["score", str(folder), "-o", str(tmp_path / "out"), "--device", "cpu"]) == 0
    (line,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert line.startswith(f"{folder}: left out 1 of 3 frames: ")
    assert "08990001" in line
    (report,) = json.loads((tmp_path / "out" / "score.json").read_text())
    block = report["sets"][str(folder)]
    assert [row["name"] for row in block["frames"]] == ["08990000", "08990002"]
    assert len(block["left_out"]) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--every", "0"], "--every 0: must be at least 1"),
        (["--max-depth", "0"], "--max-depth 0.0: must be more than 0"),
        (["--model", "absent"], "absent"),
    ],
)
def test_what_cannot_be_used_is_one_line(
    frames: Path, tmp_path: Path, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(frames), "-o", str(tmp_path / "out"), "--device", "cpu", *arguments]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("prv2: error: ")
    assert told in error
    assert not (tmp_path / "out").exists()


def test_a_set_without_a_readable_frame_is_one_line(
    frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "frames"
    shutil.copytree(frames, folder)
    for path in folder.glob("*.jpg"):
        path.write_bytes(b"no picture")
    assert main(["score", str(folder), "-o", str(tmp_path / "out"), "--device", "cpu"]) == 1
    assert f"{folder}: none of 3 frames can be read; the first: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_every_option_reaches_the_scoring(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def score_set(*_: object, max_depth_m: float, **__: object) -> None:
        asked.append(max_depth_m)
        raise InputError("enough")

    monkeypatch.setattr("prv2_ros.evaluation.sets.engine_predictor", lambda *given: asked.append(given))
    monkeypatch.setattr("prv2_ros.evaluation.sets.score_set", score_set)
    options = ["--model", "m", "--device", "cpu", "--precision", "float32", "--max-depth", "80"]
    assert main(["score", str(frames), "-o", str(tmp_path / "out"), *options]) == 1
    assert asked == [("m", "cpu", "float32"), 80.0]
