"""CameraInfo messages to cameras: which numbers are used, ROI, binning, resizes, and what is refused."""

from __future__ import annotations

import array
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

pytest.importorskip("rclpy", reason="needs rclpy and sensor_msgs")
from ros_fakes import info_message
from sensor_msgs.msg import CameraInfo

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.camera_file import read_camera_info
from prv2_ros.messages.camera_info import (
    calibration,
    check_info,
    fill_camera_info,
    info_content,
    is_uncalibrated,
)


def info(**changes: Any) -> CameraInfo:
    message = info_message(640, 480, f_px=500.0)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def test_an_info_without_a_size_takes_the_images() -> None:
    source = info_message(0, 0, f_px=1400.0)
    source.k[2], source.k[5] = 959.5, 539.5
    source.p = [0.0] * 12
    check_info(source)
    known = calibration(source, 1920, 1080)
    assert known is not None
    assert (known.camera.fx, known.camera.width) == (1400.0, 1920)


def test_k_and_d_for_raw_p_for_rectified() -> None:
    source = info(d=[0.1, -0.2, 0.001, 0.002, 0.03])
    source.p[0], source.p[5], source.p[2], source.p[6], source.p[3] = 450.0, 451.0, 310.0, 230.0, -54.0
    known = calibration(source, 640, 480)
    assert known is not None
    assert (known.camera.fx, known.camera.cx, known.camera.distortion) == (
        500.0,
        319.5,
        (0.1, -0.2, 0.001, 0.002, 0.03),
    )
    assert (known.rectified.fx, known.rectified.fy, known.rectified.cx, known.rectified.cy) == (
        450.0,
        451.0,
        310.0,
        230.0,
    )
    assert known.rectified.distortion == ()
    assert known.tx == -54.0


def pixel_of(camera: CameraModel, point: tuple[float, float, float]) -> tuple[float, float]:
    return camera.fx * point[0] / point[2] + camera.cx, camera.fy * point[1] / point[2] + camera.cy


def test_roi_and_binning_see_the_same_point_where_the_driver_puts_it() -> None:
    source = info(binning_x=2, binning_y=4)
    source.roi.x_offset, source.roi.y_offset, source.roi.width, source.roi.height = 100, 40, 400, 320
    known = calibration(source, 200, 80)
    assert known is not None
    point = (0.3, 0.1, 2.0)
    full_u, full_v = 500 * 0.15 + 319.5, 500 * 0.05 + 239.5
    # Binned pixel i averages full pixels 2i and 2i + 1: its centre lies at 2i + 0.5 of the ROI.
    expected = ((full_u - 100 + 0.5) / 2 - 0.5, (full_v - 40 + 0.5) / 4 - 0.5)
    assert pixel_of(known.camera, point) == pytest.approx(expected)
    assert pixel_of(known.rectified, point) == pytest.approx(expected)


def test_a_resized_image_of_the_same_aspect_scales_k_p_and_tx() -> None:
    source = info()
    source.p[3] = -60.0
    known = calibration(source, 320, 240)
    assert known is not None
    assert (known.camera.fx, known.camera.cx) == (250.0, (319.5 + 0.5) / 2 - 0.5)
    assert known.tx == -30.0


def test_another_aspect_is_refused() -> None:
    with pytest.raises(InputError, match=r"640x480 px \(after ROI and binning\) does not fit an image of 640x360 px"):
        calibration(info(), 640, 360)


def test_size_zero_in_the_info_means_the_image_size() -> None:
    known = calibration(info(width=0, height=0), 320, 200)
    assert known is not None
    assert (known.camera.width, known.camera.fx) == (320, 500.0)


@pytest.mark.parametrize("model", ["plumb_bob", "", "rational_polynomial"])
def test_polynomial_models(model: str) -> None:
    count = 8 if model == "rational_polynomial" else 5
    known = calibration(info(distortion_model=model, d=[0.01] * count), 640, 480)
    assert known is not None
    assert known.camera.distortion == (0.01,) * count
    assert not known.camera.fisheye


@pytest.mark.parametrize("model", ["equidistant", "fisheye"])
def test_fisheye(model: str) -> None:
    known = calibration(info(distortion_model=model, d=[0.1, 0.0, 0.0, 0.0]), 640, 480)
    assert known is not None
    assert known.camera.fisheye
    assert not known.rectified.fisheye


def test_zero_k_is_uncalibrated() -> None:
    source = info(k=np.zeros(9))
    assert is_uncalibrated(source)
    assert calibration(source, 640, 480) is None
    check_info(source)


def k_with(index: int, value: float) -> np.ndarray:
    k = info().k.copy()
    k[index] = value
    return k


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"k": k_with(0, np.nan)}, "fx = nan"),
        ({"k": k_with(4, np.inf)}, "fy = inf"),
        ({"k": k_with(4, 0.0)}, "fy = 0.0"),
        ({"k": k_with(0, -5.0)}, "fx = -5.0"),
        ({"k": k_with(2, np.nan)}, "cx = nan"),
        ({"d": [np.nan] * 5}, "coefficients must be finite"),
        ({"d": [0.1] * 3}, "3 distortion coefficients: expected one of"),
        ({"d": [0.1] * 5, "distortion_model": "equidistant"}, r"5 distortion coefficients: .*4 for a fisheye lens"),
        (
            {"distortion_model": "double_sphere"},
            "camera info: distortion_model 'double_sphere' is unknown: expected plumb_bob",
        ),
        ({"r": np.ones(9)}, "is no rotation"),
        ({"r": np.full(9, np.nan)}, "is no rotation"),
        ({"r": np.diag([-1.0, 1.0, 1.0]).ravel()}, "is no rotation"),
        ({"p": np.full(12, np.nan)}, "fx = nan"),
        ({"p": [500.0, 0, 319.5, np.nan, 0, 500.0, 239.5, 0, 0, 0, 1.0, 0]}, r"P\[3\] = nan: must be finite"),
        ({"r": np.full(9, 1e300)}, "is no rotation"),
        ({"k": k_with(0, 1e-3)}, "fx = 0.001 px in K is no lens for 640x480 px"),
        ({"k": k_with(5, 1e9)}, r"cy = 1e\+09 px in K is no lens"),
        ({"k": k_with(2, -1e9)}, r"camera info: cx = -1e\+09 px in K is no lens for 640x480 px"),
    ],
)
def test_bad_values_are_refused_with_the_reason(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        check_info(info(**changes))


def test_roi_outside_the_sensor_is_refused() -> None:
    source = info()
    source.roi.x_offset, source.roi.width, source.roi.height = 600, 100, 480
    with pytest.raises(InputError, match="does not fit in an image of 640x480"):
        calibration(source, 100, 480)


def test_a_received_message_is_never_changed() -> None:
    source = info(d=[0.1, 0.0, 0.0, 0.0, 0.0], binning_x=2, binning_y=2)
    before = info_content(source)
    calibration(source, 320, 240)
    assert info_content(source) == before


def test_content_tells_infos_apart_and_repeats_together() -> None:
    assert info_content(info()) == info_content(info())
    for change in ({"k": k_with(0, 501.0)}, {"binning_x": 2}, {"width": 641}, {"d": [0.1] * 5}):
        assert info_content(info(**change)) != info_content(info())


def test_filled_message_gives_the_camera_back() -> None:
    camera = CameraModel(width=64, height=48, fx=50, fy=51, cx=30, cy=20, distortion=(0.1, 0.01, 0, 0, 0.2, 0, 0, 0.1))
    message = CameraInfo()
    fill_camera_info(message, camera, 64, 48, tx=-7.0)
    known = calibration(message, 64, 48)
    assert known is not None
    assert known.camera == camera
    assert known.tx == -7.0
    assert isinstance(message.d, array.array)


def test_filled_message_without_a_camera_says_uncalibrated() -> None:
    message = CameraInfo()
    fill_camera_info(message, CameraModel.from_fov(64, 48, 60), 64, 48)
    fill_camera_info(message, None, 64, 48)
    assert is_uncalibrated(message)
    assert not np.any(message.p)
    assert (message.width, message.height, len(message.d)) == (64, 48, 0)


def test_opencv_undistorts_to_p_as_claimed() -> None:
    # A raw pixel, undistorted by OpenCV with the message's own numbers, lies where `rectified` projects its ray.
    source = info(d=[-0.3, 0.1, 0.001, -0.001, 0.0])
    source.p[0] = source.p[5] = 430.0
    known = calibration(source, 640, 480)
    assert known is not None
    raw = np.array([[[100.0, 90.0]]])
    k, p = np.array(source.k).reshape(3, 3), np.array(source.p).reshape(3, 4)
    expected = cv2.undistortPoints(raw, k, np.array(source.d), P=p)[0, 0]
    ray = known.camera.rays()[90, 100]
    assert pixel_of(known.rectified, (*ray, 1.0)) == pytest.approx(tuple(expected), abs=0.01)


@pytest.mark.parametrize(("model", "d"), [("kannala_brandt4", [0.1] * 4), ("plumb_bob", [0.1] * 7), ("thin", [])])
def test_rectified_images_need_no_known_lens(model: str, d: list[float]) -> None:
    source = info(distortion_model=model, d=d)
    check_info(source, rectified=True)
    known = calibration(source, 640, 480, rectified=True)
    assert known is not None
    assert known.rectified.fx == source.p[0]
    with pytest.raises(InputError):
        check_info(source)
    source.p = np.zeros(12)
    with pytest.raises(InputError):
        check_info(source, rectified=True)


@pytest.mark.parametrize(("model", "count"), [("plumb_bob", 8), ("", 8), ("rational_polynomial", 3), ("plumb_bob", 1)])
def test_zeros_are_no_distortion_however_many(model: str, count: int) -> None:
    known = calibration(info(distortion_model=model, d=[0.0] * count), 640, 480)
    assert known is not None
    assert not known.camera.is_distorted


@pytest.mark.parametrize(
    ("count", "fisheye"), [*((count, False) for count in (0, 4, 5, 8, 12, 14)), (0, True), (4, True)]
)
def test_every_lens_survives_the_way_through_a_message(count: int, fisheye: bool) -> None:
    distortion = tuple(0.01 * (k + 1) for k in range(count))
    camera = CameraModel(width=64, height=48, fx=50, fy=51, cx=30, cy=20, distortion=distortion, fisheye=fisheye)
    message = CameraInfo()
    fill_camera_info(message, camera, 64, 48)
    assert len(message.d) == (count or (4 if fisheye else 5)), "what OpenCV takes"
    check_info(message)
    known = calibration(message, 64, 48)
    assert known is not None
    assert known.camera == camera


@pytest.mark.parametrize(
    ("model", "d"),
    [
        ("equidistant", []),
        ("equidistant", [0.0] * 5),
        ("equidistant", [0.1, 0.01, 0.0, 0.0]),
        ("equidistant", [0.1] * 5),
        ("plumb_bob", [0.0] * 3),
        ("plumb_bob", [0.0] * 6),
        ("plumb_bob", [0.1] * 3),
        ("plumb_bob", [0.1] * 8),
        ("Plumb_Bob", [0.1] * 5),
        ("thin_prism", [0.1] * 12),
        ("none", [0.1] * 5),
        ("", [0.1] * 5),
        ("omni", [0.1] * 5),
    ],
)
def test_a_message_and_a_file_of_it_give_one_camera(tmp_path: Path, model: str, d: list[float]) -> None:
    message = info(distortion_model=model, d=d)
    fields = {"width": 640, "height": 480, "distortion_model": model, "d": d, "k": message.k.tolist()}
    (tmp_path / "info.yaml").write_text(yaml.safe_dump(fields))
    cameras: list[CameraModel | None] = []
    for read in (lambda: calibration(message, 640, 480).camera, lambda: read_camera_info(tmp_path / "info.yaml")):
        try:
            cameras.append(read())
        except InputError:
            cameras.append(None)
    assert cameras[0] == cameras[1]
    if model == "equidistant" and not any(d):
        assert cameras[0] is not None
        assert cameras[0].fisheye, "an ideal fisheye, not a pinhole"


def test_binning_of_an_odd_side_leaves_the_last_pixels_out() -> None:
    source = info_message(1281, 721, f_px=1000.0)
    source.binning_x = source.binning_y = 2
    known = calibration(source, 640, 360)
    assert known is not None
    assert (known.camera.fx, known.camera.cx, known.camera.cy) == (500.0, 319.75, 179.75)
