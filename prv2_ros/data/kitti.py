"""KITTI depth: images of the raw recordings with the accumulated laser depth of the depth benchmark.

Source: Geiger et al., IJRR 2013 (raw data) and Uhrig et al., 3DV 2017 (depth); www.cvlibs.net/datasets/kitti. Facts:

- data_depth_annotated.zip: `{train,val}/DRIVE/proj_depth/groundtruth/image_0{2,3}/NNNNNNNNNN.png`, 16 bits, depth along
  the rectified camera's z in 1/256 m, 0 = unknown. Truth is sparse (a sixth of the pixels at best), never in the sky.
- Raw recordings: `DATE/DRIVE/image_0{2,3}/data/NNNNNNNNNN.png` (rectified) and `DATE/calib_cam_to_cam.txt`, whose
  P_rect_02 and P_rect_03 are the cameras' 3x4 matrices; pixel (0, 0) is a centre, as in OpenCV. Many convert the
  images to `.jpg`, which is read, too.
- data_depth_selection.zip: `depth_selection/val_selection_cropped/{image,groundtruth_depth,intrinsics}`, 1000 frames of
  the validation drives cut to 1216x352 px, each with its own K (9 numbers by rows).

Raw data are looked for in the folder and in its subfolder `raw`; depth in `train` and `val` of the folder or of
`data_depth_annotated`, and, both merged, in `depth` (PatchRefiner's layout).

Splits: `train` and `val` are the benchmark's folders. `val_selection` is its selection. `eigen_train` (23158 frames)
and `eigen_test` (697, 652 with truth) are the lists after Eigen et al., NIPS 2014, as ZoeDepth and PatchRefiner use
them: kitti_eigen_{train,test}_files_with_gt.txt of github.com/isl-org/ZoeDepth, train_test_inputs/, in `splits` or in
the folder itself. The truth of the benchmark's own test images is not public.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prv2_ros.data.dataset_files import (
    ListedFrames,
    files_by_stem,
    known_depth,
    make_frame,
    pinhole,
    read_lines,
    read_png16,
    read_rgb,
    shorten,
    subfolders,
    wrong_layout,
)
from prv2_ros.data.frames import Frame
from prv2_ros.errors import InputError

NAME = "kitti"
SPLITS = ("train", "val", "val_selection", "eigen_train", "eigen_test")

_DATE_LENGTH = len("2011_09_26")
_CAMERAS = ("image_02", "image_03")
_TRUTH = "proj_depth/groundtruth"
_DEPTH_FOLDERS = ("train", "val", "data_depth_annotated/train", "data_depth_annotated/val", "depth")
_SELECTION = "val_selection_cropped"


@dataclass(frozen=True, kw_only=True)
class KittiItem:
    """One image, its depth and the file that has its intrinsics."""

    name: str
    drive: str
    image: Path
    depth: Path
    intrinsics: Path
    """calib_cam_to_cam.txt, or the selection's file with K."""

    camera: str
    """image_02 or image_03; empty where the file holds one camera."""


def open_kitti(root: Path, split: str) -> ListedFrames[KittiItem]:
    """List the frames of a split.

    Raises:
        InputError: the folders or the list of the split are not there, or drives lack their raw images.

    """
    if split == "val_selection":
        items = list(_selection(root))
    elif split in ("train", "val"):
        items = list(_annotated(root, split))
    else:
        items = list(_eigen(root, split.removeprefix("eigen_")))
    return ListedFrames(name=NAME, split=split, items=items, read=read_item, shown=_shown)


def _annotated(root: Path, split: str) -> Iterator[KittiItem]:
    base = next((b for b in (root, root / "data_depth_annotated") if subfolders(b / split)), None)
    if base is None:
        raise wrong_layout(
            root,
            f"{split}/DRIVE/{_TRUTH}/image_02/*.png, in the folder or in data_depth_annotated",
            "unpack data_depth_annotated.zip of the KITTI depth benchmark there",
        )
    drives = subfolders(base / split)
    raw = _raw_folders(root, drives)
    for drive in drives:
        for camera in _CAMERAS:
            for depth in files_by_stem(base / split / drive / _TRUTH / camera, ".png").values():
                yield _item(raw[drive], drive, camera, depth)


def _eigen(root: Path, part: str) -> Iterator[KittiItem]:
    file = f"kitti_eigen_{part}_files_with_gt.txt"
    path = next((p for p in (root / "splits" / file, root / file) if p.is_file()), None)
    if path is None:
        raise wrong_layout(
            root, f"{file} or splits/{file}", "copy it from train_test_inputs/ of github.com/isl-org/ZoeDepth"
        )
    lines = [line.split() for line in read_lines(path)]
    if any(len(line) < 2 or line[0].count("/") != 4 for line in lines):
        raise InputError(f"{path}: expected lines DATE/DRIVE/image_02/data/N.png DRIVE/{_TRUTH}/image_02/N.png FOCAL")
    wanted = [(line[0].split("/"), line[1]) for line in lines if line[1] != "None"]
    drives = sorted({parts[1] for parts, _ in wanted})
    places = {drive: root / place / drive for place in reversed(_DEPTH_FOLDERS) for drive in subfolders(root / place)}
    absent = [drive for drive in drives if drive not in places]
    if absent:
        raise wrong_layout(
            root,
            f"the depth of {shorten(absent)} in {', '.join(_DEPTH_FOLDERS)}",
            "unpack data_depth_annotated.zip of the KITTI depth benchmark there",
        )
    raw = _raw_folders(root, drives)
    for parts, depth in wanted:
        yield _item(raw[parts[1]], parts[1], parts[2], places[parts[1]].parent / depth)


def _selection(root: Path) -> Iterator[KittiItem]:
    places = [root / "depth_selection" / _SELECTION, root / _SELECTION]
    base = next((place for place in places if (place / "image").is_dir()), None)
    images = {} if base is None else files_by_stem(base / "image", ".png")
    if base is None or not images:
        raise wrong_layout(
            root,
            f"depth_selection/{_SELECTION}/image/*.png with groundtruth_depth and intrinsics beside",
            "unpack data_depth_selection.zip of the KITTI depth benchmark there",
        )
    for stem, image in images.items():
        drive = stem.partition("_sync_")[0] + "_sync"
        depth = base / "groundtruth_depth" / f"{stem.replace('_sync_image_', '_sync_groundtruth_depth_')}.png"
        intrinsics = base / "intrinsics" / f"{stem}.txt"
        yield KittiItem(name=stem, drive=drive, image=image, depth=depth, intrinsics=intrinsics, camera="")


def _raw_folders(root: Path, drives: list[str]) -> dict[str, Path]:
    """Folder of the raw images of each drive."""
    found = {}
    for drive in drives:
        date = drive[:_DATE_LENGTH]
        places = (root / date / drive, root / "raw" / date / drive)
        found[drive] = next((place for place in places if place.is_dir()), None)
    absent = [drive for drive, place in found.items() if place is None]
    if absent:
        raise wrong_layout(
            root,
            f"the raw images DATE/DRIVE/image_02/data/*.png of {shorten(absent)} (of {len(drives)} drives), in the "
            "folder or in raw",
            "fetch those drives' synced+rectified data from the KITTI raw data page, or move their depth away",
        )
    return {drive: place for drive, place in found.items() if place is not None}


def _item(raw: Path, drive: str, camera: str, depth: Path) -> KittiItem:
    return KittiItem(
        name=f"{drive}_{camera}_{depth.stem}",
        drive=drive,
        image=raw / camera / "data" / f"{depth.stem}.png",
        depth=depth,
        intrinsics=raw.parent / "calib_cam_to_cam.txt",
        camera=camera,
    )


def _shown(item: KittiItem) -> tuple[Path, ...]:
    return (item.image, item.image.with_suffix(".jpg"), item.intrinsics)


def read_item(item: KittiItem) -> Frame:
    """Read one image with its sparse depth."""
    jpeg = item.image.with_suffix(".jpg")
    image = read_rgb(jpeg if not item.image.is_file() and jpeg.is_file() else item.image)
    fx, fy, cx, cy = _intrinsics(item)
    height, width = image.shape[:2]
    return make_frame(
        name=item.name,
        kind=item.drive,
        image=image,
        depth_m=known_depth(read_png16(item.depth) / np.float32(256)),
        camera=pinhole(item.intrinsics, (width, height), fx=fx, fy=fy, cx=cx, cy=cy),
        source=item.image,
    )


def _intrinsics(item: KittiItem) -> tuple[float, float, float, float]:
    """fx, fy, cx, cy (px)."""
    lines = read_lines(item.intrinsics)
    key = f"P_rect_{item.camera[-2:]}:" if item.camera else ""
    wanted, row = (12, 4) if key else (9, 3)
    text = next((line.removeprefix(key) for line in lines if line.startswith(key)), "")
    try:
        values = [float(value) for value in text.split()]
    except ValueError:
        values = []
    if len(values) != wanted:
        raise InputError(
            f"{item.intrinsics}: looked for {wanted} numbers{f' after {key}' if key else ' of K'}; fetch the file again"
        )
    return values[0], values[row + 1], values[2], values[row + 2]
