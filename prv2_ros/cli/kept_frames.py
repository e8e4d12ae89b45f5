"""Frames that a folder has already: whether they are what `prv2 synth` was asked for, so that it can keep them."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prv2_ros.data.frames import LOG_STEP, encode_depth, read_camera, read_coded_frame
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel

_WAY_OUT = "give the options that it was made with, another --start or another folder, or remove it"

_SAME_DEPTH = 0.01
"""Depths that differ by less, in logarithm, are the same; and frames in which a smaller share of pixels differs."""


@dataclass(frozen=True, kw_only=True)
class WantedFrame:
    """What the options ask of one frame."""

    size_wh: tuple[int, int]
    """Width and height (px)."""

    kinds: Collection[str]
    """Kinds of scene, one of which it may show."""

    tiles: bool
    """Whether it is the overview of native tiles."""

    tile_scale: float | None = None
    """Resolution of the tiles over its own; None for any."""


def check_kept_frame(path: Path, wanted: WantedFrame) -> None:
    """Refuse a frame that other options have made: its name tells its seed alone.

    Kinds are told apart as far as they were asked for: which of the mixture a seed shows changes with the generator,
    and a folder may have grown over several.

    Args:
        path: JSON file of the frame.
        wanted: what it should be.

    Raises:
        InputError: it is another frame, or cannot be read.

    """
    try:
        camera, kind = read_camera(path), str(json.loads(path.read_text()).get("kind", ""))
        scale = _tile_scale(path, camera)
    except InputError:
        raise  # it names the file already
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"frame {path} cannot be read ({error}): remove it, and it is made again") from error
    width, height = wanted.size_wh
    if (camera.width, camera.height) != (width, height):
        difference = f"has {camera.width}x{camera.height} px where {width}x{height} px are asked for"
    elif kind not in wanted.kinds:
        difference = f"is of kind {kind!r} where {' or '.join(wanted.kinds)} is asked for"
    elif (scale is not None) != wanted.tiles:
        difference = "has no tiles, and --tiles asks for some" if wanted.tiles else "has tiles, which --tiles asks for"
    elif scale and wanted.tile_scale and round(width * scale) != round(width * wanted.tile_scale):
        difference = f"has tiles of scale {scale:.3g} where {wanted.tile_scale:g} is asked for"
    else:
        return
    raise InputError(f"frame {path} is there already, and {difference}: {_WAY_OUT}")


def check_kept_depth(path: Path, depth_m: NDArray[np.float32]) -> None:
    """Refuse a frame of a drive that has another depth: how far a drive goes decides in which lane.

    Edges may lie a pixel elsewhere on another device.

    Args:
        path: JSON file of the frame, which has the size of the depth.
        depth_m: (H, W) what it should be.

    Raises:
        InputError: it is of another drive, or cannot be read.

    """
    step = np.abs(read_coded_frame(path).code.astype(np.int32) - encode_depth(depth_m))
    if (step > _SAME_DEPTH / LOG_STEP).mean() > _SAME_DEPTH:
        raise InputError(
            f"frame {path} is there already, and is of another drive, as --count decides in which lane it goes: "
            f"{_WAY_OUT}"
        )


def _tile_scale(path: Path, camera: CameraModel) -> float | None:
    """Resolution of a frame's tiles over its own; None where it has none."""
    tile = path.with_name(f"{path.stem}-0.json")
    return read_camera(tile).fx / camera.fx if tile.exists() else None
