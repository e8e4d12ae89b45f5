from __future__ import annotations

import json
import math
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


def _broken(folder: Path, lost: dict[int, float | None], rows: int = 20) -> str:
    """A log whose loss is the value at these rows; None leaves it out."""
    entries: list[dict[str, float]] = [{"step": 50 * k, "seconds": 30.0 * k, "loss": 1 / (1 + k)} for k in range(rows)]
    for k, value in lost.items():
        if value is None:
            del entries[k]["loss"]
        else:
            entries[k]["loss"] = value
    path = folder / "broken.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in entries))
    return str(path)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_rows_that_are_not_a_number_are_a_gap_and_are_counted(
    value: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, output = _broken(tmp_path, {7: value, 9: value, 0: None}), tmp_path / "curve.png"
    assert plot_training.main(["--run", "a", log, "loss", "-o", str(output)]) == 0
    expected = "plot_training: a: 'loss' is not a number in 2 of 19 rows, first at step 350\n"
    assert capsys.readouterr().err == expected
    assert cv2.imread(str(output)).std() > 5


def test_rows_without_the_figure_are_a_gap_and_no_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = _broken(tmp_path, {0: None, 8: None})
    assert plot_training.main(["--run", "a", log, "loss", "-o", str(tmp_path / "curve.png")]) == 0
    assert capsys.readouterr().err == ""
    values = plot_training.values_of("loss", "a", plot_training.read_log(Path(log)))
    assert [k for k, value in enumerate(values) if math.isnan(value)] == [0, 8]


def test_a_figure_that_is_never_a_number_is_told_from_one_that_is_absent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = _broken(tmp_path, dict.fromkeys(range(1, 20), math.nan) | {0: None})
    for figure, message in (
        ("loss", "'loss' is not a number in any row of a, from step 50 on"),
        ("nll", "no figure 'nll' in the log; it has step, seconds, loss"),
    ):
        assert plot_training.main(["--run", "a", log, figure, "-o", str(tmp_path / "curve.png")]) == 1
        assert capsys.readouterr().err == f"plot_training: {message}\n"


@pytest.mark.parametrize("line", ['{"step": 50, "loss": 1.0}', '{"seconds": 2.0}', "[1, 2]"])
def test_a_row_without_a_time_or_a_step_is_one_line(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = _log(tmp_path)
    log.write_text(f"{line}\n{log.read_text()}")
    assert plot_training.main(["--run", "a", str(log), "loss", "-o", str(tmp_path / "curve.png")]) == 1
    assert capsys.readouterr().err.startswith(f"plot_training: {log}, line 1: no row with step and seconds")


def test_more_figures_than_colours_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "curve.png"
    given = ["--run", "a", str(_log(tmp_path)), *["loss"] * 5, "-o", str(output)]
    assert plot_training.main(given) == 1
    assert capsys.readouterr().err == "plot_training: a: 5 figures; a panel holds 4, give --run once more\n"
    assert not output.exists()


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
