"""From a finished render to the three files of a frame."""

from __future__ import annotations

import json
import math
import os
import random
from pathlib import Path

import bpy
import cv2
import numpy as np

FAR_M = 500.0
LOG_STEP = math.log(1.00018)


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


def encode(depth: np.ndarray) -> np.ndarray:
    """Logarithmic uint16 code, 0 for sky."""
    valid = (depth > 0.02) & (depth < FAR_M)
    code = np.round(np.log(np.clip(depth, 0.1, None) / 0.1) / LOG_STEP)
    return np.where(valid, np.clip(code, 1, 65535), 0).astype(np.uint16)


def write(out: Path, name: str, image: np.ndarray, depth: np.ndarray, meta: dict[str, object]) -> None:
    """Writes the three files whole; the picture last, so that it marks a finished frame."""
    packed = cv2.imencode(".png", encode(depth), [cv2.IMWRITE_PNG_COMPRESSION, 6])[1].tobytes()
    quality = 75 + int(name.partition("-")[0]) * 7919 % 21
    photo = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
    for suffix, content in (("_depth.png", packed), (".json", json.dumps(meta).encode()), (".jpg", photo)):
        part = out / f".{name}{suffix}.part"
        part.write_bytes(content)
        os.replace(part, out / f"{name}{suffix}")


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
    return cv2.imread(str(shown)), depth
