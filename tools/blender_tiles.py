"""Native-resolution tiles of a frame, for the refiner."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from blender_output import shoot
from frame_files import FAR_M, TILE_PX, TILE_SCALES, write


def busy_corner(depth: np.ndarray, scale: float, rng: random.Random) -> tuple[int, int]:
    """Top left pixel, at `scale` times the frame's resolution, of the one of four tiles with the most depth edges."""
    log_depth = np.log(np.clip(depth, 0.02, FAR_M))
    steps = np.abs(np.diff(log_depth, axis=0, append=log_depth[-1:])) > 0.1
    height, width = depth.shape
    corners = [
        (rng.randint(0, round(width * scale) - TILE_PX), rng.randint(0, round(height * scale) - TILE_PX))
        for _ in range(4)
    ]

    def edges(corner: tuple[int, int]) -> int:
        left, top = (round(x / scale) for x in corner)
        side = round(TILE_PX / scale)
        return int(steps[top : top + side, left : left + side].sum())

    return max(corners, key=edges)


def add_tiles(
    out: Path, name: str, count: int, depth: np.ndarray, meta: dict[str, Any], folder: Path, rng: random.Random
) -> None:
    """Renders native tiles of the frame in place: same camera, same exposure, more pixels, only a window of them."""
    render, (height, width) = bpy.context.scene.render, depth.shape
    scale = rng.choice(TILE_SCALES)
    native_w, native_h = round(width * scale), round(height * scale)
    for k in range(count):
        x, y = busy_corner(depth, scale, rng)
        render.resolution_x, render.resolution_y = native_w, native_h
        render.use_border = render.use_crop_to_border = True
        # Blender cuts fractions down to whole pixels and counts rows from below: aim inside the first and last pixel.
        render.border_min_x, render.border_max_x = (x + 0.1) / native_w, (x + TILE_PX + 0.1) / native_w
        bottom = native_h - y - TILE_PX
        render.border_min_y, render.border_max_y = (bottom + 0.1) / native_h, (bottom + TILE_PX + 0.1) / native_h
        image, tile_depth = shoot(folder, TILE_PX, TILE_PX, None)
        size = {"width": TILE_PX, "height": TILE_PX}
        optics = {"fx": meta["fx"] * scale, "fy": meta["fy"] * scale}
        centre = {"cx": native_w / 2 - 0.5 - x, "cy": native_h / 2 - 0.5 - y}
        write(out, f"{name}-{k}", image, tile_depth, {**meta, **size, **optics, **centre})
    render.use_border = render.use_crop_to_border = False
    render.resolution_x, render.resolution_y = width, height
