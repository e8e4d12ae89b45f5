from __future__ import annotations

from pathlib import Path

import cv2
import dataset_trees as trees
import numpy as np
import pytest

from prv2_ros.data.unreal_stereo import open_unreal_stereo
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel


def test_frames_come_in_the_order_of_the_list_with_metric_depth(tmp_path: Path):
    dataset = open_unreal_stereo(trees.unreal(tmp_path), "train")
    assert [dataset[i].name for i in range(len(dataset))] == ["00000_00000", "00000_00007", "00003_00000"]
    frame = dataset[2]
    np.testing.assert_array_equal(frame.image, trees.picture())
    assert frame.camera == CameraModel(width=16, height=12, fx=8, fy=8, cx=8, cy=6)
    np.testing.assert_allclose(frame.depth_m, 8.0 * 0.25 / 4.0)  # f B / d
    assert frame.kind == "00003"


def test_no_disparity_is_unknown_and_the_dome_is_sky(tmp_path: Path):
    disparity_px = np.full((12, 16), 4, np.float16)
    disparity_px[0], disparity_px[1] = 0, 1.5e-4  # 13 km
    disparity_px[2], disparity_px[3] = np.nan, 2.5e-4  # 8 km: mountains, not the dome
    line = trees.write_unreal_frame(tmp_path, "00000", "00000", disparity_px)
    trees.write_text(tmp_path / "splits" / "val.txt", line)
    depth_m = open_unreal_stereo(tmp_path, "val")[0].depth_m
    assert np.isnan(depth_m[[0, 2]]).all()
    assert np.isposinf(depth_m[1]).all()
    assert np.isfinite(depth_m[3:]).all()
    np.testing.assert_allclose(depth_m[3], 8000, rtol=1e-3)


def test_lists_of_patchfusion_go_before_those_of_the_authors(tmp_path: Path):
    trees.unreal(tmp_path)
    first = (tmp_path / "filenames" / "train.txt").read_text().splitlines()[0]
    trees.write_text(tmp_path / "splits" / "train.txt", f"/{first}\n")
    assert len(open_unreal_stereo(tmp_path, "train")) == 1
    assert open_unreal_stereo(tmp_path, "test_out")[0].name == "00008_00001"


@pytest.mark.parametrize(
    ("split", "file"),
    [
        ("train", "splits/train.txt"),
        ("train", "filenames/train.txt"),
        ("val", "splits/val.txt"),
        ("val", "filenames/val.txt"),
        ("test", "splits/test.txt"),
        ("test", "splits/test_in.txt"),
        ("test", "filenames/test.txt"),
        ("test_out", "splits/test_out.txt"),
        ("test_out", "filenames/out_test.txt"),
    ],
)
def test_each_split_has_its_published_lists(tmp_path: Path, split: str, file: str):
    """Names of PatchFusion's splits/u4k (test_in and test_out there) and of SMD-Nets' filenames."""
    trees.write_text(tmp_path / file, trees.write_unreal_frame(tmp_path, "00000", "00000"))
    dataset = open_unreal_stereo(tmp_path, split)
    assert (dataset.split, [dataset[0].name]) == (split, ["00000_00000"])


def test_the_baseline_is_a_distance_whichever_way_the_axis_points(tmp_path: Path):
    root = trees.unreal(tmp_path)
    left, right = (root / "00000" / f"Extrinsics{camera}" / "00000.txt" for camera in (0, 1))
    swapped = right.read_text()
    right.write_text(left.read_text())
    left.write_text(swapped)
    np.testing.assert_allclose(open_unreal_stereo(root, "train")[0].depth_m, 8.0 * 0.25 / 4.0)


@pytest.mark.parametrize("k", ["8 0 7.5 0 8 5.5 0 0 1", "8 0 8.5 0 8 6.5 0 0 1"])
def test_a_centre_half_a_pixel_off_is_no_other_size(tmp_path: Path, k: str):
    line = trees.write_unreal_frame(tmp_path, "00000", "00000", k=k)
    trees.write_text(tmp_path / "splits" / "train.txt", line)
    camera = open_unreal_stereo(tmp_path, "train")[0].camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == tuple(float(k.split()[i]) for i in (0, 4, 2, 5))


def test_raw_files_hold_blue_green_red(tmp_path: Path):
    root = trees.unreal(tmp_path)
    png = root / "00000" / "Image0" / "00000.png"
    # The conversion that the data set's README prints.
    image = cv2.cvtColor(cv2.imread(str(png), -1), cv2.COLOR_RGBA2RGB)
    image.tofile(png.with_suffix(".raw"))
    png.unlink()
    np.testing.assert_array_equal(open_unreal_stereo(root, "train")[0].image, trees.picture())
    png.with_suffix(".raw").write_bytes(b"short")
    with pytest.raises(InputError, match=r"00000\.raw: 5 bytes where 12 x 16 x 3 were expected"):
        open_unreal_stereo(root, "train")[0]


def test_intrinsics_of_the_full_size_are_scaled_to_a_smaller_edition(tmp_path: Path):
    line = trees.write_unreal_frame(tmp_path, "00000", "00000", k="32 0 32 0 32 24 0 0 1")
    trees.write_text(tmp_path / "splits" / "train.txt", line)
    frame = open_unreal_stereo(tmp_path, "train")[0]
    assert (frame.camera.fx, frame.camera.cx) == (8.0, (32 + 0.5) / 4 - 0.5)
    np.testing.assert_allclose(frame.depth_m, 8.0 * 0.25 / 4.0)


def test_missing_list_and_scenes_are_named(tmp_path: Path):
    with pytest.raises(InputError, match=r"'train' in splits/train\.txt or filenames/train\.txt; copy .*SMD-Nets"):
        open_unreal_stereo(tmp_path, "train")
    line = trees.write_unreal_frame(tmp_path, "00000", "00000")
    trees.write_text(tmp_path / "splits" / "train.txt", f"{line}\n{line.replace('00000/', '00005/')}\n")
    with pytest.raises(InputError, match=r"there is no 00005; unpack UnrealStereo4K_NNNNN\.zip"):
        open_unreal_stereo(tmp_path, "train")
    trees.write_text(tmp_path / "splits" / "train.txt", "00000/Image0/00000.png\n")
    with pytest.raises(InputError, match="none of left image, right image"):
        open_unreal_stereo(tmp_path, "train")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("Disp0/00000.npy", b"\x93NUMPY nonsense", r"Disp0/00000\.npy: cannot be read.*corrupt"),
        ("Extrinsics1/00000.txt", b"8 0 8 0 8\n1 2\n", r"Extrinsics1/00000\.txt: 5 and 2 numbers"),
        ("Extrinsics0/00000.txt", b"a b c\n1 2\n", r"Extrinsics0/00000\.txt: cannot be read"),
        (
            "Extrinsics0/00000.txt",
            b"0 0 8 0 8 6 0 0 1\n1 0 0 9 0 1 0 0 0 0 1 0\n",
            r"Extrinsics0/00000\.txt: camera fx",
        ),
        ("Extrinsics0/00000.txt", b"8 0 8 0 8 6 0 0 1\n1 0 0 1.25 0 1 0 0 0 0 1 0\n", "equal x translations"),
        ("Extrinsics0/00000.txt", b"8 0 30 0 8 6 0 0 1\n1 0 0 9 0 1 0 0 0 0 1 0\n", "another shape"),
        ("Image0/00000.png", b"nonsense", r"Image0/00000\.png: cannot be read"),
    ],
)
def test_a_corrupt_file_is_named_when_its_frame_is_read(tmp_path: Path, file: str, content: bytes, message: str):
    root = trees.unreal(tmp_path)
    (root / "00000" / file).write_bytes(content)
    dataset = open_unreal_stereo(root, "train")
    with pytest.raises(InputError, match=message):
        dataset[0]
    assert dataset[1].name == "00000_00007"
