"""The picture of where the scale fails."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import plot_motorcycle

from prv2_ros.evaluation.frames import motorcycle_frame
from prv2_ros.types import DepthResult


class Engine:
    """Sees everything 1.5 times as far as it is."""

    def infer(self, image: np.ndarray, camera: object) -> DepthResult:
        truth = motorcycle_frame().truth_m
        return DepthResult(depth_m=np.where(np.isfinite(truth), 1.5 * truth, 3).astype(np.float32))


def test_it_is_drawn_and_says_the_factor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    titles: list[str] = []
    monkeypatch.setattr(plot_motorcycle, "load_engine", lambda *_: Engine())
    monkeypatch.setattr(plot_motorcycle.mpl.axes.Axes, "set_title", lambda self, text: titles.append(text))
    assert plot_motorcycle.main(["-o", str(tmp_path / "m.jpg")]) == 0
    height, width = cv2.imread(str(tmp_path / "m.jpg")).shape[:2]
    assert width > 4 * height
    assert titles == ["picture", "true depth", "predicted: AbsRel 0.50", "divided by 1.50: AbsRel 0.00"]


def test_a_fault_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert plot_motorcycle.main(["--model", "absent", "-o", str(tmp_path / "m.jpg")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert not (tmp_path / "m.jpg").exists()
