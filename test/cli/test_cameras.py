from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import yaml

from prv2_ros.cli.cameras import add_camera_arguments, camera_source, fit_camera, read_camera_info
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel

CALIBRATION = """\
image_width: 640
image_height: 480
camera_name: head_camera
camera_matrix:
  rows: 3
  cols: 3
  data: [438.7, 0.0, 305.6, 0.0, 437.4, 243.7, 0.0, 0.0, 1.0]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [-0.36, 0.11, 0.0012, 0.0001, 0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
projection_matrix:
  rows: 3
  cols: 4
  data: [393.6, 0, 322.8, 0, 0, 393.6, 241.1, 0, 0, 0, 1, 0]
"""

MESSAGE = """\
header:
  stamp: {sec: 1, nanosec: 2}
  frame_id: camera_optical_frame
height: 480
width: 640
distortion_model: equidistant
d: [0.01, -0.002, 0.0, 0.001]
k: [438.7, 0.0, 305.6, 0.0, 437.4, 243.7, 0.0, 0.0, 1.0]
r: [1, 0, 0, 0, 1, 0, 0, 0, 1]
p: [393.6, 0, 322.8, 0, 0, 393.6, 241.1, 0, 0, 0, 1, 0]
---
height: 1
"""


def parse(*argv: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_camera_arguments(parser)
    return parser.parse_args(argv)


def write(folder: Path, text: str, name: str = "camera.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_calibration_of_camera_calibration(tmp_path):
    camera = read_camera_info(write(tmp_path, CALIBRATION))
    assert camera == CameraModel(
        width=640, height=480, fx=438.7, fy=437.4, cx=305.6, cy=243.7, distortion=(-0.36, 0.11, 0.0012, 0.0001, 0.0)
    )


def test_rectified_images_take_the_projection_and_no_distortion(tmp_path):
    camera = read_camera_info(write(tmp_path, CALIBRATION), rectified=True)
    assert camera == CameraModel(width=640, height=480, fx=393.6, fy=393.6, cx=322.8, cy=241.1)


def test_an_echoed_message_of_a_fisheye(tmp_path):
    camera = read_camera_info(write(tmp_path, MESSAGE))
    assert camera.fisheye
    assert camera.distortion == (0.01, -0.002, 0.0, 0.001)
    assert (camera.fx, camera.cy) == (438.7, 243.7)


def test_json_says_the_same_as_yaml(tmp_path):
    fields = yaml.safe_load(CALIBRATION)
    fields["camera_matrix"] = [[438.7, 0, 305.6], [0, 437.4, 243.7], [0, 0, 1]]
    as_json = write(tmp_path, json.dumps(fields), "camera.json")
    assert read_camera_info(as_json) == read_camera_info(write(tmp_path, CALIBRATION))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("image_width: 640", "image_width: wide", "image_width is 'wide': expected a whole number"),
        ("image_height: 480\n", "", "image_height is None"),
        ("image_width: 640", "image_width: 0", "camera size 0x480 px"),
        ("438.7, 0.0,", "0, 0.0,", "intrinsic matrix is zero: the camera is not calibrated; calibrate it or use --fov"),
        ("438.7, 0.0,", ".nan, 0.0,", "camera fx = nan"),
        ("438.7, 0.0,", "", "camera_matrix has 7 numbers: expected 9"),
        ("data: [438.7", "dota: [438.7", "camera_matrix is None: expected 9 numbers"),
        ("plumb_bob", "spline", "distortion_model 'spline' is unknown: expected plumb_bob"),
        ("0.0001, 0]", "0.0001, 0, 1]", "6 distortion coefficients"),
        ("-0.36,", "a,", "distortion_coefficients is .*: expected a list of numbers"),
    ],
)
def test_calibrations_that_cannot_be_used_name_the_file_and_the_value(tmp_path, old, new, message):
    assert old in CALIBRATION
    path = write(tmp_path, CALIBRATION.replace(old, new))
    with pytest.raises(InputError, match=rf"camera file {path}: .*{message}"):
        read_camera_info(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.yaml", "{a: [", "is neither YAML nor JSON"),
        ("a.json", "{'a': 1}", "is neither YAML nor JSON: Expecting property name"),
        ("a.yaml", "just words", "holds no table of values"),
        ("a.yaml", "", "holds no table of values"),
    ],
)
def test_files_that_are_no_calibration(tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        read_camera_info(write(tmp_path, text, name))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_camera_info(tmp_path / "none.yaml")


def test_numbers_default_to_square_pixels_and_the_middle():
    camera = camera_source(parse("--fx", "500"))(641, 480)
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500, 500, 320, 239.5)
    camera = camera_source(parse("--fx", "500", "--fy", "510", "--cx", "0", "--cy", "7"))(641, 480)
    assert (camera.fy, camera.cx, camera.cy) == (510, 0, 7)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--cx", "960", "--cy", "540"], "cx = 960 px is outside of the 320 px wide picture"),
        (["--cy", "-1"], "cy = -1 px is outside of the 240 px high picture"),
        (["--cx", "319", "--cy", "0"], ""),
        ([], ""),
    ],
)
def test_intrinsics_of_another_size_are_told_of_once_for_each_size(caplog, argv, said):
    source = camera_source(parse("--fx", "1200", *argv))
    for size in ((320, 240), (321, 241), (320, 240)):
        source(*size)
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(lines) == (2 if said else 0)
    if said:
        assert lines[0] == f"{said}: are these the intrinsics of another size?"


def test_field_of_view():
    assert camera_source(parse("--fov", "90"))(200, 100).fx == pytest.approx(100)


def test_a_calibration_is_scaled_to_images_of_the_same_shape(tmp_path):
    source = camera_source(parse("--camera-info", str(write(tmp_path, CALIBRATION))))
    assert source(640, 480).fx == 438.7
    assert source(320, 240).fx == pytest.approx(219.35)
    with pytest.raises(InputError, match=r"calibration is for 640x480 px and the image has 640x360 px, another shape"):
        source(640, 360)


def test_fit_keeps_a_camera_that_fits():
    camera = CameraModel.from_fov(64, 48, 60)
    assert fit_camera(camera, 64, 48) is camera


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ["--fx", "1"],
            r"^fx = 1 px is no lens for 160x120 px: --fx, --fy, --cx and --cy are in pixels of this image$",
        ),
        (["--fx", "150", "--cx", "9999"], "cx = 9999 px is no lens for 160x120 px"),
        (["--fx", "150", "--fy", "1e6"], r"fy = 1e\+06 px is no lens"),
        (["--fov", "179.9"], r"fx = 0\.0698\d* px is no lens .*: --fov 179.9 is the horizontal angle in degrees"),
    ],
)
def test_numbers_that_no_lens_has_are_refused(argv, message):
    with pytest.raises(InputError, match=message):
        camera_source(parse(*argv))(160, 120)


@pytest.mark.parametrize(
    ("text", "options", "warned"),
    [
        (CALIBRATION, [], True),
        (CALIBRATION, ["--rectified"], False),
        (CALIBRATION.replace("[-0.36, 0.11, 0.0012, 0.0001, 0]", "[0, 0, 0, 0, 0]"), [], False),
        (MESSAGE, [], True),
    ],
)
def test_raw_pictures_of_a_distorted_lens_are_told_of_once(tmp_path, caplog, text, options, warned):
    path = write(tmp_path, text)
    source = camera_source(parse("--camera-info", str(path), *options))
    for _ in range(2):
        source(640, 480)
    said = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert len(said) == warned
    if warned:
        assert str(path) in said[0]
        assert "depth is that of the raw picture" in said[0]
        assert "--rectified" in said[0]


def test_the_help_says_that_depth_keeps_the_distortion():
    parser = argparse.ArgumentParser()
    add_camera_arguments(parser)
    text = " ".join(parser.format_help().split())
    assert "without --rectified the images are raw, and so is their depth" in text


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], r"needs the camera's focal length: give --fx FX .*--camera-info FILE .*--fov DEGREES"),
        (["--fx", "5", "--fov", "60"], "more than one way: choose one of --fx"),
        (["--cx", "5", "--camera-info", "a"], "more than one way"),
        (["--cx", "5"], "--cx was given without --fx"),
        (["--fov", "60", "--rectified"], "--rectified .* goes with --camera-info only"),
    ],
)
def test_wrong_combinations_of_options(argv, message):
    with pytest.raises(InputError, match=message):
        camera_source(parse(*argv))
