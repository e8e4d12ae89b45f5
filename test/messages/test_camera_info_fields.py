"""Fields of CameraInfo messages that are easily left out: what tells two apart, and what others read of ours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and sensor_msgs")
from ros_fakes import info_message
from sensor_msgs.msg import CameraInfo

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.messages.camera_info import calibration, fill_camera_info, info_content

WINDOW = ("x_offset", "y_offset", "width", "height")
FIELDS = ("width", "height", "distortion_model", *"kdrp", "binning_x", "binning_y", *(f"roi.{name}" for name in WINDOW))


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_that_decides_the_geometry_tells_infos_apart(field: str) -> None:
    usual, other = (info_message(64, 48, d=(0.1,) * 5) for _ in range(2))
    assert info_content(usual) == info_content(other)
    part, name = (other.roi if field.startswith("roi.") else other), field.rpartition(".")[2]
    before = getattr(part, name)
    if name == "distortion_model":
        part.distortion_model = "equidistant"
    else:
        setattr(part, name, before + 1 if isinstance(before, int) else [*before[:-1], before[-1] + 0.5])
    assert info_content(usual) != info_content(other)


@pytest.mark.parametrize(
    ("count", "fisheye", "name"),
    [
        *((count, False, "plumb_bob") for count in (0, 4, 5)),
        *((count, False, "rational_polynomial") for count in (8, 12, 14)),
        *((count, True, "equidistant") for count in (0, 4)),
    ],
)
def test_a_camera_goes_out_under_the_names_and_numbers_that_others_know(count: int, fisheye: bool, name: str) -> None:
    """Reading takes more names than image_proc knows, and an R of zeros for none, so no way there and back tells."""
    lens = {"distortion": (0.01,) * count, "fisheye": fisheye}
    message = CameraInfo()
    fill_camera_info(message, CameraModel(width=64, height=48, fx=50, fy=51, cx=30, cy=20, **lens), 64, 48)
    assert message.distortion_model == name
    np.testing.assert_array_equal(message.r, np.eye(3).ravel())


@pytest.mark.parametrize(("model", "d"), [("plumb_bob", (-0.2, 0.05, 0.0, 0.0, 0.0)), ("equidistant", (0.1, 0, 0, 0))])
def test_without_p_the_rectified_camera_is_the_raw_one_without_its_lens(model: str, d: tuple[float, ...]) -> None:
    source = info_message(64, 48, d=d, model=model)
    source.p = np.zeros(12)
    known = calibration(source, 64, 48)
    assert known is not None
    assert known.camera.is_distorted
    assert known.rectified == replace(known.camera, distortion=(), fisheye=False)
    assert not known.has_projection
