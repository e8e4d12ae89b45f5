"""Cityscapes: street photographs of 2048x1024 px with the disparity of semi-global matching.

Source: Cordts et al., CVPR 2016; layout, coding and splits from the README of the official scripts
(github.com/mcordts/cityscapesScripts), the camera files from its docs/csCalibration.pdf. Facts:

- `leftImg8bit/SPLIT/CITY/CITY_SSSSSS_FFFFFF_leftImg8bit.png`; beside `leftImg8bit`, `disparity` (16-bit PNG) and
  `camera` (JSON) have the same folders and names that end in `_disparity.png` and `_camera.json`.
- Code p is disparity (p - 1) / 256 px; p = 0 is invalid. Code 1, no disparity at all, has no finite depth either:
  both are NaN here, for a matcher that finds no disparity has not seen sky.
- Depth along z is intrinsic.fx times extrinsic.baseline over disparity, as PatchRefiner computes it (the PDF does not
  mention the baseline; the other lengths in the file are metres). u0, v0 count from "the top-left image pixel".
- The truth is an estimate: wrong on the own bonnet and at the borders. PatchRefiner takes out the lower quarter and a
  sixteenth at each side; that is left to whoever trains or scores.

Splits are folders: train (2975), val (500), test (1525, whose disparity is public) and train_extra (19998), which may
lie in `extra/` as PatchRefiner has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prv2_ros.data.dataset_files import (
    ListedFrames,
    depth_of_disparity,
    files_by_stem,
    make_frame,
    pinhole,
    read_json,
    read_png16,
    read_rgb,
    shorten,
    subfolders,
    wrong_layout,
)
from prv2_ros.data.frames import Frame
from prv2_ros.errors import InputError

NAME = "cityscapes"
SPLITS = ("train", "val", "test", "train_extra")

_IMAGE, _DISPARITY, _CAMERA = "_leftImg8bit.png", "_disparity.png", "_camera.json"


@dataclass(frozen=True, kw_only=True)
class CityItem:
    """One image and the files beside it."""

    image: Path
    disparity: Path
    camera: Path


def open_cityscapes(root: Path, split: str) -> ListedFrames[CityItem]:
    """List the images of a split, city by city.

    Raises:
        InputError: the split's folders are not there, or images have no disparity or camera file.

    """
    extra = root / "extra"
    base = extra if split == "train_extra" and (extra / "leftImg8bit" / split).is_dir() else root
    kit = "trainextra" if split == "train_extra" else "trainvaltest"
    items: list[CityItem] = []
    for city in subfolders(base / "leftImg8bit" / split):
        images = files_by_stem(base / "leftImg8bit" / split / city, _IMAGE)
        disparities = files_by_stem(base / "disparity" / split / city, _DISPARITY)
        cameras = files_by_stem(base / "camera" / split / city, _CAMERA)
        for what, found in (("disparity", disparities), ("camera", cameras)):
            absent = sorted(images.keys() - found.keys())
            if absent:
                ending = _DISPARITY if what == "disparity" else _CAMERA
                raise wrong_layout(
                    base / what / split / city,
                    f"{shorten([stem + ending for stem in absent])} of the images in leftImg8bit/{split}/{city}",
                    f"unpack {what}_{kit}.zip beside leftImg8bit",
                )
        items += [CityItem(image=images[stem], disparity=disparities[stem], camera=cameras[stem]) for stem in images]
    if not items:
        raise wrong_layout(
            root,
            f"leftImg8bit/{split}/CITY/*{_IMAGE}, disparity/{split}/CITY/*{_DISPARITY} and "
            f"camera/{split}/CITY/*{_CAMERA}",
            f"unpack leftImg8bit_{kit}.zip, disparity_{kit}.zip and camera_{kit}.zip there",
        )
    return ListedFrames(name=NAME, split=split, items=items, read=read_item, shown=_shown)


def _shown(item: CityItem) -> tuple[Path, ...]:
    return (item.image, item.camera)


def read_item(item: CityItem) -> Frame:
    """Read one image, its camera and the depth of its disparity."""
    image = read_rgb(item.image)
    content = read_json(item.camera)
    try:
        intrinsic = content["intrinsic"]
        fx, fy, cx, cy = (float(intrinsic[key]) for key in ("fx", "fy", "u0", "v0"))
        baseline_m = float(content["extrinsic"]["baseline"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{item.camera}: looked for intrinsic.fx, fy, u0, v0 and extrinsic.baseline; fetch it again"
        ) from error
    height, width = image.shape[:2]
    disparity_px = (read_png16(item.disparity).astype(np.float64) - 1) / 256
    return make_frame(
        name=item.image.name.removesuffix(_IMAGE),
        kind=item.image.parent.name,
        image=image,
        depth_m=depth_of_disparity(disparity_px, fx, baseline_m),
        camera=pinhole(item.camera, (width, height), fx=fx, fy=fy, cx=cx, cy=cy),
        source=item.image,
    )
