"""The weights that come with the package, through the engine as a user loads it."""

from __future__ import annotations

import numpy as np

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.inference.engine import DepthEngine


def floor_and_wall(height: int, width: int) -> np.ndarray:
    """A chequered floor below a plain wall: the least that tells near from far."""
    v, u = np.mgrid[:height, :width].astype(np.float64)
    horizon = height * 0.45
    depth = 1 / np.maximum(v - horizon, 1)
    squares = (np.floor(60 * depth * (u - width / 2) / 20) + np.floor(120 * depth * 4)) % 2
    grey = np.where(v > horizon + 8, 90 + 90 * squares, 170)
    return np.repeat(grey[..., None], 3, 2).astype(np.uint8)


def test_the_packaged_model_sees_that_a_floor_runs_away_and_scales_with_the_lens():
    engine = DepthEngine.load(device="cpu")
    assert engine.model_name == "default"
    assert engine.device.type == "cpu"
    image = floor_and_wall(240, 384)
    depths = [
        engine.infer(image, CameraModel(width=384, height=240, fx=f, fy=f, cx=191.5, cy=119.5)).depth_m
        for f in (300.0, 600.0)
    ]
    assert np.isfinite(depths[0][130:]).all(), "the floor; a plain bright wall may pass for the sky"
    near, far = np.nanmedian(depths[0][-24:]), np.nanmedian(depths[0][130:150])
    assert 0.3 < near < far < 200
    # The canonical camera scales the coarse depth exactly; the refiner sees metres and may answer a little differently.
    # Of the floor: whether the wall is far enough for a closer look depends on the lens.
    ratio = np.nanmedian(depths[1][150:] / depths[0][150:])
    assert 1.8 < ratio < 2.2
