from __future__ import annotations

import dataclasses
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prv2_ros.data.frames import Frame
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.training import samples
from prv2_ros.training.samples import F_RANGE_PX, coarse_sample, log_truth, recolour


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
