from __future__ import annotations

import shutil
from pathlib import Path

import dataset_trees as trees
import numpy as np
import pytest

from prv2_ros.data.cityscapes import open_cityscapes
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel


def test_disparity_becomes_depth_by_the_cameras_file(tmp_path: Path):
    root = trees.cityscapes(tmp_path)
    code = np.full((12, 16), 257, np.uint16)  # one pixel of disparity
    code[0], code[1], code[2] = 0, 1, 513
    trees.write_code(root / "disparity" / "train" / "bochum" / "bochum_000000_000019_disparity.png", code)
    dataset = open_cityscapes(root, "train")
    assert [dataset[i].kind for i in range(len(dataset))] == ["aachen", "bochum"]
    frame = dataset[1]
    assert frame.name == "bochum_000000_000019"
    np.testing.assert_array_equal(frame.image, trees.picture())
    assert frame.camera == CameraModel(width=16, height=12, fx=16, fy=17, cx=8.5, cy=5.5)
    assert np.isnan(frame.depth_m[:2]).all()
    np.testing.assert_allclose(frame.depth_m[2], 16 * 0.25 / 2)
    np.testing.assert_allclose(frame.depth_m[3:], 16 * 0.25 / 1)


def test_the_extra_images_are_found_in_both_places(tmp_path: Path):
    root = trees.cityscapes(tmp_path)
    assert open_cityscapes(root, "train_extra")[0].kind == "bayreuth"
    for kind in ("leftImg8bit", "disparity", "camera"):
        shutil.move(root / "extra" / kind / "train_extra", root / kind / "train_extra")
    assert open_cityscapes(root, "train_extra")[0].kind == "bayreuth"


def test_what_is_missing_is_named_with_the_archive(tmp_path: Path):
    with pytest.raises(InputError, match=r"looked for leftImg8bit/val/CITY/\*_leftImg8bit.*camera_trainvaltest\.zip"):
        open_cityscapes(tmp_path, "val")
    root = trees.cityscapes(tmp_path)
    shutil.rmtree(root / "camera" / "val")
    with pytest.raises(InputError, match=r"lindau_000000_000019_camera\.json.*unpack camera_trainvaltest\.zip beside"):
        open_cityscapes(root, "val")


@pytest.mark.parametrize("content", ["{}", '{"intrinsic": 3}', "[]", "{"])
def test_a_corrupt_camera_is_named_when_its_frame_is_read(tmp_path: Path, content: str):
    root = trees.cityscapes(tmp_path)
    (root / "camera" / "val" / "lindau" / "lindau_000000_000019_camera.json").write_text(content)
    dataset = open_cityscapes(root, "val")
    with pytest.raises(InputError, match=r"lindau_000000_000019_camera\.json: .*fetch"):
        dataset[0]
