"""Flicker, drift and tiles: hand-worked cases and scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from prv2_ros.errors import InputError
from prv2_ros.evaluation.temporal import flicker, scale_drift, tile_consistency
from prv2_ros.types import TileDepth

MINUTE_NS = 60_000_000_000


def test_motion_is_no_flicker() -> None:
    """Everything comes a tenth nearer, prediction and truth alike."""
    truth = np.random.default_rng(0).uniform(2, 40, (20, 30))
    assert flicker(truth * 1.3 * 0.9, truth * 0.9, truth * 1.3, truth) == pytest.approx(0, abs=1e-12)


def test_a_jump_of_scale_is_flicker() -> None:
    truth = np.full((20, 30), 5.0)
    assert flicker(truth * 1.1, truth, truth, truth) == pytest.approx(math.log(1.1))
    assert flicker(truth, truth, truth * 1.1, truth) == pytest.approx(math.log(1.1))


def test_only_pixels_with_truth_in_both_frames_count() -> None:
    now, before = np.full((10, 20), 5.0), np.full((10, 20), 5.0)
    now[:4], before[6:] = 0, np.nan
    prediction = np.full((10, 20), 5.0)
    prediction[4:6, :10] *= 1.2
    assert flicker(prediction, now, np.full((10, 20), 5.0), before) == pytest.approx(math.log(1.2) / 2)
    assert math.isnan(flicker(prediction, now, prediction, np.zeros((10, 20))))


def test_frames_of_two_sizes_are_refused() -> None:
    with pytest.raises(InputError, match=r"previous frame of shape \(2, 3\), this one \(3, 2\): must be the same"):
        flicker(np.ones((3, 2)), np.ones((3, 2)), np.ones((2, 3)), np.ones((2, 3)))


def test_drift_of_five_percent_a_minute() -> None:
    stamps = [10**18 + i * MINUTE_NS // 4 for i in range(9)]
    found = scale_drift(stamps, [0.9 * math.exp(0.05 * i / 4) for i in range(9)])
    assert found.per_minute == pytest.approx(0.05)
    assert found.scale == pytest.approx(0.9 * math.exp(0.05))
    assert found.spread == pytest.approx(float(np.std([0.05 * i / 4 for i in range(9)])))


def test_slope_equals_scipys_theil_sen() -> None:
    generator = np.random.default_rng(3)
    stamps = np.sort(generator.integers(0, 10 * MINUTE_NS, 40)).tolist()
    scales = generator.lognormal(0, 0.1, 40)
    expected = stats.theilslopes(np.log(scales), (np.array(stamps) - stamps[0]) / MINUTE_NS).slope
    assert scale_drift(stamps, scales.tolist()).per_minute == pytest.approx(float(expected))


def test_one_outlier_does_not_bend_the_slope() -> None:
    stamps = [i * MINUTE_NS for i in range(11)]
    assert scale_drift(stamps, [1.0] * 10 + [5.0]).per_minute == 0


def test_drift_of_little() -> None:
    assert math.isnan(scale_drift([], []).scale)
    assert math.isnan(scale_drift([0, 1], [1.0, 1.1]).per_minute)
    assert math.isnan(scale_drift([5, 5, 5], [1.0, 1.1, 1.2]).per_minute)
    assert scale_drift([0, 1, 2], [2.0, math.nan, 8.0]).scale == pytest.approx(4.0)


@pytest.mark.parametrize(("seconds", "is_known"), [(29.9, False), (30.0, True)])
def test_a_short_drive_has_no_drift_per_minute(seconds: float, is_known: bool) -> None:
    stamps = [10**18 + round(i * seconds * 1e8) for i in range(11)]
    found = scale_drift([*stamps, stamps[-1] + MINUTE_NS], [*([1.0, 1.1] * 5), 1.0, math.nan])
    assert math.isnan(found.per_minute) != is_known
    assert found.spread > 0


def test_tiles_that_overlap() -> None:
    """Two tiles share 2x3 pixels and differ by 0.5 m; a third shares 1x1 with the second and differs by 1 m."""
    tiles = [
        TileDepth(y=0, x=0, depth_m=np.full((4, 8), 2.0)),
        TileDepth(y=2, x=5, depth_m=np.full((4, 8), 2.5)),
        TileDepth(y=5, x=12, depth_m=np.full((4, 8), 3.5)),
    ]
    found = tile_consistency(tiles)
    assert found["tile_consistency_m"] == pytest.approx((6 * 0.5 + 1 * 1.0) / 7)
    assert found["tile_consistency_log"] == pytest.approx((6 * math.log(1.25) + math.log(1.4)) / 7)


def test_tiles_without_a_common_pixel() -> None:
    tiles = [TileDepth(y=0, x=0, depth_m=np.ones((4, 4))), TileDepth(y=0, x=4, depth_m=np.ones((4, 4)))]
    assert math.isnan(tile_consistency(tiles)["tile_consistency_m"])
    holes = [TileDepth(y=0, x=0, depth_m=np.full((4, 4), np.nan)), TileDepth(y=0, x=0, depth_m=np.ones((4, 4)))]
    assert math.isnan(tile_consistency(holes)["tile_consistency_log"])


@pytest.mark.parametrize(("pixels", "is_known"), [(29, False), (30, True)])
def test_few_common_pixels_say_nothing_about_flicker(pixels: int, is_known: bool) -> None:
    truth = np.ones((1, pixels))
    assert math.isnan(flicker(truth, truth, truth, truth)) != is_known


def test_a_depth_below_zero_flickers_as_the_least_depth() -> None:
    truth = np.ones((5, 10))
    assert flicker(truth * -1, truth, truth, truth) == pytest.approx(math.log(1000))


def test_scales_that_no_model_has_are_no_drift() -> None:
    assert scale_drift([0, 1, 2, 3], [2.0, 0.0, -1.0, 8.0]).scale == pytest.approx(4.0)


def test_a_long_drive_is_thinned_over_all_of_it() -> None:
    stamps = [i * MINUTE_NS for i in range(4000)]
    scales = np.exp(0.001 * np.maximum(np.arange(4000) - 1500, 0))  # flat at first
    expected = stats.theilslopes(np.log(scales[::4]), np.arange(0, 4000, 4)).slope
    assert scale_drift(stamps, scales.tolist()).per_minute == pytest.approx(float(expected), rel=0.02)


def test_holes_of_tiles_are_not_compared() -> None:
    one, other = np.full((4, 4), 2.0), np.full((4, 4), 3.0)
    one[0], other[1] = 0.0, -1.0
    found = tile_consistency([TileDepth(y=0, x=0, depth_m=one), TileDepth(y=0, x=0, depth_m=other)])
    assert found["tile_consistency_m"] == pytest.approx(1.0)
    assert found["tile_consistency_log"] == pytest.approx(math.log(1.5))
