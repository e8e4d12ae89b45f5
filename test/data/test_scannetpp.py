from __future__ import annotations

import shutil
from pathlib import Path

import dataset_trees as trees
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.data.scannetpp import open_scannetpp, spread
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel


def test_the_telephones_depth_lies_at_single_pixels(tmp_path: Path):
    frame = open_scannetpp(trees.scannetpp(tmp_path), "train")[0]
    assert (frame.name, frame.kind) == ("0a5c013435_iphone_frame_000010", "iphone")
    assert frame.camera == CameraModel(width=16, height=12, fx=14, fy=14.5, cx=7.5, cy=5.5)
    rows, columns = np.nonzero(np.isfinite(frame.depth_m))
    assert (sorted(set(rows)), sorted(set(columns))) == ([2, 6, 10], [2, 6, 10, 14])
    np.testing.assert_allclose(frame.depth_m[rows, columns], 1.5)


def test_the_laser_mesh_gives_dense_depth_in_metres(tmp_path: Path):
    root = trees.scannetpp(tmp_path)
    code = np.full((12, 16), 2500, np.uint16)
    code[:6] = 0
    trees.write_code(root / "data" / "7b6477cb95" / "iphone" / "render_depth" / "frame_000010.png", code)
    depth_m = open_scannetpp(root, "val_mesh")[0].depth_m
    assert np.isnan(depth_m[:6]).all()
    np.testing.assert_allclose(depth_m[6:], 2.5)


def test_fisheye_photographs_are_rectified(tmp_path: Path):
    frame = open_scannetpp(trees.scannetpp(tmp_path), "val_dslr")[0]
    assert frame.kind == "dslr"
    assert not frame.camera.is_distorted
    assert (frame.camera.fx, frame.camera.cx) == (10, 7.5)
    np.testing.assert_allclose(frame.depth_m[4:8, 4:12], 1.0)
    # A pinhole image of the same focal length sees less at its rim than the fisheye image.
    assert np.isfinite(frame.depth_m).all()


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5), st.integers(1, 5))
def test_every_sample_is_kept_once_near_its_place(h: int, w: int, down: int, across: int):
    coarse = np.arange(1, h * w + 1, dtype=np.float32).reshape(h, w)
    fine = spread(coarse, w * across, h * down)
    rows, columns = np.nonzero(np.isfinite(fine))
    np.testing.assert_array_equal(fine[rows, columns], coarse.ravel())
    np.testing.assert_array_equal(rows // down * w + columns // across, np.arange(h * w))


def test_what_is_missing_is_named_with_the_tool_that_makes_it(tmp_path: Path):
    with pytest.raises(InputError, match=r"looked for splits/nvs_sem_train\.txt and data/SCENE/iphone/rgb"):
        open_scannetpp(tmp_path, "train")
    root = trees.scannetpp(tmp_path)
    shutil.rmtree(root / "data" / "0a5c013435" / "dslr" / "render_depth")
    with pytest.raises(InputError, match=r"0a5c013435: looked for .*dslr/render_depth/\*\.png.*with render_dslr"):
        open_scannetpp(root, "train_dslr")
    assert len(open_scannetpp(root, "train")) == 1
    shutil.rmtree(root / "data" / "7b6477cb95")
    with pytest.raises(InputError, match=r"there is no 7b6477cb95; download those scenes"):
        open_scannetpp(root, "val")
    (root / "splits" / "nvs_sem_val.txt").write_text("\n")
    with pytest.raises(InputError, match=r"nvs_sem_val\.txt: names no scene"):
        open_scannetpp(root, "val")


def test_corrupt_files_are_named_when_their_frame_is_read(tmp_path: Path):
    root = trees.scannetpp(tmp_path)
    scene = root / "data" / "0a5c013435" / "iphone"
    trees.write_code(scene / "render_depth" / "frame_000010.png", np.ones((3, 4), np.uint16))
    with pytest.raises(InputError, match=r"frame_000010\.jpg: image 16x12, depth 4x3"):
        open_scannetpp(root, "train_mesh")[0]


def test_scenes_of_several_cameras_are_refused(tmp_path: Path):
    root = trees.scannetpp(tmp_path)
    cameras = root / "data" / "0a5c013435" / "iphone" / "colmap" / "cameras.txt"
    cameras.write_text(cameras.read_text() + "2 PINHOLE 16 12 1 1 8 6\n")
    with pytest.raises(InputError, match=r"cameras\.txt: 2 cameras where a ScanNet\+\+ scene has one"):
        open_scannetpp(root, "train")[0]
