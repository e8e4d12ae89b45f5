"""Files of rendered frames: how they are written, and which views of a scene are missing. Blender is not needed."""

from __future__ import annotations

import itertools
import json
import math
import os
from pathlib import Path

import cv2
import numpy as np

FAR_M = 500.0
LOG_STEP = math.log(1.00018)

MOST_VIEWS = 100
"""Of a scene: frame number = seed * 100 + view."""

ASPECTS = (16 / 9, 4 / 3, 1.5, 16 / 9)
"""Width over height of pictures, drawn alike."""

TILE_PX = 256
TILE_SCALES = (1.25, 1.5, 2.0, 3.0, 4.0)
"""Native resolution of tiles over the frame's."""


def height_of(width: int, aspect: float) -> int:
    """Height (px) of a picture: even."""
    return round(width / aspect / 2) * 2


def check(views: int, width: int, tiles: int) -> None:
    """Refuse what frames cannot be named or cut by.

    Raises:
        ValueError: tells what would do.
    """
    if not 1 <= views <= MOST_VIEWS:
        raise ValueError(f"--views {views}: give 1 to {MOST_VIEWS}; further frames would have the next scene's names")
    least = next(w for w in itertools.count(TILE_PX // 4) if _holds_a_tile(w))
    if tiles and width < least:
        raise ValueError(f"--width-max {width}: pictures with tiles must be {least} px wide or more")


def _holds_a_tile(width: int) -> bool:
    """Whether the widest picture of this width has the height of a tile at the lowest scale; its width it has then."""
    return round(height_of(width, max(ASPECTS)) * min(TILE_SCALES)) >= TILE_PX


def frame_name(seed: int, view: int) -> str:
    """Name of a frame's files before their endings."""
    return f"{seed * MOST_VIEWS + view:05d}"


def missing_views(out: Path, seed: int, views: int, tiles: int) -> list[int]:
    """Views that lack the JSON of the frame or of a tile, unless the scene's marker says that all were tried.

    A view that shows little but what is too near leaves no file: the marker keeps it from being rendered each time.
    """
    try:
        tried = json.loads(_marker(out, seed).read_text())
    except (FileNotFoundError, json.JSONDecodeError):  # none yet, or the empty one of an earlier version
        tried = {"views": 0, "tiles": 0}
    if tried["views"] >= views and tried["tiles"] >= tiles:
        return []
    names = {view: frame_name(seed, view) for view in range(views)}
    wanted = {view: [name, *(f"{name}-{k}" for k in range(tiles))] for view, name in names.items()}
    return [view for view, files in wanted.items() if not all((out / f"{name}.json").exists() for name in files)]


def mark_tried(out: Path, seed: int, views: int, tiles: int) -> None:
    """Note that so many views of a scene were rendered, with so many tiles each."""
    _marker(out, seed).write_text(json.dumps({"views": views, "tiles": tiles}))


def _marker(out: Path, seed: int) -> Path:
    return out / f".scene{seed}"


def encode(depth: np.ndarray) -> np.ndarray:
    """Logarithmic uint16 code, 0 for sky, 65535 for what is too near to be known."""
    code = np.clip(np.round(np.log(np.clip(depth, 0.1, None) / 0.1) / LOG_STEP), 1, 65534)
    return np.where(depth < FAR_M, np.where(depth > 0.02, code, 65535), 0).astype(np.uint16)


def write(out: Path, name: str, image: np.ndarray, depth: np.ndarray, meta: dict[str, object]) -> None:
    """Write the three files of a frame, each whole; the JSON comes last, so that a frame with one is whole."""
    packed = cv2.imencode(".png", encode(depth), [cv2.IMWRITE_PNG_COMPRESSION, 6])[1].tobytes()
    quality = 75 + int(name.partition("-")[0]) * 7919 % 21
    photo = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    for suffix, content in (("_depth.png", packed), (".jpg", photo), (".json", json.dumps(meta).encode())):
        part = out / f".{name}{suffix}.part"
        part.write_bytes(content)
        os.replace(part, out / f"{name}{suffix}")


def read_picture(path: Path) -> np.ndarray:
    """BGR picture (H, W, 3) that Blender has saved.

    Raises:
        OSError: it is missing or cannot be read.
    """
    image = cv2.imread(str(path))
    if image is None:
        raise OSError(f"picture {path} cannot be read")
    return image
