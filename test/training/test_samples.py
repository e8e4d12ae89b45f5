from __future__ import annotations

import dataclasses
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prv2_ros.data.frames import Frame
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.network.align import network_focal
from prv2_ros.training import samples
from prv2_ros.training.coarse_maps import CoarseTile
from prv2_ros.training.samples import (
    F_RANGE_PX,
    ColourChange,
    Window,
    coarse_sample,
    draw_window,
    log_truth,
    recolour,
    tile_sample,
    window_focal,
)


def _plane_frame(width: int = 240, height: int = 160) -> Frame:
    """A wall of 2 m wide stripes 8 m away: what a pixel shows tells the lens."""
    camera = CameraModel.from_fov(width, height, 60)
    x = (np.arange(width) - camera.cx) / camera.fx * 8.0
    stripes = (np.floor(x / 2.0).astype(int) % 2 * 200 + 20).astype(np.uint8)
    image = np.repeat(np.repeat(stripes[None, :, None], height, 0), 3, 2)
    return Frame(name="x", image=image, depth_m=np.full((height, width), 8.0, np.float32), camera=camera, kind="wall")


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([(64, 96), (96, 96), (128, 64)]))
def test_the_focal_length_follows_crop_and_resize(seed: int, size: tuple[int, int]) -> None:
    sample = coarse_sample(_plane_frame(), size, np.random.default_rng(seed))
    assert sample.image.shape == (*size, 3)
    assert sample.log_depth.shape == size
    assert sample.f_px <= F_RANGE_PX[1] * 1.05
    np.testing.assert_allclose(sample.log_depth, np.log(8.0), rtol=1e-6)
    row = sample.image[size[0] // 2].astype(int).mean(-1)
    bright = row > (row.max() + row.min()) / 2
    changes = np.flatnonzero(np.diff(bright.astype(int)))
    if len(changes) > 1 and row.max() - row.min() > 40:
        stripe_px = np.diff(changes).mean()
        assert stripe_px == pytest.approx(2.0 / 8.0 * sample.f_px, rel=0.12)


@pytest.mark.parametrize("size", [(288, 512), (320, 480), (320, 448), (96, 160)])
def test_the_truth_lies_on_the_image(size: tuple[int, int]) -> None:
    """A picture whose brightness is its depth keeps being so: what is resized in two ways must not drift apart."""
    ramp = np.repeat(0.9 * np.arange(256, dtype=np.float32)[:, None] + 5.0, 384, 1)  # flips leave it alone
    frame = dataclasses.replace(
        _plane_frame(), image=np.repeat(ramp.round().astype(np.uint8)[..., None], 3, 2), depth_m=ramp
    )
    drift = []
    for seed in range(20):
        with patch.object(samples, "recolour", lambda image, rng: image):
            sample = coarse_sample(frame, size, np.random.default_rng(seed))
        drift.append((np.exp(sample.log_depth) - sample.image[..., 0])[8:-8, 8:-8].mean())
    assert abs(np.mean(drift)) < 0.1, "0.1 rows of the picture"


def test_log_truth_keeps_sky_and_drops_what_is_no_depth() -> None:
    found = log_truth(np.array([[1.0, np.e, np.inf, 0.0, -2.0]], np.float32))
    np.testing.assert_allclose(found, [[0.0, 1.0, np.inf, np.nan, np.nan]], atol=1e-6)


def test_recolour_is_seeded_and_keeps_the_shape() -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    seen = set()
    for seed in range(8):
        a, b = (recolour(image, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(a, b)
        assert a.shape == image.shape
        assert a.dtype == np.uint8
        seen.add(a.tobytes())
    assert len(seen) > 4


def test_a_long_lens_is_not_cut_to_a_longer_one_than_inference_meets() -> None:
    camera = CameraModel(width=240, height=160, fx=2500.0, fy=2500.0, cx=119.5, cy=79.5)
    frame = dataclasses.replace(_plane_frame(), camera=camera)
    found = [coarse_sample(frame, (64, 96), np.random.default_rng(seed)).f_px for seed in range(20)]
    assert min(found) == pytest.approx(2500.0 * 96 / 240), "the whole picture"
    assert F_RANGE_PX[1] * 0.95 < max(found) < F_RANGE_PX[1] * 1.02


def test_the_focal_length_is_that_which_inference_takes() -> None:
    """Of a lens that stretches, the mean of both axes at the window's scale along each."""
    camera = CameraModel(width=241, height=160, fx=200.0, fy=260.0, cx=120.0, cy=79.5)
    stretched = dataclasses.replace(_plane_frame(241), camera=camera)
    for seed in range(8):
        rng, size = np.random.default_rng(seed), (64, 96)
        window = draw_window(camera, size, np.random.default_rng(seed))
        expected = network_focal(camera.fx, camera.fy, (window.height, window.width), size)
        assert coarse_sample(stretched, size, rng).f_px == window_focal(camera, window, size) == expected
        assert expected != pytest.approx(camera.fx * 96 / window.width, rel=0.1)


def test_windows_of_a_stretched_long_lens_end_where_inference_does() -> None:
    """They are no smaller than those of the lens that has the mean focal length."""
    windows = []
    for fx, fy in ((2500.0, 2500.0), (1250.0, 5000.0)):
        camera = CameraModel(width=240, height=160, fx=fx, fy=fy, cx=119.5, cy=79.5)
        windows.append([draw_window(camera, (64, 96), np.random.default_rng(seed)) for seed in range(20)])
    assert windows[0] == windows[1]


@pytest.mark.parametrize("size", [(64, 64), (64, 160)])
def test_windows_lie_about_the_optical_axis(size: tuple[int, int]) -> None:
    camera = CameraModel.from_fov(240, 160, 60)
    windows = [draw_window(camera, size, np.random.default_rng(seed)) for seed in range(200)]
    assert np.mean([window.x + window.width / 2 for window in windows]) == pytest.approx(120, abs=4)
    assert np.mean([window.y + window.height / 2 for window in windows]) == pytest.approx(80, abs=4)


@pytest.mark.parametrize("f_px", [200.0, 311.7, 1 / 3])
def test_the_focal_length_of_equal_axes_and_scales_is_scaled(f_px: float) -> None:
    camera = CameraModel(width=240, height=160, fx=f_px, fy=f_px, cx=119.5, cy=79.5)
    window = Window(x=0, y=0, width=120, height=80)
    assert window_focal(camera, window, (64, 96)) == pytest.approx(f_px * 96 / 120, rel=1e-15)


def _cells(whole: np.ndarray, side: int) -> np.ndarray:
    """Mean of every cell of side x side px."""
    height, width = whole.shape
    return whole.reshape(height // side, side, width // side, side).mean((1, 3)).astype(np.float32)


def _mapped_tile() -> tuple[Frame, CoarseTile]:
    """A tile whose pixels and maps all say where they lie: depth, its scale and features are linear in x and y."""
    v, u = np.mgrid[0:64, 0:96].astype(np.float32)
    ramp = 0.02 * u + 0.01 * v
    image = np.stack([u, v, u], -1).astype(np.uint8)
    camera = CameraModel.from_fov(96, 64, 60)
    tile = Frame(name="t", image=image, depth_m=np.exp(ramp), camera=camera, kind="")
    features = np.stack([_cells(u, 8), _cells(v, 8)])
    return tile, CoarseTile(log_depth=_cells(ramp, 4), log_scale=_cells(3 * ramp, 4), features=features)


@pytest.mark.parametrize("size", [(32, 48), (48, 32), (200, 200)])
def test_maps_and_truth_lie_under_the_pixels_of_a_tile(size: tuple[int, int]) -> None:
    tile, coarse = _mapped_tile()
    moved, turned = [], set()
    for seed in range(12):
        with patch.object(samples, "recolour", lambda image, rng: image):
            found = tile_sample(tile, coarse, size, np.random.default_rng(seed))
        u, v = (found.image[..., channel].astype(np.float32) for channel in (0, 1))
        assert u.shape == (min(size[0], 64), min(size[1], 96))
        ramp = 0.02 * u + 0.01 * v
        np.testing.assert_allclose(found.log_depth, ramp, atol=1e-5)
        np.testing.assert_allclose(found.log_scale, _cells(3 * ramp, 4), atol=1e-5)
        np.testing.assert_allclose(found.features, [_cells(u, 8), _cells(v, 8)], atol=1e-5)
        shift = found.log_coarse - _cells(ramp, 4)
        np.testing.assert_allclose(shift, shift[0, 0], atol=1e-5)
        moved.append(shift[0, 0])
        turned.add(bool(u[0, 0] > u[0, -1]))
    assert turned == {False, True}
    assert 0.05 < np.std(moved) < 0.4, "the coarse depth has another scale each time"


@pytest.mark.parametrize(
    "change", [ColourChange(noise=30.0), ColourChange(saturation=3.0)], ids=["noise", "saturation"]
)
def test_colours_end_at_black_and_white(change: ColourChange) -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    image[..., 0] = 255
    with patch.object(samples, "draw_colour_change", lambda rng: change):
        found = recolour(image, np.random.default_rng(0))
    assert found[..., 0].min() > 100
    assert found[..., 1:].max() < 155
