"""Training samples of a whole model: the picture at network size and native patches of it.

All in a sample share one flip and one change of colours, so that the patches are parts of that very picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.data.frames import Frame
from prv2_ros.data.tiles import TileScene
from prv2_ros.errors import InputError
from prv2_ros.network.align import network_focal
from prv2_ros.network.coarse_lite import F_CANONICAL_PX
from prv2_ros.network.refiner_realtime import DEPTH_STRIDE
from prv2_ros.training.samples import log_truth, recolour


@dataclass(frozen=True, kw_only=True)
class SceneSample:
    """One picture (h, w) and P patches (H, W) of its native pixels."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB."""

    log_depth: NDArray[np.float32]
    """(h, w) natural log of metres; inf for sky, NaN where unknown."""

    f_px: float
    """Focal length of `image`."""

    patches: NDArray[np.uint8]
    """(P, H, W, 3) RGB."""

    patch_log_depth: NDArray[np.float32]
    """(P, H, W), as `log_depth`."""

    patch_label: NDArray[np.float32]
    """(P, H, W) log depth of the pseudo label; all NaN where there is none."""

    boxes: NDArray[np.float32]
    """(P, 4) left, top, width and height of each patch as shares of the picture's width and height."""

    corners: NDArray[np.int64]
    """(P, 2) x and y of each patch's top left native pixel within the group."""


def scene_sample(
    scene: TileScene,
    size_hw: tuple[int, int],
    patch_hw: tuple[int, int],
    rng: np.random.Generator,
    *,
    patches: str = "single",
    overlap: float = 0.25,
    label_m: NDArray[np.float32] | None = None,
) -> SceneSample:
    """Cut a picture of the size's shape and patches of it out of a scene.

    Args:
        scene: a picture and what is known of its native pixels.
        size_hw: height and width of the picture for the coarse network.
        patch_hw: height and width of a patch.
        rng: decides everything.
        patches: `single`, `pair` or `group`, as in the config.
        overlap: as in the config.
        label_m: pseudo label (m) of a scene whose one tile is the whole picture, at its size.

    Raises:
        InputError: the known native pixels are too few for the patches.

    """
    k = int(rng.integers(len(scene.tiles)))
    tile, box = scene.tiles[k], scene.boxes_xywh()[k]
    scale = scene.native_hw()[1] / scene.overview.camera.width
    corners = _layout(patch_hw, patches, overlap, rng)
    view = _view(scene.overview, size_hw, [side / scale for side in box], rng)
    # Native pixels (x, y, from, to) of the tile that the view shows.
    left, right = (view[0] * scale - box[0], (view[0] + view[2]) * scale - box[0])
    top, bottom = (view[1] * scale - box[1], (view[1] + view[3]) * scale - box[1])
    area_w, area_h = corners[:, 0].max() + patch_hw[1], corners[:, 1].max() + patch_hw[0]
    x = _start(max(0.0, left), min(tile.camera.width, right), int(area_w), tile, rng)
    y = _start(max(0.0, top), min(tile.camera.height, bottom), int(area_h), tile, rng)
    area = slice(y, y + int(area_h)), slice(x, x + int(area_w))
    label = np.full(tile.depth_m.shape, np.nan, np.float32) if label_m is None else label_m
    parts: list[NDArray[Any]] = [tile.image[area], log_truth(tile.depth_m[area]), log_truth(label[area])]
    whole: list[NDArray[Any]] = _picture(scene.overview, view, size_hw)
    from_left, from_top = x - left, y - top
    if rng.uniform() < 0.5:
        parts, whole = [part[:, ::-1] for part in parts], [part[:, ::-1] for part in whole]
        corners[:, 0] = int(area_w) - corners[:, 0] - patch_hw[1]
        from_left = right - left - int(area_w) - from_left
    colours = int(rng.integers(2**40))
    whole[0], parts[0] = (_recoloured(part, colours) for part in (whole[0], parts[0]))
    cut = [np.stack([part[v : v + patch_hw[0], u : u + patch_hw[1]] for u, v in corners]) for part in parts]
    start = (corners + [from_left, from_top]) / [right - left, bottom - top]
    share = np.broadcast_to([patch_hw[1] / (right - left), patch_hw[0] / (bottom - top)], start.shape)
    return SceneSample(
        image=whole[0],
        log_depth=np.ascontiguousarray(whole[1]),
        f_px=network_focal(scene.overview.camera.fx, scene.overview.camera.fy, (view[3], view[2]), size_hw),
        patches=cut[0],
        patch_log_depth=cut[1],
        patch_label=cut[2],
        boxes=np.concatenate([start, share], 1).astype(np.float32),
        corners=corners,
    )


def native_sample(
    scene: TileScene, size_hw: tuple[int, int], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Cut a window of native pixels with its log depth for the canonical camera, which its pixels alone can tell.

    Raises:
        InputError: the scene's tile is smaller than the window.

    """
    tile = scene.tiles[int(rng.integers(len(scene.tiles)))]
    h, w = size_hw
    y, x = (_start(0, side, n, tile, rng) for side, n in zip(tile.depth_m.shape, (h, w), strict=True))
    image: NDArray[Any] = tile.image[y : y + h, x : x + w]
    log_depth: NDArray[Any] = log_truth(tile.depth_m[y : y + h, x : x + w])
    if rng.uniform() < 0.5:
        image, log_depth = image[:, ::-1], log_depth[:, ::-1]
    f_px = network_focal(tile.camera.fx, tile.camera.fy, size_hw, size_hw)
    canonical = log_depth - np.float32(math.log(f_px / F_CANONICAL_PX))
    return recolour(np.ascontiguousarray(image), rng), np.ascontiguousarray(canonical)


def _layout(patch_hw: tuple[int, int], patches: str, overlap: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Corners (P, 2) of the patches of a group, x and y, the least of each 0."""
    h, w = patch_hw
    # Whole cells, so that features can be compared, too.
    step_x, step_y = (DEPTH_STRIDE * round(side * (1 - overlap) / DEPTH_STRIDE) for side in (w, h))
    corners = [[0, 0]]
    if patches == "pair":
        corners.append([DEPTH_STRIDE * int(rng.integers(-n, n + 1) // DEPTH_STRIDE) for n in (step_x, step_y)])
    elif patches == "group":
        corners = [[0, 0], [step_x, 0], [0, step_y], [step_x, step_y]]
    found = np.asarray(corners, np.int64)
    return np.asarray(found - found.min(0), np.int64)


def _view(
    frame: Frame, size_hw: tuple[int, int], tile_xywh: list[float], rng: np.random.Generator
) -> tuple[int, int, int, int]:
    """Largest window (left, top, width, height) of the size's shape: near the axis, and showing the tile if it can."""
    height, width = frame.depth_m.shape
    largest = min(width / size_hw[1], height / size_hw[0])
    sides = round(size_hw[1] * largest), round(size_hw[0] * largest)
    start = []
    for side, length, first, extent in zip(sides, (width, height), tile_xywh[:2], tile_xywh[2:], strict=True):
        near_axis = round((length - side) / 2 + rng.normal(0, 0.06) * length)
        low, high = max(0, math.ceil(first + extent - side)), min(length - side, math.floor(first))
        if low > high:  # the tile is larger than the window
            low, high = 0, length - side
        start.append(int(np.clip(near_axis, low, high)))
    return start[0], start[1], sides[0], sides[1]


def _start(first: float, last: float, length: int, tile: Frame, rng: np.random.Generator) -> int:
    """Draw where `length` pixels begin between `first` and `last`."""
    low, high = math.ceil(first - 1e-6), math.floor(last + 1e-6) - length
    if low > high:
        raise InputError(
            f"frame {tile.name} of {tile.camera.width}x{tile.camera.height}: the patches need {length} px of the "
            f"{math.floor(last - first)} px there are; give larger pictures, smaller patches or less of a group"
        )
    return int(rng.integers(low, high + 1))


def _picture(frame: Frame, view: tuple[int, int, int, int], size_hw: tuple[int, int]) -> list[NDArray[Any]]:
    x, y, w, h = view
    size = (size_hw[1], size_hw[0])
    mode = cv2.INTER_AREA if w > size_hw[1] else cv2.INTER_LINEAR
    image = cv2.resize(frame.image[y : y + h, x : x + w], size, interpolation=mode)
    depth = cv2.resize(frame.depth_m[y : y + h, x : x + w], size, interpolation=cv2.INTER_NEAREST_EXACT)
    return [image, log_truth(np.asarray(depth, np.float32))]


def _recoloured(image: NDArray[Any], seed: int) -> NDArray[np.uint8]:
    return recolour(np.ascontiguousarray(image), np.random.default_rng(seed))
