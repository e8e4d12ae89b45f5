from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.pointcloud import depth_to_points, write_rgb

CAMERA = CameraModel(width=50, height=37, fx=40.0, fy=42.0, cx=24.0, cy=17.5)


def random_depth(camera: CameraModel = CAMERA) -> np.ndarray:
    rng = np.random.default_rng(3)
    depth_m = rng.uniform(0.5, 60, (camera.height, camera.width)).astype(np.float32)
    depth_m[rng.random(depth_m.shape) < 0.2] = np.nan
    depth_m[0, :4] = (np.inf, 0.0, -1.0, -np.inf)
    return depth_m


def reference(depth_m, camera, stride, min_m, max_m):
    """The pinhole equations, point by point."""
    rows = []
    for v in range(0, camera.height, stride):
        row = []
        for u in range(0, camera.width, stride):
            z = float(depth_m[v, u])
            good = math.isfinite(z) and z > 0 and min_m <= z <= max_m
            row.append(
                ((u - camera.cx) / camera.fx * z, (v - camera.cy) / camera.fy * z, z) if good else (math.nan,) * 3
            )
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("stride", [1, 2, 3, 7, 60])
@pytest.mark.parametrize(("min_m", "max_m"), [(0.0, math.inf), (2.0, 30.0)])
def test_points_follow_the_pinhole_equations(stride, min_m, max_m):
    depth_m = random_depth()
    points = depth_to_points(depth_m, CAMERA, stride=stride, min_m=min_m, max_m=max_m)
    assert points.dtype == np.float32
    np.testing.assert_allclose(points, reference(depth_m, CAMERA, stride, min_m, max_m), rtol=1e-5, atol=1e-5)


@given(limit=st.floats(0.125, 100, width=32))
def test_both_ends_of_the_range_count_as_inside(limit):
    depth_m = np.full((37, 50), limit, np.float32)
    assert np.isfinite(depth_to_points(depth_m, CAMERA, min_m=limit, max_m=limit)).all()
    assert np.isnan(depth_to_points(depth_m, CAMERA, min_m=math.nextafter(limit, 200) * 1.001)).all()


@pytest.mark.parametrize("full_size", [True, False])
def test_cached_rays_change_nothing(full_size):
    depth_m = random_depth()
    rays = CAMERA.rays() if full_size else np.moveaxis(np.moveaxis(CAMERA.rays()[::3, ::3], -1, 0).copy(), 0, -1)
    np.testing.assert_array_equal(
        depth_to_points(depth_m, CAMERA, stride=3, rays=rays), depth_to_points(depth_m, CAMERA, stride=3)
    )


def test_points_are_written_into_a_message_buffer_and_nothing_else_is():
    buffer = np.full((37, 50, 4), 7, np.float32)
    depth_m = random_depth()
    points = depth_to_points(depth_m, CAMERA, out=buffer[..., :3])
    assert np.shares_memory(points, buffer)
    np.testing.assert_array_equal(buffer[..., :3], depth_to_points(depth_m, CAMERA))
    assert (buffer[..., 3] == 7).all()


def test_the_depth_image_is_left_as_it_was():
    depth_m = random_depth()
    before = depth_m.copy()
    depth_to_points(depth_m, CAMERA, max_m=10)
    np.testing.assert_array_equal(depth_m, before)


def test_a_ray_that_cannot_be_undistorted_gives_no_point():
    camera = CameraModel(width=320, height=240, fx=100.0, fy=100.0, cx=160.0, cy=120.0, fisheye=True)
    points = depth_to_points(np.full((240, 320), 2, np.float32), camera)
    assert np.isnan(points[0, 0]).all()
    np.testing.assert_allclose(points[120, 160], (0, 0, 2), atol=1e-6)
    np.testing.assert_array_equal(np.isnan(points).any(-1), np.isnan(points).all(-1))


@pytest.mark.parametrize(
    ("depth", "arguments", "message"),
    [
        (np.ones((37, 50)), {}, r"depth is float64 of shape \(37, 50\): expected float32"),
        (np.ones((37, 50, 1), np.float32), {}, r"depth is float32 of shape \(37, 50, 1\)"),
        (
            np.ones((20, 25), np.float32),
            {},
            r"camera is for 50x37 px, depth has 25x20 px: pass camera.resized\(25, 20\)",
        ),
        (np.ones((37, 50), np.float32), {"stride": 0}, "stride = 0: must be at least 1"),
        (np.ones((37, 50), np.float32), {"min_m": 5, "max_m": 4}, "range 5 to 4 m is empty"),
        (np.ones((37, 50), np.float32), {"clip": True}, "clip without a max_m"),
        (np.ones((37, 50), np.float32), {"min_m": math.nan}, "range nan to inf m is empty"),
        (np.ones((37, 50), np.float32), {"rays": np.zeros((3, 3, 2), np.float32)}, r"rays of shape \(3, 3, 2\)"),
        (np.ones((37, 50), np.float32), {"out": np.zeros((3, 3, 3), np.float32)}, r"out is float32 \(3, 3, 3\)"),
        (np.ones((37, 50), np.float32), {"out": np.zeros((37, 50, 3))}, "out is float64"),
    ],
)
def test_what_does_not_fit_is_refused(depth, arguments, message):
    with pytest.raises(InputError, match=message):
        depth_to_points(depth, CAMERA, **arguments)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_pixel_of_a_large_cloud_has_its_colour(stride):
    image = np.random.default_rng(0).integers(0, 256, (150, 70, 3), np.uint8)
    kept = image[::stride, ::stride].astype(np.uint32)
    out = np.full(kept.shape[:2], 7, np.uint32)
    write_rgb(image, stride, out)
    np.testing.assert_array_equal(out, kept[..., 0] << 16 | kept[..., 1] << 8 | kept[..., 2])


@pytest.mark.parametrize("stride", [1, 3])
def test_what_is_beyond_the_range_can_be_brought_to_its_end(stride):
    depth_m = random_depth()
    depth_m[::5, ::4] = np.inf
    points = depth_to_points(depth_m, CAMERA, stride=stride, min_m=2.0, max_m=30.0, clip=True)
    np.testing.assert_allclose(
        points, reference(np.minimum(depth_m, 30.0), CAMERA, stride, 2.0, 30.0), rtol=1e-5, atol=1e-5
    )
