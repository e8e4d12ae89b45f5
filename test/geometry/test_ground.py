"""The ground in depth images of planes that are known exactly, with things on it, noise and tilt."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.ground import GroundFinder

CAMERA = CameraModel(width=320, height=240, fx=280.0, fy=270.0, cx=155.0, cy=118.0)


def plane_depth(height_m: float, pitch_deg: float = 0.0, roll_deg: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Depth of a ground plane, infinite above its horizon, and its normal in the optical frame."""
    pitch, roll = math.radians(pitch_deg), math.radians(roll_deg)
    normal = np.array([-math.sin(roll) * math.cos(pitch), math.cos(roll) * math.cos(pitch), math.sin(pitch)])
    rays = CAMERA.rays().astype(np.float64)
    towards = rays[..., 0] * normal[0] + rays[..., 1] * normal[1] + normal[2]
    with np.errstate(divide="ignore"):
        depth = np.where(towards > 1e-6, height_m / towards, np.inf)
    return depth.astype(np.float32), normal


@given(height_m=st.floats(0.2, 4.0), pitch_deg=st.floats(-4, 25), roll_deg=st.floats(-8, 8))
def test_a_plane_is_found_exactly(height_m: float, pitch_deg: float, roll_deg: float) -> None:
    depth, normal = plane_depth(height_m, pitch_deg, roll_deg)
    ground = GroundFinder(CAMERA).find(depth, least_share=0.2)
    assert ground is not None
    assert ground.height_m == pytest.approx(height_m, rel=0.01)
    np.testing.assert_allclose(ground.normal, normal, atol=0.01)


def test_things_on_the_ground_noise_and_holes_do_not_move_it() -> None:
    rng = np.random.default_rng(1)
    depth, _ = plane_depth(1.65)
    depth *= np.exp(rng.normal(0, 0.03, depth.shape)).astype(np.float32)
    depth[100:200, 200:300] = 4.0  # a car
    depth[rng.uniform(size=depth.shape) < 0.2] = np.nan
    ground = GroundFinder(CAMERA).find(depth)
    assert ground is not None
    assert ground.height_m == pytest.approx(1.65, rel=0.02)
    assert 0.3 < ground.share < 0.8


@pytest.mark.parametrize("scale", [0.5, 1.8])
def test_the_height_grows_with_the_depth(scale: float) -> None:
    depth, _ = plane_depth(1.2, 5.0)
    found = GroundFinder(CAMERA).find(depth * np.float32(scale))
    assert found is not None
    assert found.height_m == pytest.approx(1.2 * scale, rel=0.01)


def test_no_ground_is_found_where_there_is_none() -> None:
    finder = GroundFinder(CAMERA)
    wall = np.full((240, 320), 3.0, np.float32)
    assert finder.find(wall) is None
    assert finder.find(np.full_like(wall, np.nan)) is None
    clutter = np.random.default_rng(0).uniform(0.5, 20, wall.shape).astype(np.float32)
    assert finder.find(clutter) is None
    ceiling, _ = plane_depth(1.2, 5.0)
    assert finder.find(ceiling[::-1].copy()) is None


def test_a_distorted_lens_and_a_small_picture_are_taken_as_they_are() -> None:
    lens = CameraModel(width=320, height=240, fx=280.0, fy=270.0, cx=155.0, cy=118.0, distortion=(-0.2, 0.05, 0, 0, 0))
    rays = lens.rays().astype(np.float64)
    with np.errstate(divide="ignore"):
        depth = np.where(rays[..., 1] > 1e-6, 1.4 / rays[..., 1], np.inf).astype(np.float32)
    ground = GroundFinder(lens).find(depth)
    assert ground is not None
    assert ground.height_m == pytest.approx(1.4, rel=0.02)
    small = CAMERA.resized(40, 30)
    with np.errstate(divide="ignore"):
        depth = np.where(small.rays()[..., 1] > 1e-6, 0.5 / small.rays()[..., 1], np.inf).astype(np.float32)
    ground = GroundFinder(small).find(depth)
    assert ground is not None
    assert ground.height_m == pytest.approx(0.5, rel=0.01)


def test_the_same_depth_has_the_same_ground() -> None:
    depth, _ = plane_depth(1.0, 10.0)
    depth *= np.exp(np.random.default_rng(2).normal(0, 0.05, depth.shape)).astype(np.float32)
    first, second = (GroundFinder(CAMERA).find(depth) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.height_m == second.height_m
