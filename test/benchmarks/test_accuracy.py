"""The accuracy benchmark as a user runs it, with predictors whose scores are known beforehand."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from prv2_ros.data.frames import HELD_ASIDE_SEEDS

pytest.importorskip("skimage", reason="the photograph that is measured on is scikit-image's")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "accuracy.py"

PREDICTORS = """
import numpy as np
from prv2_ros.evaluation.frames import motorcycle_frame

def perfect(image_rgb, camera):
    depth_m = motorcycle_frame().truth_m
    return {"coarse": depth_m * 2, "refined": depth_m}

def flat(image_rgb, camera):
    return np.full(image_rgb.shape[:2], camera.fx / 1000, np.float32)
"""


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    (folder / "predictors.py").write_text(PREDICTORS)
    return subprocess.run(
        [sys.executable, str(SCRIPT), "--sets", "motorcycle", "-o", str(folder / "out"), *arguments],
        capture_output=True, text=True, check=False, timeout=120,
        env={"PYTHONPATH": f"{folder}:{SCRIPT.parents[1]}", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def test_known_predictions_get_their_scores(tmp_path: Path) -> None:
    done = _run(tmp_path, "--predictor", "predictors:perfect")
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "out" / "accuracy.json").read_text())["sets"]["motorcycle"]["summary"]["all"]
    assert summary["refined"]["abs_rel"] == 0
    assert summary["refined"]["edge_mae_m"] == 0
    assert summary["coarse"]["abs_rel"] == pytest.approx(1)
    assert summary["coarse"]["abs_rel_median"] == pytest.approx(0, abs=1e-6)
    assert summary["constant"]["abs_rel_affine"] == pytest.approx(0.2505, abs=1e-3)  # the mean of the truth
    assert summary["constant"]["abs_rel_median"] == pytest.approx(0.2118, abs=1e-3)  # its median
    assert summary["constant"]["log_depth_correlation"] is None
    assert 0.1 < summary["best plane"]["abs_rel"] < summary["best constant"]["abs_rel"] < summary["constant"]["abs_rel"]
    assert "| all | refined | 0.000 |" in done.stdout
    assert done.stdout.strip() == (tmp_path / "out" / "accuracy.md").read_text().strip()


def test_a_bare_array_is_one_variant(tmp_path: Path) -> None:
    done = _run(tmp_path, "--predictor", "predictors:flat")
    assert done.returncode == 0, done.stderr
    assert "| all | prediction |" in done.stdout


def test_scenes_that_are_measured_on_have_seeds_held_aside(tmp_path: Path) -> None:
    done = _run(
        tmp_path, "--sets", "synthetic", "--scenes", "2", "--width", "64", "--height", "48", "--predictor",
        "predictors:flat",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "accuracy.json").read_text())
    names = [row["name"] for row in report["sets"]["synthetic, held aside"]["frames"]]
    assert [int(name) for name in names] == list(HELD_ASIDE_SEEDS[:2]) == [9_000_000, 9_000_001]


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    done = _run(tmp_path, "--predictor", "predictors:flat")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("accuracy: ")
    assert "Traceback" not in done.stderr


def test_an_unknown_predictor_is_one_line(tmp_path: Path) -> None:
    done = _run(tmp_path, "--predictor", "predictors:missing")
    assert done.returncode == 1
    assert done.stderr.startswith("accuracy: predictor 'predictors:missing'")
    assert done.stderr.count("\n") == 1
