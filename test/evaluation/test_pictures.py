"""Pictures show what the arrays hold."""

from __future__ import annotations

import base64
import dataclasses

import cv2
import numpy as np
import pytest
from evaluation_example import pictures
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.evaluation.pictures import FramePictures, draw_frame, error_colours
from prv2_ros.evaluation.records import FrameKey

KEY = FrameKey(bag="b", camera="/left", stamp_ns=10**9)


def _decode(uri: str) -> NDArray[np.uint8]:
    kind, data = uri.split(",")
    assert kind == "data:image/jpeg;base64"
    return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def _flat(factor: float, *, dense: bool) -> FramePictures:
    truth = np.full((60, 80), 10.0, np.float32)
    if not dense:
        truth[:] = 0
        truth[30, 40] = 10
    image = np.full((60, 80, 3), 100, np.uint8)
    return FramePictures(image=image, depth_m=np.full((60, 80), 10 * factor, np.float32), truth_m=truth)


@pytest.mark.parametrize(("factor", "strongest"), [(0.5, 2), (1.5, 0)])
def test_too_near_is_blue_and_too_far_is_red(factor: float, strongest: int) -> None:
    colour = _decode(draw_frame(_flat(factor, dense=True)).error).mean((0, 1))
    assert np.argmax(colour) == strongest


def test_right_is_grey_and_the_limit_holds_beyond() -> None:
    assert error_colours(np.array([0.0])).tolist() == [[225, 225, 225]]
    assert np.array_equal(error_colours(np.array([-0.5, 0.5])), error_colours(np.array([-0.9, 7.0])))


def test_a_lone_point_is_three_pixels_wide_on_dark_grey() -> None:
    error = _decode(draw_frame(_flat(1.0, dense=False)).error)
    assert error[30, 40].min() > 190
    assert np.abs(error[:20].astype(int) - 50).max() < 6
    assert np.count_nonzero(error.min(-1) > 120) == pytest.approx(9, abs=3)


def test_wide_images_are_shrunk_and_keep_their_shape() -> None:
    big = FramePictures(
        image=np.zeros((600, 1280, 3), np.uint8), depth_m=np.ones((600, 1280), "f4"), truth_m=np.ones((600, 1280), "f4")
    )
    drawn = draw_frame(big)
    assert drawn.size == (640, 300)
    for uri in (drawn.image, drawn.depth, drawn.error, drawn.overlay):
        assert _decode(uri).shape == (300, 640, 3)


def test_scales_have_round_metres() -> None:
    drawn = draw_frame(pictures(KEY, "new"))
    texts = [text for _, text in drawn.depth_scale.ticks]
    assert 2 <= len(texts) <= 5
    assert all(text.endswith(" m") for text in texts)
    assert all(0 <= at <= 100 for at, _ in drawn.depth_scale.ticks)
    assert drawn.error_scale.ticks[0] == (0.0, "50% too near")


def test_a_predicted_sky_has_no_part_in_the_colours_and_is_grey() -> None:
    truth = np.geomspace(2, 40, 60 * 80, dtype=np.float32).reshape(60, 80)
    depth = truth.copy()
    truth[:20], depth[:10], depth[10:20] = np.inf, 900, 70
    seen = dataclasses.replace(_flat(1.0, dense=True), truth_m=truth, depth_m=depth)
    drawn = draw_frame(seen)
    nearest, farthest = (
        float(text.split()[0]) for _, text in (drawn.depth_scale.ticks[0], drawn.depth_scale.ticks[-1])
    )
    assert nearest >= 5
    assert farthest <= 40
    colours = _decode(drawn.depth).astype(int)
    assert np.abs(colours[:8] - 128).max() < 10, "far beyond the farthest truth"
    assert colours[12:18].max() < 60, "as far as the truth, or at a wrong scale"


def test_depth_without_truth_has_a_range_of_its_own() -> None:
    seen = _flat(1.0, dense=True)
    alone = dataclasses.replace(
        seen, truth_m=seen.truth_m * 0, depth_m=np.linspace(2, 20, 4800, dtype="f4").reshape(60, 80)
    )
    assert [text for _, text in draw_frame(alone).depth_scale.ticks][-1] == "10 m"
    assert np.abs(_decode(draw_frame(alone).depth).astype(int) - 128).max(-1).min() > 10, "no grey"


def test_a_frame_without_prediction_or_truth_can_be_drawn() -> None:
    seen = _flat(1.0, dense=True)
    for changed in ({"depth_m": seen.depth_m * np.nan}, {"truth_m": seen.truth_m * 0}):
        assert draw_frame(dataclasses.replace(seen, **changed)).depth


def test_sizes_that_differ_are_refused() -> None:
    seen = dataclasses.replace(_flat(1.0, dense=True), image=np.zeros((30, 40, 3), np.uint8))
    with pytest.raises(InputError, match=r"image of shape \(30, 40, 3\), depth \(60, 80\): must be of one size"):
        draw_frame(seen)
