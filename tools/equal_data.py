"""Windows of tile scenes, and what a frozen `coarse_lite` says under them, for tools/equal_training.py.

Every network gets the same windows in the same order, and all that it sees of the coarse network comes from one pass.

Shapes: B windows of H x W native px, h and w of a coarse map, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.ops import roi_align

from prv2_ros.data.frames import Frame, list_frames, read_camera, read_frame
from prv2_ros.data.tiles import TileScene
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.network.align import crop_aligned
from prv2_ros.network.coarse_lite import CoarseLite
from prv2_ros.network.refiner_realtime import DEPTH_STRIDE, FEATURE_STRIDE
from prv2_ros.training.samples import log_truth, recolour

STRIDES = (32, 16, 8, 4, 2, 1)
"""Strides of the six coarse maps that the published refiner wants, lowest resolution first."""

_STEP_PX = 8  # windows begin where the coarse features of a tile have a cell
_SCALE_SPREAD = 0.15  # as prv2_ros.training.samples.tile_sample: the scale of the whole is not the refiner's to mend


@dataclass(frozen=True, kw_only=True)
class Window:
    """Native pixels of a scene with their truth, and the overview that they are a part of."""

    overview: NDArray[np.uint8]
    """(h, w, 3) RGB, the whole picture at network size."""

    f_px: float
    """Focal length of `overview`."""

    box_xywh: tuple[float, float, float, float]
    """Left, top, width and height in pixels of `overview` (edges)."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""

    log_depth: NDArray[np.float32]
    """(H, W) natural log of metres; inf for sky."""

    flip: bool = False
    """Whether `image` and `log_depth` are mirrored; box and overview are not."""

    log_shift: float = 0.0
    """What is added to the coarse log depth."""


class Windows(Dataset[Window]):
    """Training windows: the n-th follows from the seed and n alone, whoever asks and wherever a run was stopped."""

    def __init__(self, folders: Sequence[Path], window_px: int, seed: int) -> None:
        """List the tiles.

        Raises:
            InputError: a folder that is missing or has no tile scenes, or a tile smaller than the windows.

        """
        self.tiles = [tile for folder in folders for tile in list_tiles(folder)]
        check_sizes(self.tiles, window_px)
        self.window_px, self.seed = window_px, seed

    def __getitem__(self, n: int) -> Window:
        rng = np.random.default_rng([self.seed, n])
        scene = read_tile(self.tiles[int(rng.integers(len(self.tiles)))])
        room = [(side - self.window_px) // _STEP_PX for side in scene.tiles[0].depth_m.shape]
        y, x = (_STEP_PX * int(rng.integers(most + 1)) for most in room)
        window = cut(scene, x, y, self.window_px)
        flip = bool(rng.uniform() < 0.5)
        step = -1 if flip else 1
        return Window(
            overview=window.overview,
            f_px=window.f_px,
            box_xywh=window.box_xywh,
            image=recolour(np.ascontiguousarray(window.image[:, ::step]), rng),
            log_depth=np.ascontiguousarray(window.log_depth[:, ::step]),
            flip=flip,
            log_shift=float(rng.normal(0, _SCALE_SPREAD)),
        )


def list_tiles(folder: Path) -> list[Path]:
    """JSON files of the tiles of all whole scenes in a folder that `prv2 synth --tiles` wrote.

    A scene whose overview is missing was cut short while its tiles were written; it is left out.

    Raises:
        InputError: it holds none.

    """
    names = {path.stem: path for path in list_frames(folder)}
    tiles = [path for name, path in names.items() if "-" in name and scene_of(path) in names]
    if not tiles:
        raise InputError(f"no tiles in {folder}: write them with `prv2 synth --tiles`")
    return tiles


def check_sizes(tiles: Sequence[Path], window_px: int) -> None:
    """Refuse windows that do not fit, before hours of training rather than after.

    Raises:
        InputError: names a tile that is smaller.

    """
    for tile in tiles:
        _check_size(tile.stem, read_camera(tile), window_px)


def _check_size(name: str, camera: CameraModel, window_px: int) -> None:
    if min(camera.height, camera.width) < window_px:
        raise InputError(f"tile {name} of {camera.width}x{camera.height} px is smaller than windows of {window_px} px")


def check_apart(data: Sequence[str], held_aside: Path) -> None:
    """Refuse scenes that are both learned from and measured on.

    Raises:
        InputError: names one.

    """
    measured = {scene_of(tile) for tile in list_tiles(held_aside)}
    both = sorted(measured & {scene_of(tile) for folder in data for tile in list_tiles(Path(folder))})
    if both:
        raise InputError(f"scene {both[0]} is in {held_aside} and in the training data: give scenes of other seeds")


def scene_of(tile: Path) -> str:
    """Name of the scene that a tile belongs to."""
    return tile.stem.partition("-")[0]


def read_tile(path: Path) -> TileScene:
    """Read one tile and the overview of its scene."""
    return TileScene(overview=read_frame(path.with_name(f"{scene_of(path)}.json")), tiles=(read_frame(path),))


def cut(scene: TileScene, x: int, y: int, window_px: int) -> Window:
    """Cut the window with its top left pixel at (x, y) of the scene's only tile.

    Raises:
        InputError: the tile is smaller than the window.

    """
    tile: Frame = scene.tiles[0]
    _check_size(tile.name, tile.camera, window_px)
    native_h, native_w = scene.native_hw()
    camera = scene.overview.camera
    to_x, to_y = camera.width / native_w, camera.height / native_h
    left, top, _, _ = scene.boxes_xywh()[0]
    area = slice(y, y + window_px), slice(x, x + window_px)
    return Window(
        overview=scene.overview.image,
        f_px=math.sqrt(camera.fx * camera.fy),
        box_xywh=((left + x) * to_x, (top + y) * to_y, window_px * to_x, window_px * to_y),
        image=tile.image[area],
        log_depth=log_truth(tile.depth_m[area]),
    )


def held_aside_windows(folder: Path, window_px: int) -> Iterator[tuple[str, Window]]:
    """Name of the scene and window, of as few windows of this size as cover each tile; as they are."""
    for path in list_tiles(folder):
        scene = read_tile(path)
        rows, columns = (_starts(side, window_px) for side in scene.tiles[0].depth_m.shape)
        for y in rows:
            for x in columns:
                yield scene_of(path), cut(scene, x, y, window_px)


def _starts(length: int, window: int) -> list[int]:
    count = math.ceil(length / window)
    return [round(k * (length - window) / max(1, count - 1)) for k in range(count)]


@dataclass(frozen=True, kw_only=True)
class CoarseView:
    """What the coarse network says under B windows."""

    log_full_B1HW: Tensor
    """Log depth at native resolution: what there is without a refiner."""

    log_depth_B1hw: Tensor
    """Log depth at stride `DEPTH_STRIDE`."""

    log_scale_B1hw: Tensor
    """Log of the expected error, at the same stride."""

    features_BChw: Tensor
    """Features at stride `FEATURE_STRIDE`."""

    depth_m_B1HW: Tensor
    """Metres, cropped as the published inference does (RoIAlign)."""

    maps: tuple[Tensor, ...]
    """The six maps at `STRIDES`, cropped likewise, before their projection."""


@torch.no_grad()
def view_windows(coarse: CoarseLite, windows: Sequence[Window], device: torch.device) -> CoarseView:
    """Run the coarse network on each window's overview and crop all of its answer that the refiners take."""
    views = [_view(coarse, window, device) for window in windows]
    names = ("log_full_B1HW", "log_depth_B1hw", "log_scale_B1hw", "features_BChw", "depth_m_B1HW")
    joined = {name: torch.cat([getattr(view, name) for view in views]) for name in names}
    maps = tuple(
        torch.cat(level).contiguous(memory_format=torch.channels_last)
        for level in zip(*(view.maps for view in views), strict=True)
    )
    return CoarseView(**joined, maps=maps)


def _view(coarse: CoarseLite, window: Window, device: torch.device) -> CoarseView:
    image = torch.from_numpy(window.overview).to(device)[None].permute(0, 3, 1, 2).float() / 255
    size = (image.shape[-2], image.shape[-1])
    f_px_B = torch.tensor([window.f_px], dtype=torch.float32, device=device)
    levels = coarse.levels(image, f_px_B)
    answer = coarse.answer(levels[-1], f_px_B, size)
    side = window.image.shape[0]
    x, y, w, h = window.box_xywh

    def aligned(whole: Tensor, stride: int) -> Tensor:
        cropped = crop_aligned(whole.float(), window.box_xywh, size, (side // stride, side // stride))
        return cropped.flip(-1) if window.flip else cropped

    def roi(part: Tensor, stride: int, start_xy: tuple[int, int], part_h: int) -> Tensor:
        # As prv2_ros.inference.reference.crop_map for a patch of `side` px: its map of this stride has these cells.
        cells, u, v = side // stride, x - start_xy[0], y - start_xy[1]
        box_15 = torch.tensor([[0.0, u, v, u + w, v + h]], device=device)
        cropped: Tensor = roi_align(part, box_15, (cells, cells), part.shape[-2] / part_h, aligned=True)
        return cropped.flip(-1) if window.flip else cropped

    log_depth = answer.log_depth_B1hw + window.log_shift
    near, start_xy = _around([level.float() for level in levels], window.box_xywh)
    near_size = (near[0].shape[-2] * STRIDES[0], near[0].shape[-1] * STRIDES[0])
    return CoarseView(
        log_full_B1HW=aligned(log_depth, 1),
        log_depth_B1hw=aligned(log_depth, DEPTH_STRIDE),
        log_scale_B1hw=aligned(answer.log_scale_B1hw, DEPTH_STRIDE),
        features_BChw=aligned(answer.features_BChw, FEATURE_STRIDE),
        depth_m_B1HW=roi(torch.exp(log_depth), 1, (0, 0), size[0]),
        maps=tuple(
            roi(level, stride, start_xy, near_size[0])
            for level, stride in zip(six_maps(near, near_size), STRIDES, strict=True)
        ),
    )


def _around(
    levels: Sequence[Tensor], box_xywh: tuple[float, float, float, float]
) -> tuple[list[Tensor], tuple[int, int]]:
    """Parts of the decoder's maps around a box and their start (x, y) in px: growing whole maps would cost the most.

    A cell at stride 32 of margin is more than bilinear sampling reaches at any level.
    """
    largest = STRIDES[0]
    cells = (levels[0].shape[-1], levels[0].shape[-2])
    first = [max(0, math.floor(box_xywh[k] / largest) - 1) for k in (0, 1)]
    last = [min(cells[k], math.ceil((box_xywh[k] + box_xywh[2 + k]) / largest) + 1) for k in (0, 1)]
    parts = []
    for level in levels:
        n = level.shape[-1] // cells[0]
        parts.append(level[..., first[1] * n : last[1] * n, first[0] * n : last[0] * n])
    return parts, (first[0] * largest, first[1] * largest)


def six_maps(levels: Sequence[Tensor], size_hw: tuple[int, int]) -> list[Tensor]:
    """The decoder's maps as `CoarseLiteMaps` lays them out, before its projection.

    A 1x1 convolution commutes with what is bilinear, a resize or RoIAlign inside the map. So the projection may come
    after the crop, where its gradient costs a window instead of a picture.
    """
    features = levels[-1].float()
    twice = F.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
    whole = F.interpolate(features, size_hw, mode="bilinear", align_corners=False)
    return [*levels[:-1], twice, whole]
