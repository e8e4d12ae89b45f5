"""From a finished render to a picture and its depth."""

from __future__ import annotations

import math
import random
from pathlib import Path

import bpy
import numpy as np
from frame_files import read_picture


def read_exr(path: Path, width: int, height: int) -> np.ndarray:
    """Float32 (height, width, 4), top row first."""
    image = bpy.data.images.load(str(path))
    pixels = np.empty(width * height * 4, np.float32)
    image.pixels.foreach_get(pixels)
    bpy.data.images.remove(image)
    path.unlink()
    return pixels.reshape(height, width, 4)[::-1]


def expose(linear: np.ndarray, rng: random.Random) -> None:
    """View transform and exposure about the picture's mean brightness, a bit over or under at random."""
    view = bpy.context.scene.view_settings
    view.view_transform = rng.choice(["AgX", "Filmic", "Standard"])
    level = float(np.exp(np.log(linear[..., :3].mean(2) + 1e-4).mean()))
    aim = {"AgX": 0.16, "Filmic": 0.16, "Standard": 0.2}[view.view_transform]
    view.exposure = max(-9.0, min(9.0, math.log2(aim / level) + rng.gauss(0, 0.55)))


def shoot(folder: Path, width: int, height: int, rng: random.Random | None) -> tuple[np.ndarray, np.ndarray]:
    """Renders; BGR picture and depth (m), both (height, width). Without `rng` the exposure stays as it was."""
    bpy.ops.render.render()
    depth = read_exr(next(folder.glob("depth*.exr")), width, height)[..., 0]
    linear = read_exr(next(folder.glob("linear*.exr")), width, height)
    if rng is not None:
        expose(linear, rng)
    shown = folder / "shown.png"
    bpy.context.scene.render.image_settings.file_format = "PNG"
    bpy.data.images["Render Result"].save_render(str(shown))
    return read_picture(shown), depth
