from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

from prv2_ros.evaluation.frames import TruthFrame
from prv2_ros.evaluation.report import Depths
from prv2_ros.evaluation.sets import CONFIDENCE, engine_predictor, plain, score_set
from prv2_ros.geometry.camera import CameraModel

CAMERA = CameraModel(width=64, height=48, fx=50.0, fy=50.0, cx=31.5, cy=23.5)


def frames() -> Iterator[TruthFrame]:
    """A near and a far wall, either before a farther one."""
    for k, near_m in enumerate((2.0, 8.0)):
        truth_m = np.full((48, 64), 3 * near_m, np.float32)
        truth_m[:, 20:40] = near_m
        image = np.zeros((48, 64, 3), np.uint8)
        yield TruthFrame(name=f"{k}", kind="wall", image=image + np.uint8(near_m), truth_m=truth_m, camera=CAMERA)


def twice_as_far(image_rgb: np.ndarray, camera: CameraModel) -> Depths:
    assert camera == CAMERA
    truth_m = next(frame.truth_m for frame in frames() if frame.image[0, 0, 0] == image_rgb[0, 0, 0])
    sure = np.full(truth_m.shape, np.exp(-np.log(2)), np.float32)
    return {"coarse": np.full_like(truth_m, 4.0), "refined": 2 * truth_m, CONFIDENCE: sure}


def test_every_frame_is_scored_beside_its_floors() -> None:
    names: list[str] = []
    block = score_set(frames(), twice_as_far, tick=names.append)
    assert names == ["0", "1"]
    assert [row["name"] for row in block["frames"]] == names
    summary = block["summary"]["all"]
    assert summary["refined"]["abs_rel"] == pytest.approx(1.0)
    assert summary["refined"]["abs_rel_median"] == pytest.approx(0.0, abs=1e-6)
    assert set(summary) == {
        "coarse", "refined", "coarse with perfect edges", "best constant", "best plane", "constant"
    }  # fmt: skip
    # The medians of the two truths are 6 and 24 m, their own median 15 m.
    assert block["frames"][0]["scores"]["constant"]["abs_rel"] == pytest.approx((6.5 * 20 + 1.5 * 44) / 64)
    for fifth in block["calibration"]["fifths"]:
        assert fifth["predicted"] == pytest.approx(np.log(2), rel=0.03)
        assert fifth["actual"] == pytest.approx(np.log(2), rel=0.03)


def test_the_constant_can_be_left_out() -> None:
    block = score_set(frames(), twice_as_far, constant=False)
    assert "constant" not in block["summary"]["all"]


def test_a_set_without_frames_has_no_figures() -> None:
    assert score_set([], twice_as_far) == {"frames": [], "summary": {}, "calibration": {}}


def test_json_has_no_nan() -> None:
    assert plain({"a": [1.0, float("nan")], "b": (float("inf"), 2, "c")}) == {"a": [1.0, None], "b": [None, 2, "c"]}


def test_nothing_is_fitted_to_truth_beyond_the_limit_nor_counted_over_it() -> None:
    limited = score_set(frames(), twice_as_far, max_depth_m=10.0)
    cut = []
    for frame in frames():
        truth_m = np.where(frame.truth_m > 10, np.float32(np.inf), frame.truth_m)
        cut.append(dataclasses.replace(frame, truth_m=truth_m))
    assert plain(limited) == plain(score_set(cut, twice_as_far))
    assert plain(limited) != plain(score_set(frames(), twice_as_far))


def test_what_is_taken_for_the_sky_counts_as_far(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[float] = []
    monkeypatch.setattr("prv2_ros.inference.load.load_engine", lambda *_, config: limits.append(config.max_depth_m))
    engine_predictor("default", "cpu")
    assert limits == [np.inf]
