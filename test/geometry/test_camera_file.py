from __future__ import annotations

import json
from pathlib import Path

import pytest

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.camera_file import read_camera_info

FLAT = {"width": 640, "height": 480, "fx": 500.0, "fy": 501.0, "cx": 320, "cy": 240.5}


def test_a_flat_table_is_an_ideal_camera(tmp_path: Path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps(FLAT))
    assert read_camera_info(path) == CameraModel(width=640, height=480, fx=500, fy=501, cx=320, cy=240.5)


def test_region_of_interest_and_binning_are_applied(tmp_path: Path):
    path = tmp_path / "info.yaml"
    path.write_text(
        "{width: 1280, height: 960, distortion_model: plumb_bob, d: [], k: [1000, 0, 640, 0, 1000, 480, 0, 0, 1],"
        " binning_x: 2, binning_y: 2, roi: {x_offset: 320, y_offset: 240, width: 640, height: 480}}"
    )
    camera = read_camera_info(path)
    assert (camera.width, camera.height, camera.fx, camera.fy) == (320, 240, 500, 500)
    assert camera.cx == pytest.approx((640 - 320 + 0.5) / 2 - 0.5)
    path.write_text(path.read_text().replace("x_offset: 320", "x_offset: 900"))
    with pytest.raises(InputError, match=r"camera file .*info\.yaml: crop 640x480 at \(900, 240\) does not fit"):
        read_camera_info(path)


@pytest.mark.parametrize("value", [None, "500", True])
def test_a_flat_table_with_a_value_that_is_no_number_is_refused(tmp_path: Path, value: object):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({**FLAT, "cy": value}))
    with pytest.raises(InputError, match=r"camera file .*camera\.json: cy is .*expected a number"):
        read_camera_info(path)
