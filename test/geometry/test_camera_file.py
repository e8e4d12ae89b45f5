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


def test_a_flat_table_may_have_a_lens(tmp_path: Path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({**FLAT, "distortion_model": "plumb_bob", "D": [-0.3, 0.1, 0, 0, 0]}))
    assert read_camera_info(path).distortion == (-0.3, 0.1, 0, 0, 0)
    assert read_camera_info(path, rectified=True).distortion == ()
    path.write_text(json.dumps({**FLAT, "distortion_model": "equidistant", "d": [0.1, 0, 0, 0]}))
    assert read_camera_info(path).fisheye


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


@pytest.mark.parametrize("value", [None, "wide", "nan", True, pytest.param(10**400, id="huge")])
def test_a_flat_table_with_a_value_that_is_no_number_is_refused(tmp_path: Path, value: object):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({**FLAT, "cy": value}))
    with pytest.raises(InputError, match=r"camera file .*camera\.json: cy is .*expected a number"):
        read_camera_info(path)


def message(**changes: object) -> str:
    fields = {"width": 160, "height": 120, "k": "[150, 0, 80, 0, 150, 60, 0, 0, 1]", "p": "[]", "d": "[]", **changes}
    return "\n".join(f"{name}: {value}" for name, value in fields.items())


def test_exponents_without_a_point_are_numbers(tmp_path: Path):
    # YAML 1.1, and so PyYAML, takes them for text.
    path = tmp_path / "info.yaml"
    path.write_text(message(d="[1e-05, -2E-3, 0, 0, 0]", k="[1.5e2, 0, 80, 0, 15e1, 60, 0, 0, 1]"))
    camera = read_camera_info(path)
    assert camera.distortion == (1e-5, -2e-3, 0, 0, 0)
    assert (camera.fx, camera.fy) == (150, 150)
    path.write_text("{width: 160, height: 120, fx: 15e1, fy: 15e+1, cx: 80, cy: 60}")
    assert read_camera_info(path).fy == 150


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"k": "[true, 0, 80, 0, 150, 60, 0, 0, 1]"}, r"camera_matrix is \[True, .*expected 9 numbers"),
        ({"k": "['nan', 0, 80, 0, 150, 60, 0, 0, 1]"}, r"camera_matrix is \['nan', .*expected 9 numbers"),
        ({"k": "123456789"}, "camera_matrix is 123456789: expected 9 numbers"),
        ({"k": "'123456789'"}, "camera_matrix is '123456789': expected 9 numbers"),
        ({"k": "[[150, 0, 80], 0, 150, 60, 0, 0, 1]"}, r"camera_matrix is \[\[150, .*expected 9 numbers"),
        ({"k": "[1, 0, 80, 0, 150, 60, 0, 0, 1]"}, r"info\.yaml: fx = 1 px in K is no lens for 160x120 px"),
        ({"k": "[150, 0, 9999, 0, 150, 60, 0, 0, 1]"}, r"info\.yaml: cx = 9999 px in K is no lens for 160x120 px"),
    ],
)
def test_matrices_that_no_camera_has_are_refused(tmp_path: Path, fields: dict[str, str], error: str):
    path = tmp_path / "info.yaml"
    path.write_text(message(**fields))
    with pytest.raises(InputError, match=error):
        read_camera_info(path)


def test_the_projection_of_rectified_images_is_held_to_the_same(tmp_path: Path):
    path = tmp_path / "info.yaml"
    path.write_text(message(p="[1, 0, 80, 0, 0, 150, 60, 0, 0, 0, 1, 0]"))
    assert read_camera_info(path).fx == 150
    with pytest.raises(InputError, match="fx = 1 px in P is no lens for 160x120 px"):
        read_camera_info(path, rectified=True)


def test_a_flat_table_is_held_to_the_same(tmp_path: Path):
    path = tmp_path / "camera.json"
    path.write_text(json.dumps({**FLAT, "fx": 1}))
    with pytest.raises(InputError, match=r"camera\.json: fx = 1 px is no lens for 640x480 px"):
        read_camera_info(path)


def test_pixels_and_bins_that_are_not_square(tmp_path: Path):
    path = tmp_path / "info.json"
    p = [[400, 0, 318, 0], [0, 300, 122, 0], [0, 0, 1, 0]]
    path.write_text(json.dumps({"width": 640, "height": 240, "p": p, "binning_x": 2, "binning_y": 1}))
    camera = read_camera_info(path, rectified=True)
    assert (camera.width, camera.height, camera.fx, camera.fy) == (320, 240, 200, 300)
    assert (camera.cx, camera.cy) == pytest.approx((158.75, 122))
