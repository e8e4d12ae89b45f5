"""Endless batches for a stage, from folders or rendered as training goes, in worker processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from prv2_ros.data.frames import Frame, list_frames, read_frame
from prv2_ros.data.synthetic import render
from prv2_ros.training.coarse_maps import read_coarse_tile
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.samples import coarse_sample, tile_sample

Batch = dict[str, Tensor]
_RELIST_EVERY = 200  # batches between two looks at growing folders
_ONLINE_SEED = 100_000_000  # away from the seeds that are held aside


class Feed(IterableDataset[Batch]):
    """Batches of one stage; the n-th batch of a worker follows from seed, worker and n alone."""

    def __init__(self, config: TrainConfig, first: int = 0, maps: dict[Path, Path] | None = None) -> None:
        """Start at batch `first`, for a run that is resumed; `maps` as `write_coarse_maps` gave them."""
        self.config = config
        self.first = first
        self.maps = maps or {}
        self.tiles = sorted(self.maps)

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches for ever."""
        torch.set_num_threads(1)
        info = torch.utils.data.get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        source = _Source(self.config)
        source.relist()
        n = self.first + (worker - self.first) % workers
        while True:
            rng = np.random.default_rng([self.config.seed, n])
            if (n // workers) % _RELIST_EVERY == 0:
                source.relist()
            yield self._coarse(source, rng) if self.config.stage == "coarse" else self._tiles(rng)
            n += workers

    def _coarse(self, source: _Source, rng: np.random.Generator) -> Batch:
        size = self.config.sizes[int(rng.integers(len(self.config.sizes)))]
        samples = [coarse_sample(source.frame(rng), size, rng) for _ in range(self.config.batch)]
        return {
            "image": torch.from_numpy(np.stack([s.image for s in samples])).permute(0, 3, 1, 2),
            "log_depth": torch.from_numpy(np.stack([s.log_depth for s in samples]))[:, None],
            "f_px": torch.tensor([s.f_px for s in samples], dtype=torch.float32),
        }

    def _tiles(self, rng: np.random.Generator) -> Batch:
        """Windows of tiles from as many scenes as the batch has."""
        size = self.config.sizes[int(rng.integers(len(self.config.sizes)))]
        tiles = [self.tiles[int(k)] for k in rng.integers(len(self.tiles), size=self.config.batch)]
        samples = [tile_sample(read_frame(tile), read_coarse_tile(self.maps[tile]), size, rng) for tile in tiles]
        return {
            "image": torch.from_numpy(np.stack([s.image for s in samples])).permute(0, 3, 1, 2),
            "log_depth": torch.from_numpy(np.stack([s.log_depth for s in samples]))[:, None],
            "log_coarse": torch.from_numpy(np.stack([s.log_coarse for s in samples]))[:, None],
            "log_scale": torch.from_numpy(np.stack([s.log_scale for s in samples]))[:, None],
            "features": torch.from_numpy(np.stack([s.features for s in samples])),
        }


class _Source:
    """Draws frames or tile scenes from the configured folders or renders them."""

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.listed: list[list[Path]] = []

    def relist(self) -> None:
        # NAME-K.json is a tile of NAME: its principal point lies far from its centre, so it is no image of its own.
        self.listed = [[p for p in list_frames(Path(folder)) if "-" not in p.stem] for folder in self.config.data]

    def _draw(self, rng: np.random.Generator) -> Path:
        shares = np.asarray(self.config.data_shares or [1.0] * len(self.listed))
        folder = self.listed[int(rng.choice(len(self.listed), p=shares / shares.sum()))]
        return folder[int(rng.integers(len(folder)))]

    def frame(self, rng: np.random.Generator) -> Frame:
        if self.listed:
            return read_frame(self._draw(rng))
        made = render(_ONLINE_SEED + int(rng.integers(2**40)), 480, 320)
        return Frame(name="online", image=made.image, depth_m=made.depth_m, camera=made.camera, kind=made.kind)


def loader(config: TrainConfig, first: int, maps: dict[Path, Path]) -> DataLoader[Batch]:
    """Batches from worker processes."""
    return DataLoader(
        Feed(config, first, maps),
        batch_size=None,
        num_workers=config.workers,
        prefetch_factor=4 if config.workers else None,
    )
