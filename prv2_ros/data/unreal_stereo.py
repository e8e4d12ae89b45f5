"""UnrealStereo4K: rendered stereo pairs of 3840x2160 px of eight scenes, and a ninth that only tests.

Source: Tosi et al., SMD-Nets, CVPR 2021; layout, lists and the raw format from the authors' repository
(github.com/fabiotosi92/SMD-Nets: README.md, filenames/*.txt, lib/data/Loader.py). Facts:

- `SCENE/Image0/NNNNN.png` left image, RGBA. The README advises to store it as `NNNNN.raw`: 8-bit pixels without a
  header, in the order blue, green, red (its code converts RGBA to RGB what OpenCV has read as BGRA). The quarter-size
  edition has `.jpg`.
- `SCENE/Disp0/NNNNN.npy` disparity of the left image in pixels, so depth is along z.
- `SCENE/Extrinsics{0,1}/NNNNN.txt` line 1: K, 9 numbers by rows (px); line 2: world to camera, 12 numbers by rows (m).
  The repository does not describe these files; PatchFusion (estimator/datasets/u4k_dataset.py) reads fx and the
  baseline, the difference of the two x translations, from them, and Map-Anything all of K. Whether K counts from the
  centre or the corner of the first pixel is written nowhere: it is taken as it stands, which is half a pixel at most.
- Disparity 0 is invalid (Loader.py). The sky is a dome kilometres away: depth beyond 10 km becomes +inf here, where
  Map-Anything drops it as invalid.

Splits are random within scenes 0 to 7, so only their lists tell: `filenames/` of SMD-Nets, or `splits/u4k/` of
PatchFusion and PatchRefiner, whose lists leave out frames of those (7592 of 7720 for training; why is not said), put
into `splits/` as their docs/user_training.md says. `splits/` is preferred: it makes figures comparable to theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prv2_ros.data.dataset_files import (
    ListedFrames,
    depth_of_disparity,
    make_frame,
    pinhole,
    read_lines,
    read_npy,
    read_rgb,
    shorten,
    subfolders,
    unreadable,
    wrong_layout,
)
from prv2_ros.data.frames import Frame
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.camera_file import fit_camera

NAME = "unreal_stereo4k"
SPLITS = ("train", "val", "test", "test_out")
"""`test_out` is scene 8, which no training sees."""

_LISTS = {
    "train": ("splits/train.txt", "filenames/train.txt"),
    "val": ("splits/val.txt", "filenames/val.txt"),
    "test": ("splits/test.txt", "splits/test_in.txt", "filenames/test.txt"),
    "test_out": ("splits/test_out.txt", "filenames/out_test.txt"),
}
_SKY_M = 10_000.0
_SAME_SIZE_PX = 2


@dataclass(frozen=True, kw_only=True)
class UnrealItem:
    """One stereo pair, as a line of a list names it."""

    image: Path
    disparity: Path


def open_unreal_stereo(root: Path, split: str) -> ListedFrames[UnrealItem]:
    """List the left images of a split.

    Raises:
        InputError: no list of the split, a line of another form, or scenes that the list names and the folder lacks.

    """
    path = next((root / name for name in _LISTS[split] if (root / name).is_file()), None)
    if path is None:
        raise wrong_layout(
            root,
            f"the list of split {split!r} in {' or '.join(_LISTS[split])}",
            "copy `filenames/` of github.com/fabiotosi92/SMD-Nets or `splits/u4k/` of PatchFusion as `splits/` there",
        )
    items = [_item(root, path, line) for line in read_lines(path)]
    if not items:
        raise InputError(f"{path}: the list is empty; copy the published one")
    named = {item.disparity.parents[1].name for item in items}
    absent = sorted(named - set(subfolders(root)))
    if absent:
        raise wrong_layout(
            root,
            f"SCENE/Image0, SCENE/Disp0 and SCENE/Extrinsics0 of {path}, and there is no {shorten(absent)}",
            "unpack UnrealStereo4K_NNNNN.zip there, or take the lines of those scenes out of the list",
        )
    return ListedFrames(name=NAME, split=split, items=items, read=read_item, shown=_shown)


def _item(root: Path, path: Path, line: str) -> UnrealItem:
    fields = [field.lstrip("/") for field in line.split()]
    if len(fields) != 4 or "Image0/" not in fields[0] or "Disp0/" not in fields[2]:
        raise InputError(
            f"{path}: line {line!r} is none of left image, right image, left disparity, right disparity "
            "(00000/Image0/00000.png 00000/Image1/00000.png 00000/Disp0/00000.npy 00000/Disp1/00000.npy)"
        )
    return UnrealItem(image=root / fields[0], disparity=root / fields[2])


def _shown(item: UnrealItem) -> tuple[Path, ...]:
    camera = item.disparity.parents[1] / "Extrinsics0" / f"{item.disparity.stem}.txt"
    return item.image, item.image.with_suffix(".raw"), item.image.with_suffix(".jpg"), item.disparity, camera


def read_item(item: UnrealItem) -> Frame:
    """Read the left image, its depth and its camera."""
    disparity_px = read_npy(item.disparity)
    height, width = disparity_px.shape
    scene, stem = item.disparity.parents[1], item.disparity.stem
    left, right = scene / "Extrinsics0" / f"{stem}.txt", scene / "Extrinsics1" / f"{stem}.txt"
    k, x_left_m = _camera_file(left)
    _, x_right_m = _camera_file(right)
    baseline_m = abs(x_left_m - x_right_m)
    if not baseline_m > 0:
        raise InputError(f"{left} and {right}: equal x translations give no baseline; take the frame out of its list")
    camera = _fit(k, width, height, left)
    depth_m = depth_of_disparity(disparity_px, camera.fx, baseline_m)
    depth_m[depth_m >= _SKY_M] = np.inf
    return make_frame(
        name=f"{scene.name}_{stem}",
        kind=scene.name,
        image=_image(item.image, width, height),
        depth_m=depth_m,
        camera=camera,
        source=item.image,
    )


def _camera_file(path: Path) -> tuple[list[float], float]:
    """Nine numbers of K and the x translation of world to camera."""
    lines = read_lines(path)
    try:
        k, pose = ([float(value) for value in line.split()] for line in lines[:2])
    except ValueError as error:
        raise unreadable(path, error) from error
    if len(k) != 9 or len(pose) != 12:
        raise InputError(
            f"{path}: {len(k)} and {len(pose)} numbers in two lines, expected 9 of K and 12 of the pose; fetch it again"
        )
    return k, pose[3]


def _fit(k: list[float], width: int, height: int, path: Path) -> CameraModel:
    """Camera at the size of the disparity. K of a full-size frame beside quarter-size files shows by its centre."""
    written = (round(2 * k[2]), round(2 * k[5]))
    if max(abs(written[0] - width), abs(written[1] - height)) <= _SAME_SIZE_PX:
        written = (width, height)
    camera = pinhole(path, written, fx=k[0], fy=k[4], cx=k[2], cy=k[5])
    try:
        return fit_camera(camera, width, height)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _image(path: Path, width: int, height: int) -> NDArray[np.uint8]:
    raw = path.with_suffix(".raw")
    if path.is_file() or not raw.is_file():
        return read_rgb(path if path.is_file() else path.with_suffix(".jpg"))
    pixels = np.fromfile(raw, np.uint8)
    if pixels.size != height * width * 3:
        raise InputError(
            f"{raw}: {pixels.size} bytes where {height} x {width} x 3 were expected; convert the PNG again"
        )
    return np.ascontiguousarray(pixels.reshape(height, width, 3)[..., ::-1])
