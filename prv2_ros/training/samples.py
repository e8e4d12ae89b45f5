"""From frames to training samples: crops, zooms and colour changes that keep the geometry true."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.data.frames import Frame
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.network.align import network_focal
from prv2_ros.network.refiner_realtime import DEPTH_STRIDE, FEATURE_STRIDE
from prv2_ros.training.coarse_maps import CoarseTile

F_RANGE_PX = (180.0, 1150.0)
"""Focal lengths at network size that inference meets: 30 to 110 degrees at about 640 px, and smaller frames."""

_CLOSER = (math.log(1.2), math.log(2.4))
_ENLARGED = 1.4


@dataclass(frozen=True, kw_only=True)
class CoarseSample:
    """One training image of the coarse network."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""

    log_depth: NDArray[np.float32]
    """(H, W) natural log of metres; inf for sky."""

    f_px: float


def log_truth(depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log depth with the sky kept infinite and whatever is not positive NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(depth_m > 0, np.log(depth_m), np.nan).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class Window:
    """Part of a picture that becomes a training image."""

    x: int
    """Left column (px)."""

    y: int
    """Top row (px)."""

    width: int
    height: int


def draw_window(camera: CameraModel, size_hw: tuple[int, int], rng: np.random.Generator) -> Window:
    """Draw a window of the size's shape.

    It is as large as fits or smaller: a crop is what a longer lens sees, as its focal length says.
    """
    width, height = camera.width, camera.height
    out_h, out_w = size_hw
    largest = min(width / out_w, height / out_h)
    shrink = 1.0 if rng.uniform() < 0.5 else math.exp(rng.uniform(math.log(0.55), 0))
    f_full = math.sqrt(camera.fx * camera.fy) / largest  # at the output's size when the window is the largest
    shrink = min(1.0, max(shrink, f_full / F_RANGE_PX[1]))
    w, h = max(1, round(out_w * largest * shrink)), max(1, round(out_h * largest * shrink))
    # Windows stay near the optical axis: the network takes the image centre for the principal point.
    x = int(np.clip(round((width - w) / 2 + rng.normal(0, 0.06) * width), 0, width - w))
    y = int(np.clip(round((height - h) / 2 + rng.normal(0, 0.06) * height), 0, height - h))
    return Window(x=x, y=y, width=w, height=h)


def draw_close_window(camera: CameraModel, size_hw: tuple[int, int], rng: np.random.Generator) -> Window:
    """Draw a window as the closer look at what is far shows such a part: 1.2 to 2.4 times as close as the largest.

    A window whose pixels are few is shown at no more than 1.4 times their number along an axis, and the whole picture
    where it has no more: larger, there is nothing new to see. Its middle lies anywhere across, and at about half the
    height, where the horizon is.
    """
    width, height = camera.width, camera.height
    out_h, out_w = size_hw
    largest = min(width / out_w, height / out_h)
    scale = min(largest, max(largest * math.exp(-rng.uniform(*_CLOSER)), 1 / _ENLARGED))
    w, h = max(1, round(out_w * scale)), max(1, round(out_h * scale))
    x = int(rng.integers(0, width - w + 1))
    y = int(np.clip(round((height - h) / 2 + rng.normal(0, 0.1) * height), 0, height - h))
    return Window(x=x, y=y, width=w, height=h)


def window_drawer(*, close: bool) -> Callable[[CameraModel, tuple[int, int], np.random.Generator], Window]:
    """Give what draws the windows: `draw_close_window` for stage `far`, else `draw_window`."""
    return draw_close_window if close else draw_window


def coarse_sample(
    frame: Frame, size_hw: tuple[int, int], rng: np.random.Generator, *, close: bool = False
) -> CoarseSample:
    """Cut a window of the size's shape out of a frame, resize it, flip and recolour it; `close` as stage `far` does."""
    out_h, out_w = size_hw
    window = window_drawer(close=close)(frame.camera, size_hw, rng)
    area = slice(window.y, window.y + window.height), slice(window.x, window.x + window.width)
    image: NDArray[Any]
    depth: NDArray[Any]
    image, depth = frame.image[area], frame.depth_m[area]
    shrinking = window.width > out_w
    image = cv2.resize(image, (out_w, out_h), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    depth = cv2.resize(depth, (out_w, out_h), interpolation=cv2.INTER_NEAREST_EXACT)
    if rng.uniform() < 0.5:
        image, depth = image[:, ::-1], depth[:, ::-1]
    return CoarseSample(
        image=recolour(np.ascontiguousarray(image), rng),
        log_depth=log_truth(np.ascontiguousarray(depth)),
        f_px=window_focal(frame.camera, window, size_hw),
    )


def window_focal(camera: CameraModel, window: Window, size_hw: tuple[int, int]) -> float:
    """Focal length (px) of a window that is resized to (h, w), as inference tells the network that of a picture."""
    return network_focal(camera.fx, camera.fy, (window.height, window.width), size_hw)


@dataclass(frozen=True, kw_only=True)
class TileSample:
    """One training window of the refiner, of (h, w) px."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB."""

    log_depth: NDArray[np.float32]
    """(h, w) natural log of metres; inf for sky."""

    log_coarse: NDArray[np.float32]
    """(h / 4, w / 4) what the coarse network says."""

    log_scale: NDArray[np.float32]
    """(h / 4, w / 4) natural log of the error that it expects."""

    features: NDArray[np.float32]
    """(C, h / 8, w / 8) its features."""


def tile_sample(tile: Frame, coarse: CoarseTile, size_hw: tuple[int, int], rng: np.random.Generator) -> TileSample:
    """Cut a window out of a tile and its coarse maps; flip, recolour, and move the coarse depth's scale."""
    height, width = tile.depth_m.shape
    h, w = min(size_hw[0], height), min(size_hw[1], width)
    v, u = (int(rng.integers(0, (n - m) // FEATURE_STRIDE + 1)) for n, m in ((height, h), (width, w)))
    y, x = v * FEATURE_STRIDE, u * FEATURE_STRIDE
    image: NDArray[Any] = tile.image[y : y + h, x : x + w]
    log_depth: NDArray[Any] = log_truth(tile.depth_m[y : y + h, x : x + w])
    cells = tuple(slice(n // DEPTH_STRIDE, (n + m) // DEPTH_STRIDE) for n, m in ((y, h), (x, w)))
    # What the refiner mends does not depend on the scale of the whole, which the coarse network gets wrong anyway.
    log_coarse: NDArray[Any] = coarse.log_depth[cells] + np.float32(rng.normal(0, 0.15))
    log_scale: NDArray[Any] = coarse.log_scale[cells]
    features: NDArray[Any] = coarse.features[:, v : v + h // FEATURE_STRIDE, u : u + w // FEATURE_STRIDE]
    if rng.uniform() < 0.5:
        image, features = image[:, ::-1], features[..., ::-1]
        log_depth, log_coarse, log_scale = log_depth[:, ::-1], log_coarse[:, ::-1], log_scale[:, ::-1]
    return TileSample(
        image=recolour(np.ascontiguousarray(image), rng),
        log_depth=np.ascontiguousarray(log_depth),
        log_coarse=np.ascontiguousarray(log_coarse, np.float32),
        log_scale=np.ascontiguousarray(log_scale),
        features=np.ascontiguousarray(features),
    )


@dataclass(frozen=True, kw_only=True)
class ColourChange:
    """What a camera and its settings do to a picture's colours and sharpness; the defaults do nothing."""

    gain: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gamma: float = 1.0
    contrast: float = 1.0
    """Around half of full scale."""

    saturation: float = 1.0
    """0 is grey, and more than 1 more colour."""

    order: tuple[int, int, int] = (0, 1, 2)
    """Which channel each becomes."""

    blur_px: float = 0.0
    noise: float = 0.0
    """Standard deviation, of 255."""


def draw_colour_change(rng: np.random.Generator) -> ColourChange:
    """Draw brightness, contrast, colour and sharpness; a quarter of all pictures stay as they are."""
    if rng.uniform() < 0.25:
        return ColourChange()
    gain = np.exp(rng.normal(0, 0.08, 3)) * math.exp(rng.normal(0, 0.18))
    gamma, contrast = math.exp(rng.normal(0, 0.2)), math.exp(rng.normal(0, 0.15))
    saturation, order = 1.0, (0, 1, 2)
    if rng.uniform() < 0.6:  # towards or away from grey
        saturation = 0.0 if rng.uniform() < 0.12 else math.exp(rng.normal(0, 0.35))
    if rng.uniform() < 0.15:  # turned in hue
        first, second, third = rng.permutation(3).tolist()
        order = (first, second, third)
    return ColourChange(
        gain=(float(gain[0]), float(gain[1]), float(gain[2])),
        gamma=gamma,
        contrast=contrast,
        saturation=saturation,
        order=order,
        blur_px=rng.uniform(0.3, 1.2) if rng.uniform() < 0.2 else 0.0,
        noise=rng.exponential(4.0) + 0.5 if rng.uniform() < 0.25 else 0.0,
    )


def recolour(image: NDArray[Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Change brightness, contrast, colour and sharpness as cameras and their settings do."""
    change = draw_colour_change(rng)
    if change == ColourChange():
        return image
    table = np.arange(256)[:, None] / 255.0 * np.asarray(change.gain)
    table = np.clip(table, 0, 1) ** change.gamma
    table = np.clip(0.5 + (table - 0.5) * change.contrast, 0, 1)
    image = cv2.LUT(image, np.rint(table * 255).astype(np.uint8)[:, None, :])
    if change.saturation != 1:
        grey = image.mean(-1, keepdims=True)
        image = np.clip(grey + change.saturation * (image - grey), 0, 255).astype(np.uint8)
    if change.order != (0, 1, 2):
        image = np.ascontiguousarray(image[..., change.order])
    if change.blur_px:
        image = cv2.GaussianBlur(image, (0, 0), change.blur_px)
    if change.noise:
        noise = rng.normal(0, change.noise, image.shape)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(image)
