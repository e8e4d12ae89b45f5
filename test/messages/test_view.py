"""Rectification, camera choice and rays of a stream."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and sensor_msgs")
from ros_fakes import info_message

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.messages.view import View, ViewCache
from prv2_ros.ros.parameters import resolve

WIDTH, HEIGHT = 320, 240


def view(info: Any, **settings: Any) -> View:
    return View(info, WIDTH, HEIGHT, resolve(settings))


def distorted_info(model: str = "plumb_bob", d: tuple[float, ...] = (-0.25, 0.05, 0.0, 0.0, 0.0)) -> Any:
    return info_message(WIDTH, HEIGHT, f_px=220.0, d=d, model=model)


def test_assumed_camera_has_the_field_of_view_of_the_parameter() -> None:
    assumed = view(None, assumed_fov_deg=90.0)
    assert not assumed.is_calibrated
    assert assumed.camera.fx == pytest.approx(WIDTH / 2)
    assert not view(info_message(WIDTH, HEIGHT, f_px=0.0)).is_calibrated


@pytest.mark.parametrize("yaw_deg", [0, 25])
def test_what_the_lens_folds_back_into_the_image_is_outside(yaw_deg: float) -> None:
    """At alpha 1 the polynomial of this lens turns back within the rectified image: no pixel may be shown twice."""
    d = (-0.32, 0.11, 0.0, 0.0, -0.018)
    info = info_message(1280, 720, f_px=700.0, d=d)
    matrix, coefficients = np.asarray(info.k).reshape(3, 3), np.asarray(d)
    new, _ = cv2.getOptimalNewCameraMatrix(matrix, coefficients, (1280, 720), 1.0)
    info.p = np.hstack([new, np.zeros((3, 1))]).ravel()
    rotation = cv2.Rodrigues(np.array([0, np.radians(yaw_deg), 0]))[0]
    info.r = rotation.ravel()
    made = View(info, 1280, 720, resolve({}))
    known = np.isfinite(made.mask_outside(np.ones((720, 1280), np.float32)))
    # As columns, R^T leads from the rectified frame to the raw one; as rows, R does.
    points = np.dstack([made.camera.rays(), np.ones((720, 1280))])[known].astype(np.float64) @ rotation
    rays = points[:, :2] / points[:, 2:]
    pixels = cv2.projectPoints(points, np.zeros(3), np.zeros(3), matrix, coefficients)[0][:, 0]
    assert 0.3 < known.mean() < 0.95
    outward = np.hypot(*(pixels - [matrix[0, 2], matrix[1, 2]]).T)
    order = np.argsort(np.hypot(*rays.T))
    assert (np.diff(outward[order]) > -1e-6).all(), "further off the axis is further out in the raw image"


def test_an_undistorted_right_camera_keeps_its_baseline() -> None:
    info = info_message(WIDTH, HEIGHT, f_px=220.0)
    info.p[0], info.p[5], info.p[2], info.p[6] = info.k[0], info.k[4], info.k[2], info.k[5]
    info.p[3] = -22.0
    assert view(info).tx == -22.0
    info.p[0] = info.p[5] = 200.0  # of another camera than K's
    assert view(info).tx == 0.0


def test_undistorted_image_is_passed_through() -> None:
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    plain = view(info_message(WIDTH, HEIGHT))
    assert plain.rectified(image) is image
    depth = np.ones((HEIGHT, WIDTH), np.float32)
    assert plain.mask_outside(depth) is depth


@pytest.mark.parametrize(
    ("model", "d"),
    [("plumb_bob", (-0.25, 0.05, 0, 0, 0)), ("equidistant", (0.02, 0, 0, 0)), ("equidistant", ())],
)
def test_rectified_image_shows_each_ray_where_the_new_camera_has_it(model: str, d: tuple[float, ...]) -> None:
    info = distorted_info(model, d)
    info.p[0] = info.p[5] = 200.0
    made = view(info)
    assert made.camera.distortion == ()
    assert made.camera.fx == 200.0
    # An image whose red and green carry each raw pixel's own ray: after rectification they are the new camera's rays.
    raw = CameraModel(
        width=WIDTH, height=HEIGHT, fx=220, fy=220, cx=159.5, cy=119.5, distortion=d, fisheye=model == "equidistant"
    )
    coded = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    coded[..., :2] = np.clip((raw.rays() + 1.0) * 100, 0, 255)
    result = made.rectified(coded)[60:180, 80:240, :2].astype(float) / 100 - 1.0
    np.testing.assert_allclose(result, made.camera.rays()[60:180, 80:240], atol=0.02)


def test_pixels_without_a_source_are_invalid() -> None:
    info = distorted_info()
    info.p[0] = info.p[5] = 100.0  # sees farther than the raw image
    made = view(info)
    depth = made.mask_outside(np.full((HEIGHT, WIDTH), 3.0, np.float32))
    assert np.isnan(depth[0, 0])
    assert depth[HEIGHT // 2, WIDTH // 2] == 3.0


def test_r_of_a_stereo_pair_turns_the_image() -> None:
    info = info_message(WIDTH, HEIGHT, f_px=220.0)
    turn = np.deg2rad(5)
    info.r = np.array([np.cos(turn), 0, -np.sin(turn), 0, 1, 0, np.sin(turn), 0, np.cos(turn)])
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[:, 159:161] = 255  # straight ahead of the raw camera
    column = view(info).rectified(image)[120, :, 0].argmax()
    assert column == pytest.approx(159.5 - 220 * np.tan(turn), abs=1.5)


def test_rectify_false_keeps_the_raw_camera() -> None:
    made = view(distorted_info(), rectify=False)
    assert made.camera.distortion[0] == -0.25
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert made.rectified(image) is image


def test_input_rectified_uses_p_and_leaves_the_image() -> None:
    info = distorted_info()
    info.p[0], info.p[3] = 205.0, -20.0
    made = view(info, input_rectified=True)
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    assert made.rectified(image) is image
    assert (made.camera.fx, made.camera.distortion, made.tx) == (205.0, (), -20.0)


def test_input_rectified_without_p_is_refused() -> None:
    info = distorted_info()
    info.p = np.zeros(12)
    with pytest.raises(InputError, match="P is zero and D is not"):
        view(info, input_rectified=True)


def test_rectification_that_shows_nothing_is_refused() -> None:
    info = distorted_info()
    info.p[2] = 1e5
    with pytest.raises(InputError, match="shows no part of the image"):
        view(info)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_rays_are_every_stride_th_of_the_camera(stride: int) -> None:
    made = view(info_message(WIDTH, HEIGHT))
    np.testing.assert_array_equal(made.rays(stride), made.camera.rays()[::stride, ::stride])
    assert made.rays(stride) is made.rays(stride)


def test_cache_keeps_a_view_while_the_info_repeats() -> None:
    cache, settings = ViewCache(), resolve({})
    first = cache.get(info_message(WIDTH, HEIGHT), WIDTH, HEIGHT, settings)
    assert cache.get(info_message(WIDTH, HEIGHT), WIDTH, HEIGHT, settings) is first
    assert cache.get(info_message(WIDTH, HEIGHT, f_px=51.0), WIDTH, HEIGHT, settings) is not first
    other = cache.get(None, WIDTH, HEIGHT, settings)
    assert cache.get(None, WIDTH, HEIGHT, resolve({"assumed_fov_deg": 70.0})) is not other


def test_a_parameter_that_changes_makes_another_view() -> None:
    cache, info = ViewCache(), distorted_info()
    for change, resamples in (({}, True), ({"input_rectified": True}, False), ({"rectify": False}, False)):
        assert cache.get(info, WIDTH, HEIGHT, resolve(change)).resamples is resamples


def test_rays_follow_a_stride_that_changes() -> None:
    made = view(info_message(WIDTH, HEIGHT))
    for stride in (1, 3, 2):
        np.testing.assert_array_equal(made.rays(stride), made.camera.rays()[::stride, ::stride])


def test_a_rectified_image_is_turned_by_r_though_its_pixels_stay() -> None:
    info = info_message(WIDTH, HEIGHT)
    info.r = cv2.Rodrigues(np.array([0.0, 0.1, 0.0]))[0].ravel()
    for rectified in (True, False):
        np.testing.assert_array_equal(view(info, input_rectified=rectified).rotation.ravel(), info.r)
