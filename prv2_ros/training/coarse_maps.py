"""What the fixed coarse network says of the tiles that train the refiner, computed once.

The coarse network sees a whole overview to give a tile its depth: most of the work of a step, and the same every time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from prv2_ros.data.tiles import TileScene, read_tile_scene
from prv2_ros.errors import InputError
from prv2_ros.files import whole_file
from prv2_ros.network.align import crop_aligned
from prv2_ros.network.looks import predict_looks
from prv2_ros.network.model import STRIDE_PX, DepthModel
from prv2_ros.network.refiner_realtime import DEPTH_STRIDE, FEATURE_STRIDE
from prv2_ros.training.sources import list_tile_scenes

_BATCH = 16  # pictures of one size that the network sees together
_WAITING = 64  # scenes in memory until there are enough of their size
_FILES_AT_ONCE = 8

_FORMAT = b"features in float16, depth and scale in float32, at a size that the network takes"


@dataclass(frozen=True, kw_only=True)
class CoarseTile:
    """The coarse network's answer under one tile of (H, W) px."""

    log_depth: NDArray[np.float32]
    """(H / 4, W / 4) natural log of metres."""

    log_scale: NDArray[np.float32]
    """(H / 4, W / 4) natural log of the expected absolute error of the log depth."""

    features: NDArray[np.float32]
    """(C, H / 8, W / 8)."""


def write_coarse_maps(
    model: DepthModel, folders: tuple[str, ...], output: Path, *, bf16: bool = False
) -> dict[Path, Path]:
    """Compute the maps of every tile in the folders, or keep those that are there.

    Args:
        model: its coarse part is used as it is.
        folders: folders of tile scenes (`prv2 synth --tiles`), as `list_tile_scenes` takes them.
        output: where to write; a subfolder is named after the coarse weights and the precision and a file after the
            picture, so that other weights, another precision and other pictures get their own.
        bf16: whether to compute in bfloat16.

    Returns:
        JSON file of each tile and the file of its maps.

    Raises:
        InputError: no folders, one without tiles, or a data set of another kind.

    """
    if not folders:
        raise InputError("the refiner stage needs --data: folders that `prv2 synth --tiles` wrote")
    precision = "" if bf16 else "_float32"  # maps in bfloat16 keep the name from before it told the two apart
    place = output / f"coarse_maps_{_fingerprint(model.coarse)}_{model.spec.second_look:g}{precision}"
    scenes = {path: tiles for source in folders for path, tiles in list_tile_scenes(source).items()}
    place.mkdir(parents=True, exist_ok=True)
    maps: dict[Path, Path] = {}
    missing: dict[Path, list[Path]] = {}
    for path, tiles in scenes.items():
        of_scene = {tile: place / f"{tile.stem}_{_seen(path, tile)}.npz" for tile in tiles}
        maps.update(of_scene)
        if not all(file.exists() for file in of_scene.values()):
            missing[path] = list(of_scene.values())
    model.eval()
    with (
        ThreadPoolExecutor(_FILES_AT_ONCE) as files,
        tqdm(desc="coarse maps", unit="scene", total=len(scenes), initial=len(scenes) - len(missing)) as bar,
    ):
        for some, count in _of_one_size(_read({path: scenes[path] for path in missing}, files)):
            with torch.autocast(_device(model).type, torch.bfloat16, enabled=bf16):
                answers = _predict(model, [scene for _, scene in some], count)
            written = [file for path, _ in some for file in missing[path]]
            list(files.map(_write, written, answers))
            bar.update(len(some))
    return maps


def _read(scenes: Mapping[Path, Sequence[Path]], files: ThreadPoolExecutor) -> Iterator[tuple[Path, TileScene]]:
    """Scenes of these overviews and tiles, a batch of them read together."""
    paths = list(scenes)
    for start in range(0, len(paths), _BATCH):
        some = paths[start : start + _BATCH]
        yield from zip(some, files.map(read_tile_scene, some, [scenes[path] for path in some]), strict=True)


def _of_one_size(scenes: Iterable[tuple[Path, TileScene]]) -> Iterator[tuple[list[tuple[Path, TileScene]], int]]:
    """Batches of scenes whose overviews have one size, each with the number of pictures that the network is to see.

    A GPU spends seconds on each new shape of its input. So scenes wait until `_BATCH` of their size have come. Those
    that are left at the end take the number of an earlier batch of their size, if one was as large.
    """
    waiting: dict[tuple[int, ...], list[tuple[Path, TileScene]]] = {}
    seen: dict[tuple[int, ...], set[int]] = {}

    def taken(size: tuple[int, ...]) -> tuple[list[tuple[Path, TileScene]], int]:
        some, counts = waiting.pop(size), seen.setdefault(size, set())
        count = min((n for n in counts if n >= len(some)), default=len(some))
        counts.add(count)
        return some, count

    for path, scene in scenes:
        size = scene.overview.image.shape
        waiting.setdefault(size, []).append((path, scene))
        if len(waiting[size]) == _BATCH:
            yield taken(size)
        elif sum(map(len, waiting.values())) >= _WAITING:  # of many sizes
            yield taken(max(waiting, key=lambda other: len(waiting[other])))
    for size in list(waiting):
        yield taken(size)


def read_coarse_tile(path: Path) -> CoarseTile:
    """Read the maps of one tile."""
    with np.load(path) as data:
        return CoarseTile(**{name: data[name].astype(np.float32) for name in ("log_depth", "log_scale", "features")})


def _seen(overview: Path, tile: Path) -> str:
    """Fingerprint of what decides a tile's maps: the overview's picture, and both cameras."""
    digest = hashlib.sha256(_FORMAT)
    for path in (overview.with_suffix(".jpg"), overview, tile):
        digest.update(path.read_bytes() if path.exists() else b"")  # reading the scene says what is missing
    return digest.hexdigest()[:12]


def _device(model: DepthModel) -> torch.device:
    return next(model.parameters()).device


def _predict(model: DepthModel, scenes: Sequence[TileScene], count: int) -> list[dict[str, Any]]:
    """Maps of the scenes' tiles one after another; the overviews have one size.

    The network sees `count` pictures: the last one is repeated.
    """
    device = _device(model)
    overviews = [scene.overview for scene in scenes] + [scenes[-1].overview] * (count - len(scenes))
    cameras = [overview.camera for overview in overviews]
    images = torch.from_numpy(np.stack([overview.image for overview in overviews]))
    image_B3HW = images.to(device).permute(0, 3, 1, 2)  # channels last
    fx_B, fy_B = (torch.tensor(f, dtype=torch.float32) for f in zip(*((c.fx, c.fy) for c in cameras), strict=True))
    answers: list[dict[str, Any]] = []
    with torch.inference_mode():
        coarse = predict_looks(model, image_B3HW, fx_B, fy_B, _network_size(model, image_B3HW))
        maps = {
            "log_depth": (coarse.log_depth_B1hw, DEPTH_STRIDE),
            "log_scale": (coarse.log_scale_B1hw, DEPTH_STRIDE),
            "features": (coarse.features_BChw, FEATURE_STRIDE),
        }
        for k, scene in enumerate(scenes):
            native = scene.native_hw()
            for tile, box in zip(scene.tiles, scene.boxes_xywh(), strict=True):
                values: dict[str, Any] = {}
                for name, (whole, stride) in maps.items():
                    cells = (tile.depth_m.shape[0] // stride, tile.depth_m.shape[1] // stride)
                    cut = crop_aligned(whole[k : k + 1].float(), box, native, cells)[0].cpu().numpy()
                    # float16 has steps of 0.4% at 50 m, more than a slope rises from cell to cell.
                    values[name] = cut.astype(np.float16) if name == "features" else cut[0]
                answers.append(values)
    return answers


def _write(file: Path, values: dict[str, Any]) -> None:
    with whole_file(file) as written:
        np.savez(written, **values)


def _network_size(model: DepthModel, image_B3HW: Tensor) -> tuple[int, int]:
    """The overview's own size where the network takes it; at others its maps would lie off the picture."""
    height, width = image_B3HW.shape[-2], image_B3HW.shape[-1]
    return model.network_size(width, height) if height % STRIDE_PX or width % STRIDE_PX else (height, width)


def _fingerprint(module: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:12]
