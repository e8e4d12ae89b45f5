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


@pytest.mark.parametrize("value", [None, "500", True])
def test_a_flat_table_with_a_value_that_is_no_number_is_refused(tmp_path: Path, value: object):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({**FLAT, "cy": value}))
    with pytest.raises(InputError, match=r"camera file .*camera\.json: cy is .*expected a number"):
        read_camera_info(path)
