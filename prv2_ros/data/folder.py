"""Plain folders: images, depth and one camera, for data of one's own; and the project's own format.

`folder`: `images/NAME.{png,jpg,jpeg}`, `depth/NAME.{npy,png,exr}` and one camera for all of them, `camera.yaml`,
`camera.yml` or `camera.json`. These three lie in the folder itself (split `all`) or in its subfolders `train`, `val`
and `test`.

- Depth is along z. `.npy` (floats) and `.exr` (one float channel) hold metres, with 0 or NaN for unknown and inf for
  sky; `.png` holds 16-bit millimetres, 0 for unknown, as ROS depth images of encoding 16UC1 do (REP-118).
- The camera is what `prv2 predict --camera-info` reads: the YAML of camera_calibration, a CameraInfo message, either as
  JSON, or a flat table of width, height, fx, fy, cx, cy. The calibration of another size of the same shape is scaled.
  Depth and image are those of the camera as it is; a distorted one is rectified here.

`frames`: the format of prv2_ros.data.frames, which `prv2 synth` writes; tiles (NAME-K.json) are left out, for they are
parts of an image.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prv2_ros.data.dataset_files import (
    ListedFrames,
    files_by_stem,
    known_depth,
    make_frame,
    read_npy_metres,
    read_png16,
    read_rgb,
    shorten,
    wrong_layout,
)
from prv2_ros.data.exr import read_exr
from prv2_ros.data.frames import Frame, list_pictures, picture_files, read_frame
from prv2_ros.data.rectify import rectify
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera_file import fit_camera, read_camera_info

NAME = "folder"
SPLITS = ("all", "train", "val", "test")

FRAMES_NAME = "frames"
FRAMES_SPLITS = ("all",)

_IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")
_CAMERA_FILES = ("camera.yaml", "camera.yml", "camera.json")


def _read_millimetres(path: Path) -> NDArray[np.float32]:
    return np.asarray(read_png16(path) / np.float32(1000), np.float32)


_DEPTH_READERS: dict[str, Callable[[Path], NDArray[np.float32]]] = {
    ".npy": read_npy_metres,
    ".png": _read_millimetres,
    ".exr": read_exr,
}


@dataclass(frozen=True, kw_only=True)
class FolderItem:
    """One image with its depth and the camera of its folder."""

    image: Path
    depth: Path
    camera: Path


def open_folder(root: Path, split: str) -> ListedFrames[FolderItem]:
    """List the images of a split.

    Raises:
        InputError: there are no images or no camera, or images without depth.

    """
    folder = root if split == "all" else root / split
    images = files_by_stem(folder / "images", _IMAGE_ENDINGS)
    camera = next((folder / name for name in _CAMERA_FILES if (folder / name).is_file()), None)
    if not images or camera is None:
        parts = [name for name in SPLITS[1:] if split == "all" and (root / name / "images").is_dir()]
        raise wrong_layout(
            folder,
            f"images/NAME{{{','.join(_IMAGE_ENDINGS)}}}, depth/NAME{{{','.join(_DEPTH_READERS)}}} and one of "
            f"{', '.join(_CAMERA_FILES)}",
            f"name a split: {', '.join(parts)}" if parts else "put them there",
        )
    depths = files_by_stem(folder / "depth", tuple(_DEPTH_READERS))
    absent = sorted(images.keys() - depths.keys())
    if absent:
        raise wrong_layout(
            folder / "depth",
            f"depth of {shorten(absent)} ({len(absent)} of {len(images)} images) as {', '.join(_DEPTH_READERS)}",
            "add it, or take those images out",
        )
    items = [FolderItem(image=images[stem], depth=depths[stem], camera=camera) for stem in images]
    return ListedFrames(name=NAME, split=split, items=items, read=read_item, shown=_shown)


def _shown(item: FolderItem) -> tuple[Path, ...]:
    return (item.image, item.camera)


def read_item(item: FolderItem) -> Frame:
    """Read one image with its depth, rectified."""
    image = read_rgb(item.image)
    height, width = image.shape[:2]
    depth_m = _DEPTH_READERS[item.depth.suffix.lower()](item.depth)
    try:
        camera = fit_camera(read_camera_info(item.camera), width, height)
    except InputError as error:
        raise InputError(f"{item.image}: {error}") from error
    frame = make_frame(
        name=item.image.stem,
        kind=item.camera.parent.name,
        image=image,
        depth_m=known_depth(depth_m),
        camera=camera,
        source=item.image,
    )
    return rectify(frame)


def open_frames(root: Path, split: str) -> ListedFrames[Path]:
    """List the frames of a folder that `prv2 synth` wrote.

    Raises:
        InputError: the folder is missing or has no frames.

    """
    return ListedFrames(name=FRAMES_NAME, split=split, items=list_pictures(root), read=read_frame, shown=picture_files)
