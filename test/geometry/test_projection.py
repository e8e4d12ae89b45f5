from __future__ import annotations

import cv2
import numpy as np
import pytest

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel, widest_ray
from prv2_ros.geometry.projection import (
    depth_of_points,
    project_points,
    remove_hidden,
    rigid_transform,
)

SIZE = {"width": 640, "height": 480, "fx": 400.0, "fy": 410.0, "cx": 322.0, "cy": 237.0}
LENSES = {
    "plain": CameraModel(**SIZE),
    "plumb_bob": CameraModel(**SIZE, distortion=(-0.28, 0.07, 1e-3, -5e-4, 0.002)),
    "rational": CameraModel(**SIZE, distortion=(0.4, -0.1, 1e-3, 2e-4, 0.01, 0.7, -0.05, 0.02)),
    "fisheye": CameraModel(**SIZE, distortion=(-0.02, 0.004, -0.001, 0.0002), fisheye=True),
}
QUATERNION = tuple(np.array([0.1, -0.2, 0.3, 0.9]) / np.linalg.norm([0.1, -0.2, 0.3, 0.9]))


def cloud_in_view(camera: CameraModel, count: int = 500) -> np.ndarray:
    """Points (N, 3) in the camera's frame that fall all over its image, 1 to 80 m away."""
    random = np.random.default_rng(3)
    rays = camera.rays()[random.integers(0, 480, count), random.integers(0, 640, count)].astype(np.float64)
    rays = rays[np.isfinite(rays).all(1)]
    z = np.exp(random.uniform(0, np.log(80), len(rays)))
    return np.column_stack([rays * z[:, None], z])


@pytest.mark.parametrize("name", LENSES)
def test_the_chain_from_lidar_to_pixel_is_that_of_opencv_to_a_hundredth_pixel(name: str) -> None:
    camera = LENSES[name]
    t_camera_lidar = rigid_transform((0.3, -1.2, 0.7), QUATERNION)
    camera_m = cloud_in_view(camera)
    lidar_m = (camera_m - t_camera_lidar[:3, 3]) @ t_camera_lidar[:3, :3]
    moved = lidar_m @ t_camera_lidar[:3, :3].T + t_camera_lidar[:3, 3]
    pixels = project_points(moved, camera)
    # OpenCV does transform and projection in one, from a rotation vector that comes from the quaternion's angle.
    half = np.arccos(QUATERNION[3])
    rotation = np.array(QUATERNION[:3]) / np.sin(half) * 2 * half
    project = cv2.fisheye.projectPoints if camera.fisheye else cv2.projectPoints
    expected, _ = project(
        lidar_m[:, None], rotation, np.array([0.3, -1.2, 0.7]), camera.matrix, np.array(camera.distortion or (0.0,) * 4)
    )
    assert np.isfinite(pixels).all()
    np.testing.assert_allclose(pixels, expected.reshape(-1, 2), atol=0.01)
    np.testing.assert_allclose(pixels, by_hand(moved, camera), atol=0.01)


def by_hand(points_m: np.ndarray, camera: CameraModel) -> np.ndarray:
    """The formulas of OpenCV's calibration page, and of its fisheye page, without OpenCV."""
    x, y = points_m[:, 0] / points_m[:, 2], points_m[:, 1] / points_m[:, 2]
    k1, k2, p1, p2, k3, k4, k5, k6 = (*camera.distortion, *([0.0] * 8))[:8]
    if camera.fisheye:
        r = np.hypot(x, y)
        t = np.arctan(r)
        scale = t * (1 + k1 * t**2 + k2 * t**4 + p1 * t**6 + p2 * t**8) / r  # its k3 and k4 stand where p1, p2 do
        x, y = x * scale, y * scale
    else:
        r2 = x**2 + y**2
        radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
        x, y = (
            x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2),
            y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y,
        )
    return np.stack([camera.fx * x + camera.cx, camera.fy * y + camera.cy], -1)


def test_points_behind_or_beyond_the_lens_do_not_fall_into_the_image() -> None:
    camera = CameraModel(**SIZE, distortion=(-0.3, 0.02, 0.0, 0.0, 0.0))
    limit = widest_ray(camera)
    assert 1.0 < limit < 57.0
    # r (1 - 0.3 r^2 + 0.02 r^4) turns back where its slope is 0.
    slope = 1 - 3 * 0.3 * limit**2 + 5 * 0.02 * limit**4
    assert abs(slope) < 0.01
    beyond = np.array([[limit * 1.3 * 5, 0, 5.0], [1, 1, -5.0], [0, 0, 0.01], [np.nan, 0, 5], [0, 0, 5.0]])
    pixels = project_points(beyond, camera)
    assert np.isnan(pixels[:4]).all()
    np.testing.assert_allclose(pixels[4], [322.0, 237.0])
    folded, _ = cv2.projectPoints(beyond[0], np.zeros(3), np.zeros(3), camera.matrix, np.array(camera.distortion))
    assert 0 < folded[0, 0, 0] < 640, "without the limit OpenCV puts it into the image"


def test_the_nearest_point_of_a_pixel_stays_and_borders_belong_to_the_image() -> None:
    pixels = np.array([[1.4, 0.6], [1.0, 1.0], [-0.4, 0.0], [3.49, 1.0], [3.6, 1.0], [np.nan, 1.0], [2.0, -0.6]])
    depth = depth_of_points(pixels, np.array([7.0, 5.0, 2.0, 3.0, 4.0, 4.0, 4.0]), 4, 2)
    expected = np.full((2, 4), np.nan, np.float32)
    expected[1, 1], expected[0, 0], expected[1, 3] = 5.0, 2.0, 3.0
    np.testing.assert_array_equal(depth, expected)


def test_a_wall_seen_past_a_pole_is_hidden_and_slanted_ground_is_not() -> None:
    camera = CameraModel(width=200, height=200, fx=400, fy=400, cx=100, cy=50)
    depth = np.full((200, 200), np.nan, np.float32)
    depth[20:60:6, 40:60:4] = 20.0  # a pole's points
    depth[35, 50] = 40.0  # the wall, seen by the LiDAR through the pole
    depth[5:15:3, 100] = 40.0  # wall beside it
    for row in range(60, 200, 3):  # ground 1.5 m below the camera
        depth[row, 100:104] = 400 * 1.5 / (row - 50)
    kept = remove_hidden(depth, camera, window_deg=(1.0, 1.5), ratio=1.1)
    gone = np.isfinite(depth) & np.isnan(kept)
    assert list(zip(*np.nonzero(gone), strict=True)) == [(35, 50)]
    np.testing.assert_array_equal(remove_hidden(depth, camera, window_deg=(0, 0), ratio=1.1), depth)


def test_a_transform_is_that_of_its_quaternion() -> None:
    transform = rigid_transform((1.0, 2.0, 3.0), QUATERNION)
    half = np.arccos(QUATERNION[3])
    expected, _ = cv2.Rodrigues(np.array(QUATERNION[:3]) / np.sin(half) * 2 * half)
    np.testing.assert_allclose(transform[:3, :3], expected, atol=1e-12)
    np.testing.assert_array_equal(transform[:, 3], [1, 2, 3, 1])
    with pytest.raises(InputError, match="of length 1"):
        rigid_transform((0, 0, 0), (0, 0, 0, 0))


@pytest.mark.parametrize(
    ("distortion", "fisheye"),
    [
        ((-0.28, 0.01, 0.0, 0.0, -0.002), False),
        ((0.1, -0.2, 0.0, 0.0, 0.02, 0.3, 0.05, 0.03), False),
        ((0.05, -0.09, 0.01, -0.004), True),
    ],
)
def test_the_lens_ends_where_its_pixels_turn_back(distortion: tuple[float, ...], fisheye: bool) -> None:
    camera = CameraModel(**SIZE, distortion=distortion, fisheye=fisheye)
    limit = widest_ray(camera)
    assert limit < 57
    radii = limit * np.array([0.98, 0.99, 1.01, 1.02])
    x = by_hand(np.column_stack([radii, 0 * radii, np.ones(4)]), camera)[:, 0]
    assert x[0] < x[1]
    assert x[3] < x[2]


def hides(behind: tuple[int, int], before: list[tuple[int, int]], depth_m: float = 20.0, ratio: float = 1.1) -> bool:
    """Whether points at 10 m hide one of `depth_m`; the window is 4 px to either side, 10 px up and down."""
    camera = CameraModel(width=100, height=80, fx=200, fy=250, cx=50, cy=40)
    depth = np.full((80, 100), np.nan, np.float32)
    depth[behind] = depth_m
    for place in before:
        depth[place] = 10.0
    window = (np.degrees(np.arctan(4 / 200)), np.degrees(np.arctan(10 / 250)))
    return bool(np.isnan(remove_hidden(depth, camera, window_deg=window, ratio=ratio)[behind]))


def test_the_window_that_hides_is_as_wide_and_as_high_as_told_on_both_sides() -> None:
    for side in (-4, 0, 4):
        for up, down in ((1, 1), (10, 10), (1, 10)):
            assert hides((40, 50), [(40 - up, 50 + side), (40 + down, 50 - side)]), (side, up, down)
    for above, below in (((30, 45), (50, 50)), ((30, 50), (50, 55)), ((29, 50), (50, 50)), ((30, 50), (51, 50))):
        assert not hides((40, 50), [above, below]), (above, below)


def test_points_nearer_by_less_than_the_ratio_hide_nothing() -> None:
    before = [(35, 50), (45, 50)]
    assert not hides((40, 50), before, depth_m=10.9)
    assert hides((40, 50), before, depth_m=11.1)
    assert not hides((40, 50), before, depth_m=14.0, ratio=1.5)


def test_a_quaternion_that_is_nearly_of_length_one_still_turns_rigidly() -> None:
    rotation = rigid_transform((0.0, 0.0, 0.0), tuple(1.005 * v for v in QUATERNION))[:3, :3]
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    with pytest.raises(InputError, match="must be finite"):
        rigid_transform((0.0, np.nan, 0.0), QUATERNION)
