from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import dataset_trees as trees
import numpy as np
import pytest

from prv2_ros.data.kitti import open_kitti
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel

LEFT = CameraModel(width=16, height=12, fx=7, fy=7.1, cx=8.5, cy=5.5)
RIGHT = CameraModel(width=16, height=12, fx=9, fy=9.1, cx=8, cy=5)
TRUTH = "proj_depth/groundtruth"


@pytest.mark.parametrize("raw", ["", "raw"])
def test_train_and_val_are_the_benchmarks_folders_with_both_cameras(tmp_path: Path, raw: str):
    root = trees.kitti(tmp_path, raw=raw)
    code = np.zeros((12, 16), np.uint16)
    code[3, 4] = 2560
    trees.write_code(root / "train" / trees.KITTI_DRIVE / "proj_depth/groundtruth/image_03/0000000005.png", code)
    dataset = open_kitti(root, "train")
    names = [f"{trees.KITTI_DRIVE}_{camera}_0000000005" for camera in ("image_02", "image_03")]
    assert [dataset[i].name for i in range(len(dataset))] == names
    assert [dataset[i].camera for i in range(2)] == [LEFT, RIGHT]
    np.testing.assert_array_equal(dataset[0].image, trees.picture())
    depth_m = dataset[1].depth_m
    assert depth_m[3, 4] == 10.0
    assert np.isnan(depth_m).sum() == 12 * 16 - 1
    assert "2011_09_28" in open_kitti(root, "val")[0].name


def test_the_archives_own_folder_and_converted_images_are_found(tmp_path: Path):
    root = trees.kitti(tmp_path)
    for split in ("train", "val"):
        shutil.move(root / split, root / "data_depth_annotated" / split)
    image = root / "2011_09_26" / trees.KITTI_DRIVE / "image_02" / "data" / "0000000005.png"
    cv2.imwrite(str(image.with_suffix(".jpg")), cv2.imread(str(image)))
    image.unlink()
    assert np.abs(open_kitti(root, "train")[0].image.astype(int) - trees.picture()).mean() < 20


def test_selection_brings_its_own_intrinsics(tmp_path: Path):
    (frame,) = [open_kitti(trees.kitti(tmp_path), "val_selection")[0]]
    assert frame.camera == CameraModel(width=16, height=12, fx=7, fy=7.5, cx=8, cy=6)
    assert frame.kind == trees.KITTI_DRIVE
    np.testing.assert_allclose(frame.depth_m, 1000 / 256)


@pytest.mark.parametrize("place", ["train", "depth"])
def test_eigen_split_leaves_out_what_has_no_truth(tmp_path: Path, place: str):
    root = trees.kitti(tmp_path)
    if place == "depth":
        shutil.move(root / "train", root / "depth")
    dataset = open_kitti(root, "eigen_train")
    assert len(dataset) == 1
    assert dataset[0].camera == LEFT


def test_eigen_split_takes_frames_and_cameras_in_the_order_of_the_list(tmp_path: Path):
    root = trees.kitti(tmp_path)
    drive, lines = trees.KITTI_DRIVE, []
    for camera, stem, metres in (("image_03", "0000000005", 3), ("image_02", "0000000000", 2)):
        image, depth = f"2011_09_26/{drive}/{camera}/data/{stem}.png", f"{drive}/{TRUTH}/{camera}/{stem}.png"
        trees.write_rgb(root / image, np.full((12, 16, 3), metres, np.uint8))
        trees.write_code(root / "train" / depth, np.full((12, 16), metres * 256, np.uint16))
        lines.append(f"{image} {depth} 721.5377")
    trees.write_text(root / "splits" / "kitti_eigen_test_files_with_gt.txt", "\n".join(lines))
    dataset = open_kitti(root, "eigen_test")
    frames = [dataset[i] for i in range(len(dataset))]
    assert [frame.name for frame in frames] == [f"{drive}_image_03_0000000005", f"{drive}_image_02_0000000000"]
    assert [frame.camera for frame in frames] == [RIGHT, LEFT]
    assert [(frame.depth_m[0, 0], frame.image[0, 0, 0]) for frame in frames] == [(3, 3), (2, 2)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("train", "val"),
        ("val", "data_depth_annotated/train"),
        ("data_depth_annotated/val", "depth"),
        ("train", "depth"),
    ],
)
def test_of_two_depths_of_a_drive_the_benchmarks_own_folder_goes_first(tmp_path: Path, first: str, second: str):
    root = trees.kitti(tmp_path)
    shutil.rmtree(root / "train")
    for place, metres in ((first, 1), (second, 2)):
        trees.write_code(
            root / place / trees.KITTI_DRIVE / TRUTH / "image_02" / "0000000005.png",
            np.full((12, 16), metres * 256, np.uint16),
        )
    np.testing.assert_array_equal(open_kitti(root, "eigen_train")[0].depth_m, 1)


def test_what_is_missing_is_named_with_the_archive(tmp_path: Path):
    with pytest.raises(InputError, match=r"looked for train/DRIVE/proj_depth/groundtruth.*data_depth_annotated\.zip"):
        open_kitti(tmp_path, "train")
    with pytest.raises(InputError, match=r"looked for depth_selection/val_selection_cropped.*data_depth_selection"):
        open_kitti(tmp_path, "val_selection")
    with pytest.raises(InputError, match=r"kitti_eigen_test_files_with_gt\.txt.*ZoeDepth"):
        open_kitti(tmp_path, "eigen_test")
    root = trees.kitti(tmp_path)
    shutil.rmtree(root / "2011_09_26")
    for split in ("train", "eigen_train"):
        with pytest.raises(InputError, match=rf"raw images .* of {trees.KITTI_DRIVE} \(of 1 drives\), in the folder"):
            open_kitti(root, split)
    shutil.rmtree(root / "train")
    with pytest.raises(InputError, match=rf"the depth of {trees.KITTI_DRIVE} in train, val"):
        open_kitti(root, "eigen_train")
    trees.write_text(root / "splits" / "kitti_eigen_train_files_with_gt.txt", "a b c\n")
    with pytest.raises(InputError, match="expected lines DATE/DRIVE"):
        open_kitti(root, "eigen_train")


def test_corrupt_files_are_named_when_their_frame_is_read(tmp_path: Path):
    root = trees.kitti(tmp_path)
    depth = root / "train" / trees.KITTI_DRIVE / "proj_depth/groundtruth/image_02/0000000005.png"
    trees.write_rgb(depth)
    dataset = open_kitti(root, "train")
    with pytest.raises(InputError, match=r"0000000005\.png: uint8 of shape \(12, 16, 3\) where one channel of 16 bits"):
        dataset[0]
    depth.write_bytes(depth.read_bytes()[:60])
    with pytest.raises(InputError, match=r"0000000005\.png: cannot be read"):
        dataset[0]
    (root / "2011_09_26" / "calib_cam_to_cam.txt").write_text("P_rect_02: 1 2 3\nP_rect_03: x\n")
    with pytest.raises(InputError, match=r"calib_cam_to_cam\.txt: looked for 12 numbers after P_rect_03:"):
        dataset[1]
    (root / "2011_09_26" / "calib_cam_to_cam.txt").unlink()
    with pytest.raises(InputError, match=r"calib_cam_to_cam\.txt: no such file"):
        dataset[1]
