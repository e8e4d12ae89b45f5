"""Endless batches for a stage, from sources or rendered as training goes, in worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from prv2_ros.data.frames import read_frame
from prv2_ros.network.coarse_lite import FEATURE_CHANNELS
from prv2_ros.network.refiner_realtime import FEATURE_STRIDE
from prv2_ros.training.coarse_maps import read_coarse_tile
from prv2_ros.training.config import ONE_PICTURE, WHOLE_MODEL, TrainConfig
from prv2_ros.training.pseudo_labels import LabelKey, read_pseudo_label
from prv2_ros.training.samples import coarse_sample, tile_sample
from prv2_ros.training.scene_samples import SceneSample, native_sample, scene_sample
from prv2_ros.training.sources import Draw, tile_folder, whole_scene

Batch = dict[str, Tensor]
_RELIST_EVERY = 200  # batches between two looks at growing folders
_OF_SIZE = 2**32 - 1  # beside the numbers of the samples


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What was computed once before the run."""

    maps: Mapping[Path, Path] = field(default_factory=dict)
    """Files of the coarse maps by tile, as `write_coarse_maps` gave them (`refiner`)."""

    labels: Mapping[LabelKey, Path] = field(default_factory=dict)
    """Files of the pseudo labels, as `write_pseudo_labels` gave them (`real`)."""


class Feed(IterableDataset[Batch]):
    """Batches of one stage.

    The i-th sample of the n-th batch follows from the seed, n and i alone: however many workers and processes share the
    work, and wherever a run was stopped, training sees the same samples in the same order.
    """

    def __init__(self, config: TrainConfig, first: int = 0, prepared: Prepared | None = None, *, rank: int = 0) -> None:
        """Start at batch `first`, for a run that is resumed; `rank` of several processes takes its part of a batch."""
        self.config = config
        self.first = first
        self.rank = rank
        self.prepared = prepared or Prepared()
        self.tiles = _by_source(sorted(self.prepared.maps), config)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches for ever."""
        info = torch.utils.data.get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        if info:
            torch.set_num_threads(1)
        config, labels = self.config, self.prepared.labels
        draw = Draw(() if config.stage == "refiner" else config.data, config.data_shares)
        if labels:
            draw.restrict(labels)  # pictures that came since have none
        n = self.first + worker
        while True:
            yield self._batch(draw, batch_size_hw(config, n), sample_rngs(config, n, self.rank))
            n += workers
            if not labels and ((n - self.first) // workers) % _RELIST_EVERY == 0:
                draw.relist()

    def _batch(self, draw: Draw, size: tuple[int, int], rngs: Sequence[np.random.Generator]) -> Batch:
        if self.config.stage in ONE_PICTURE:
            return _coarse_batch(draw, size, rngs, close=self.config.stage == "far")
        if self.config.stage == "noise":
            return _noise_batch(draw, size, rngs)
        if self.config.stage in WHOLE_MODEL:
            return _scene_batch([self._scene(draw, size, rng) for rng in rngs])
        return self._tiles(size, rngs)

    def _scene(self, draw: Draw, size: tuple[int, int], rng: np.random.Generator) -> SceneSample:
        source, item = draw.item(rng)
        config, labels = self.config, self.prepared.labels
        return scene_sample(
            whole_scene(item.read()) if labels else item.read_scene(),  # a label covers the whole picture
            size,
            config.patch,
            rng,
            patches=config.patches,
            overlap=config.overlap,
            label_m=read_pseudo_label(labels[source, item.name]) if labels else None,
        )

    def _tiles(self, size: tuple[int, int], rngs: Sequence[np.random.Generator]) -> Batch:
        """Windows of tiles from as many scenes as the batch has."""
        samples = []
        for rng in rngs:
            tiles = self.tiles[0]
            if len(self.tiles) > 1:
                shares = np.asarray(self.config.data_shares)
                tiles = self.tiles[int(rng.choice(len(shares), p=shares / shares.sum()))]
            tile = tiles[int(rng.integers(len(tiles)))]
            samples.append(tile_sample(read_frame(tile), read_coarse_tile(self.prepared.maps[tile]), size, rng))
        return {
            "image": _images([s.image for s in samples]),
            "log_depth": _maps([s.log_depth for s in samples]),
            "log_coarse": _maps([s.log_coarse for s in samples]),
            "log_scale": _maps([s.log_scale for s in samples]),
            "features": torch.from_numpy(np.stack([s.features for s in samples])),
        }


def batch_size_hw(config: TrainConfig, n: int) -> tuple[int, int]:
    """Draw the height and width (px) of the n-th batch's pictures."""
    # Not [seed, n], which numpy takes for [seed, n, 0]: the first sample would follow from the size.
    return config.sizes[int(np.random.default_rng([config.seed, n, _OF_SIZE]).integers(len(config.sizes)))]


def sample_rngs(config: TrainConfig, n: int, rank: int) -> list[np.random.Generator]:
    """Give what decides each sample of a process's part of the n-th batch."""
    of_batch = range(rank * config.batch, (rank + 1) * config.batch)
    return [np.random.default_rng([config.seed, n, i]) for i in of_batch]


def _by_source(tiles: list[Path], config: TrainConfig) -> list[list[Path]]:
    """One list a source where sources have shares, else one list of all, so that every tile is as likely."""
    if not config.data_shares:
        return [tiles]
    return [[tile for tile in tiles if tile.parent == folder] for folder in map(tile_folder, config.data)]


def _coarse_batch(draw: Draw, size: tuple[int, int], rngs: Sequence[np.random.Generator], *, close: bool) -> Batch:
    samples = [coarse_sample(draw.item(rng)[1].read(), size, rng, close=close) for rng in rngs]
    return {
        "image": _images([s.image for s in samples]),
        "log_depth": _maps([s.log_depth for s in samples]),
        "f_px": torch.tensor([s.f_px for s in samples], dtype=torch.float32),
    }


def _noise_batch(draw: Draw, size: tuple[int, int], rngs: Sequence[np.random.Generator]) -> Batch:
    samples = [native_sample(draw.item(rng)[1].read_scene(), size, rng) for rng in rngs]
    shape = (FEATURE_CHANNELS, size[0] // FEATURE_STRIDE, size[1] // FEATURE_STRIDE)
    noise = np.stack([rng.standard_normal(shape, np.float32) for rng in rngs])
    return {
        "image": _images([image for image, _ in samples]),
        "log_depth": _maps([log_depth for _, log_depth in samples]),
        "features": torch.from_numpy(noise),
    }


def _scene_batch(samples: Sequence[SceneSample]) -> Batch:
    """Patches of all pictures stand one after another: patch p of picture b is number b * P + p."""
    return {
        "image": _images([s.image for s in samples]),
        "log_depth": _maps([s.log_depth for s in samples]),
        "f_px": torch.tensor([s.f_px for s in samples], dtype=torch.float32),
        "patches": _images([patch for s in samples for patch in s.patches]),
        "patch_log_depth": _maps([depth for s in samples for depth in s.patch_log_depth]),
        "patch_label": _maps([label for s in samples for label in s.patch_label]),
        "boxes": torch.from_numpy(np.concatenate([s.boxes for s in samples])),
        "corners": torch.from_numpy(np.stack([s.corners for s in samples])),
    }


def _images(images: Sequence[NDArray[np.uint8]]) -> Tensor:
    """(B, 3, H, W) uint8 in channels-last memory."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def _maps(maps: Sequence[NDArray[Any]]) -> Tensor:
    """(B, 1, H, W)."""
    return torch.from_numpy(np.stack(maps))[:, None]


def loader(config: TrainConfig, first: int, prepared: Prepared, *, rank: int = 0) -> DataLoader[Batch]:
    """Batches from worker processes."""
    return DataLoader(
        Feed(config, first, prepared, rank=rank),
        batch_size=None,
        num_workers=config.workers,
        prefetch_factor=4 if config.workers else None,
        pin_memory=torch.cuda.is_available() and config.device != "cpu",
    )
