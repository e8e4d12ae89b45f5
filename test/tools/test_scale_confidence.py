"""One factor on what the refiner expects its error to be."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from engine_pictures import picture, small_model

from prv2_ros.inference.engine import DepthEngine
from prv2_ros.network.checkpoint import save_model

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import scale_confidence


def test_the_expected_error_grows_by_the_factor_and_the_depth_stays(tmp_path: Path) -> None:
    path = save_model(small_model(refines=True), tmp_path, "before")
    assert scale_confidence.main([str(path), "--factor", "1.5", "-o", str(tmp_path), "--name", "after"]) == 0
    before, after = (
        DepthEngine.load(str(tmp_path / f"{name}.yaml"), device="cpu").infer(picture(128, 192), confidence=True)
        for name in ("before", "after")
    )
    np.testing.assert_allclose(after.depth_m, before.depth_m, rtol=1e-6)
    assert before.confidence is not None
    assert after.confidence is not None
    np.testing.assert_allclose(np.log(after.confidence) / np.log(before.confidence), 1.5, rtol=0.01)


@pytest.mark.parametrize(
    ("model", "factor", "why"),
    [
        ("before.yaml", "0", "factor 0.0: give 0.1 to 10"),
        ("before.yaml", "nan", "factor nan"),
        ("none.yaml", "2", "no model"),
    ],
)
def test_what_cannot_be_is_one_line(
    model: str, factor: str, why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_model(small_model(refines=True), tmp_path, "before")
    assert scale_confidence.main([str(tmp_path / model), "--factor", factor, "-o", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("scale_confidence: ")
    assert why in error
    assert error.count("\n") == 1
