from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import plot_training


def _log(folder: Path) -> Path:
    path = folder / "log.jsonl"
    rows = [{"step": 50 * k, "seconds": 30.0 * k, "loss": 1 / (1 + k)} for k in range(1, 20)]
    path.write_text("\n".join(json.dumps(row) for row in rows) + '\n{"step": 1000, "sec')
    return path


def test_two_runs_become_one_picture(tmp_path: Path) -> None:
    log = str(_log(tmp_path))
    output = tmp_path / "new" / "curve.png"
    assert plot_training.main(["--run", "a", log, "loss", "--run", "b", log, "-o", str(output)]) == 0
    picture = cv2.imread(str(output))
    assert picture.shape[1] > 2 * picture.shape[0]
    assert picture.std() > 5
    assert [path.name for path in output.parent.iterdir()] == ["curve.png"]


@pytest.mark.parametrize(("figure", "message"), [("nll", "no figure 'nll'"), ("loss", "log.jsonl")])
def test_what_cannot_be_drawn_is_one_line(
    figure: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = _log(tmp_path)
    if figure == "loss":
        log.unlink()
    assert plot_training.main(["--run", "a", str(log), figure, "-o", str(tmp_path / "curve.png")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("plot_training: ")
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "curve.png").exists()
