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
    camera = CameraModel(width=w * across, height=h * down, fx=7.0, fy=9.0, cx=1.3, cy=0.7)
    fine = spread(coarse, camera)
    rows, columns = np.nonzero(np.isfinite(fine))
    np.testing.assert_array_equal(fine[rows, columns], coarse.ravel())
    np.testing.assert_array_equal(rows // down * w + columns // across, np.arange(h * w))


@pytest.mark.parametrize(
    ("lens", "share"),
    [((0.08, -0.1, 0.001, -0.001), 1.0), ((0.03, -0.06, 0.0, 0.0), 0.98), ((-0.1, 0.05, 0.0, 0.0), 0.9)],
)
def test_a_lens_neither_loses_nor_doubles_samples(lens: tuple[float, ...], share: float):
    """Each sample lies, once, at a pixel whose ray the lens leads to the sample's centre, or beyond the rim."""
    camera = CameraModel(width=480, height=360, fx=362, fy=363, cx=239.3, cy=180.9, distortion=lens)
    coarse = np.arange(48 * 64, dtype=np.float32).reshape(48, 64)
    coarse[20] = np.nan
    fine = spread(coarse, camera)
    rows, columns = np.nonzero(np.isfinite(fine))
    index = fine[rows, columns].astype(int)
    assert np.unique(index).size == index.size >= share * 47 * 64 - 1
    seen = camera.project(np.stack([(columns - camera.cx) / camera.fx, (rows - camera.cy) / camera.fy], -1))
    centres = 7.5 * (np.stack([index % 64, index // 64], -1) + 0.5) - 0.5
    assert np.abs(seen - centres).max() < 0.65, "half a pixel, of which a lens makes more at its rim"
    missing = np.setdiff1d(np.arange(48 * 64).reshape(48, 64)[np.isfinite(coarse)], index)
    edge = np.stack([missing % 64, missing // 64], -1)
    assert ((edge < 4) | (edge >= (60, 44))).any(-1).all(), "what is missing lies at the rim"


def test_the_telephones_depth_is_rectified_as_its_picture_is(tmp_path: Path):
    """A bright spot at the centre of a sample leads to that sample, which the lens has moved outwards with it."""
    root = trees.scannetpp(tmp_path)
    scene = root / "data" / "0a5c013435" / "iphone"
    trees.write_text(scene / "colmap" / "cameras.txt", "1 OPENCV 160 120 100 100 80 60 -0.12 0.0 0.0 0.0\n")
    trees.write_code(scene / "depth" / "frame_000010.png", (1000 + np.arange(192)).reshape(12, 16).astype(np.uint16))
    picture = np.zeros((120, 160, 3), np.uint8)
    picture[33:37, 23:27] = 255  # around (24.5, 34.5), the centre of the sample in row 3, column 2
    trees.write_rgb(scene / "rgb" / "frame_000010.jpg", picture)
    frame = open_scannetpp(root, "train")[0]
    assert not frame.camera.is_distorted
    light = np.clip(frame.image[..., 0].astype(float) - 40, 0, None)
    middle = np.array([(light * place).sum() for place in np.mgrid[:120, :160]]) / light.sum()
    assert np.abs(middle - 34.5)[0] > 1, "the lens leaves it where it is"
    samples = np.argwhere(np.isfinite(frame.depth_m))
    row, column = samples[np.abs(samples - middle).max(-1).argmin()]
    assert np.abs(middle - (row, column)).max() < 0.8
    assert frame.depth_m[row, column] == np.float32(1.0 + (3 * 16 + 2) / 1000)
    assert np.unique(frame.depth_m[np.isfinite(frame.depth_m)]).size == len(samples), "a sample is shown twice"


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
