from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from prv2_ros.errors import InputError
from prv2_ros.geometry.depth_codec import (
    add_scale,
    colourise,
    display_range,
    from_millimetres,
    limit_range,
    scale_ticks,
    set_nan,
    to_millimetres,
)

DEPTHS = st_numpy.arrays(np.float32, st.tuples(st.integers(1, 130), st.integers(1, 5)), elements=st.floats(width=32))


@given(DEPTHS)
def test_millimetres_are_the_nearest_whole_number_or_zero(depth_m):
    millimetres = to_millimetres(depth_m)
    assert millimetres.dtype == np.uint16
    for metres, code in zip(depth_m.ravel().tolist(), millimetres.ravel().tolist(), strict=True):
        if not math.isfinite(metres) or metres < 0.0004 or metres > 65.536:
            assert code == 0
        elif 0.0006 < metres < 65.535:
            assert abs(code - metres * 1000) <= 0.51  # float32 carries 65 m to 4 um


@pytest.mark.parametrize(
    ("metres", "code"),
    [
        (math.nan, 0),
        (math.inf, 0),
        (-math.inf, 0),
        (-1.0, 0),
        (0.0, 0),
        (1.2344, 1234),
        (1.2346, 1235),
        (65.535, 65535),
        (65.536, 0),
        (1e30, 0),
    ],
)
def test_millimetre_codes(metres, code):
    assert to_millimetres(np.array([[metres]], np.float32)).item() == code


@given(st_numpy.arrays(np.uint16, st.tuples(st.integers(1, 70), st.integers(1, 9))))
def test_millimetres_survive_a_round_trip(codes):
    depth_m = from_millimetres(codes)
    assert depth_m.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(depth_m), codes == 0)
    np.testing.assert_array_equal(to_millimetres(depth_m), codes)


def test_millimetres_are_written_into_a_given_array():
    out = np.full((200, 3), 9, np.uint16)
    assert to_millimetres(np.full((200, 3), 2.5, np.float32), out=out) is out
    assert (out == 2500).all()


def test_millimetres_of_a_view_with_gaps():
    depth_m = np.arange(1, 401, dtype=np.float32).reshape(20, 20) / 10
    np.testing.assert_array_equal(to_millimetres(depth_m[::3, ::2]), (depth_m[::3, ::2] * 1000).round())


@given(DEPTHS, st.integers(0, 2**32 - 1))
def test_set_nan_sets_the_masked_values_and_no_other(values, seed):
    mask = np.random.default_rng(seed).random(values.shape) < 0.5
    expected = values.copy()
    expected[mask] = np.nan
    set_nan(values, mask)
    np.testing.assert_array_equal(values, expected)


def test_colours_get_darker_with_depth_and_even_in_ratio():
    depth_m = np.geomspace(1, 100, 200, dtype=np.float32)[None]
    luma = colourise(depth_m, 1, 100) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luma[0]) <= 1.5).all()  # 8-bit steps of the map
    assert luma[0, 0] > 230
    assert luma[0, -1] < 5
    middle = colourise(np.array([[10.0]], np.float32), 1, 100)
    np.testing.assert_array_equal(middle, colourise(np.array([[2.0]], np.float32), 1, 4))


def test_colours_outside_the_range_and_invalid_pixels():
    depth_m = np.array([[0.5, 1, 50, 100, np.inf, np.nan, 0, -2]], np.float32)
    rgb = colourise(depth_m, 1, 50)[0]
    np.testing.assert_array_equal(rgb[0], rgb[1])
    np.testing.assert_array_equal(rgb[2:4], rgb[[4, 4]])
    assert (rgb[5:] == 128).all()
    assert (rgb[:5] != 128).any(-1).all()


@pytest.mark.parametrize(("near", "far"), [(0, 1), (2, 2), (3, 1), (1, math.inf), (math.nan, 2), (-1, 4)])
def test_impossible_ranges_are_refused(near, far):
    with pytest.raises(InputError, match=r"expected 0 < near < far, both finite"):
        colourise(np.ones((2, 2), np.float32), near, far)


def test_display_range_leaves_out_the_extremes_and_the_invalid():
    depth_m = np.linspace(1, 11, 100 * 100, dtype=np.float32).reshape(100, 100)
    depth_m[0, 0], depth_m[0, 1], depth_m[0, 2] = 1e-6, 1e6, np.nan
    near, far = display_range(depth_m)
    assert near == pytest.approx(1.1, abs=0.02)
    assert far == pytest.approx(10.9, abs=0.02)


def test_display_range_of_a_wall_and_of_nothing():
    near, far = display_range(np.full((10, 10), 4, np.float32))
    assert near < 4 < far
    assert far / near == pytest.approx(1.5)
    assert display_range(np.full((10, 10), np.nan, np.float32)) == (1, 10)


@given(near=st.floats(0.01, 500), ratio=st.floats(1.5, 1e5), most=st.integers(2, 12))
def test_scale_ticks_are_few_round_and_inside(near, ratio, most):
    ticks = scale_ticks(near, near * ratio, most)
    assert len(ticks) <= most
    assert all(near <= t <= near * ratio + 1e-6 for t in ticks)
    assert ticks == sorted(set(ticks))
    if most >= 3:
        assert ticks
    assert all(len(f"{t:g}") <= 7 for t in ticks)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (480, 640), (1080, 1920)])
def test_the_scale_stands_beside_the_image(height, width):
    rgb = np.full((height, width, 3), 7, np.uint8)
    scaled = add_scale(rgb, 1, 80)
    np.testing.assert_array_equal(scaled[:, :width], rgb)
    panel = scaled[:, width:]
    assert panel.shape[0] == height
    assert 20 <= panel.shape[1] <= max(100, width // 4)
    colours = {tuple(c) for c in panel.reshape(-1, 3)}
    ends = colourise(np.array([[1, 80]], np.float32), 1, 80)[0]
    assert {tuple(c) for c in ends} <= colours
    assert (panel < 60).all(-1).sum() > 20  # labels are drawn


def test_a_picture_without_pixels_has_no_colours():
    assert colourise(np.empty((0, 5), np.float32), 1.0, 10.0).shape == (0, 5, 3)


@pytest.mark.parametrize("far", [math.nan, math.inf])
def test_the_ends_of_a_range_belong_to_it(far):
    low, high = np.float32(0.3), np.float32(20)
    beside = np.nextafter(low, np.float32(0)), np.nextafter(high, np.float32(99))
    depth_m = np.array([[low, high, *beside, np.nan, np.inf, 5]] * 70, np.float32)
    out = np.zeros_like(depth_m)
    limit_range(depth_m, 0.3, 20.0, far, out)
    np.testing.assert_array_equal(out, np.array([[low, high, np.nan, far, np.nan, far, 5]] * 70, np.float32))


def test_depths_beside_the_scale_stand_at_their_colours():
    panel = add_scale(np.full((480, 640, 3), 7, np.uint8), 1, 80)[:, 640:]
    left = int(np.flatnonzero((panel[240] != 255).any(-1))[0])
    right = left + int(np.flatnonzero((panel[240, left:] == 255).all(-1))[0])
    rows = np.flatnonzero((panel[:, left] != 255).any(-1))
    far, near = (tuple(panel[row, left]) for row in (rows[0], rows[-1]))
    assert (near, far) == tuple(tuple(c) for c in colourise(np.array([[1, 80]], np.float32), 1, 80)[0])
    ticks = np.flatnonzero((panel[:, right] < 60).all(-1))
    expected = rows[-1] - (rows[-1] - rows[0]) * np.log(scale_ticks(1, 80, len(ticks))) / np.log(80)
    assert len(ticks) > 5
    np.testing.assert_allclose(ticks[::-1], expected, atol=1)


@pytest.mark.parametrize("height", range(1, 24))
def test_an_image_of_any_height_is_given_back_with_or_without_a_scale(height: int) -> None:
    rgb = np.full((height, 40, 3), 7, np.uint8)
    scaled = add_scale(rgb, 1, 80)
    assert scaled.shape[0] == height
    np.testing.assert_array_equal(scaled[:, :40], rgb)
