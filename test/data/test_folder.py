from __future__ import annotations

import json
from pathlib import Path

import dataset_trees as trees
import numpy as np
import pytest

from prv2_ros.data.folder import open_folder, open_frames
from prv2_ros.data.frames import Frame, write_frame
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel

CAMERA = CameraModel(width=16, height=12, fx=9, fy=9.5, cx=7.5, cy=6)


@pytest.mark.parametrize("ending", [".npy", ".png", ".exr"])
def test_every_form_of_depth_comes_out_in_metres(tmp_path: Path, ending: str):
    depth_m = np.full((12, 16), 2.25, np.float32)
    depth_m[0] = 0
    dataset = open_folder(trees.folder(tmp_path, ending=ending, depth_m=depth_m), "all")
    frame = dataset[0]
    assert (len(dataset), frame.name, frame.camera) == (1, "0001", CAMERA)
    np.testing.assert_array_equal(frame.image, trees.picture())
    assert np.isnan(frame.depth_m[0]).all()
    np.testing.assert_allclose(frame.depth_m[1:], 2.25)


def test_letter_case_of_an_ending_does_not_matter(tmp_path: Path):
    root = trees.folder(tmp_path)
    (root / "depth" / "0001.npy").rename(root / "depth" / "0001.NPY")
    np.testing.assert_allclose(open_folder(root, "all")[0].depth_m, 2)


def test_floats_may_hold_sky_and_holes(tmp_path: Path):
    depth_m = np.full((12, 16), np.inf)
    depth_m[0], depth_m[1] = np.nan, -1
    found = open_folder(trees.folder(tmp_path, depth_m=depth_m), "all")[0].depth_m
    assert np.isnan(found[:2]).all()
    assert np.isposinf(found[2:]).all()


@pytest.mark.parametrize("kind", [np.uint16, np.int64])
def test_whole_numbers_are_not_taken_for_metres(tmp_path: Path, kind: type):
    root = trees.folder(tmp_path, depth_m=np.full((12, 16), 2250, kind))
    way_out = "store metres as float, or millimetres as 16-bit .png"
    with pytest.raises(InputError, match=rf"0001\.npy: {np.dtype(kind)} where depth in metres was expected; {way_out}"):
        open_folder(root, "all")[0]


def test_splits_are_subfolders(tmp_path: Path):
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        trees.folder(tmp_path / split)
    assert open_folder(tmp_path, "val")[0].kind == "val"
    with pytest.raises(InputError, match=r"looked for images/NAME\{\.png,\.jpg,\.jpeg\}.*name a split: train, val"):
        open_folder(tmp_path, "all")
    with pytest.raises(InputError, match=r"test: looked for images/NAME.*camera\.yaml, camera\.yml, camera\.json; put"):
        open_folder(tmp_path, "test")


def test_a_distorted_camera_in_ros_yaml_is_rectified(tmp_path: Path):
    root = trees.folder(tmp_path)
    (root / "camera.json").unlink()
    calibration = {
        "image_width": 32,  # of twice the size
        "image_height": 24,
        "camera_matrix": {"rows": 3, "cols": 3, "data": [30, 0, 15.5, 0, 30, 11.5, 0, 0, 1]},
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"rows": 1, "cols": 5, "data": [-0.1, 0, 0, 0, 0]},
    }
    (root / "camera.yaml").write_text(json.dumps(calibration))  # JSON is YAML
    frame = open_folder(root, "all")[0]
    assert frame.camera == CameraModel(width=16, height=12, fx=15, fy=15, cx=7.5, cy=5.5)
    np.testing.assert_allclose(frame.depth_m, 2)


def test_images_without_depth_and_wrong_shapes_are_named(tmp_path: Path):
    root = trees.folder(tmp_path)
    trees.write_rgb(root / "images" / "0002.jpg")
    with pytest.raises(InputError, match=r"depth: looked for depth of 0002 \(1 of 2 images\) as \.npy, \.png, \.exr"):
        open_folder(root, "all")
    np.save(root / "depth" / "0002.npy", np.ones((12, 16, 1)))
    dataset = open_folder(root, "all")
    with pytest.raises(InputError, match=r"0002\.npy: expected one array \(H, W\)"):
        dataset[1]
    np.save(root / "depth" / "0002.npy", np.ones((10, 16)))
    with pytest.raises(InputError, match=r"0002\.jpg: image 16x12, depth 16x10"):
        dataset[1]
    trees.write_rgb(root / "images" / "0002.jpg", trees.picture(10, 16))
    with pytest.raises(InputError, match=r"0002\.jpg: the calibration is for 16x12 px and the image has 16x10 px"):
        dataset[1]
    (root / "camera.json").write_text("{}")
    with pytest.raises(InputError, match=r"0001\.png: camera file .*camera\.json: image_width is None"):
        dataset[0]


def test_the_projects_own_frames_are_read_without_their_tiles(tmp_path: Path):
    depth_m = np.full((12, 16), 3, np.float32)
    for name in ("00000001", "00000001-0"):
        write_frame(tmp_path, Frame(name=name, image=trees.picture(), depth_m=depth_m, camera=CAMERA, kind="room"))
    dataset = open_frames(tmp_path, "all")
    assert [dataset[i].name for i in range(len(dataset))] == ["00000001"]
    (tmp_path / "00000001.json").write_text("{}")
    with pytest.raises(InputError, match=r"frame .*00000001\.json cannot be read \(it has no 'width'\)"):
        dataset[0]
