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
from prv2_ros.data.tiles import TileScene, read_tile_scene
from prv2_ros.data.tiles import render as render_tiles
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.samples import coarse_sample, log_truth, recolour

Batch = dict[str, Tensor]
_RELIST_EVERY = 200  # batches between two looks at growing folders
_ONLINE_SEED = 100_000_000  # away from the seeds that are held aside


class Feed(IterableDataset[Batch]):
    """Batches of one stage; the n-th batch of a worker follows from seed, worker and n alone."""

    def __init__(self, config: TrainConfig, first: int = 0) -> None:
        """Start at batch `first`, for a run that is resumed."""
        self.config = config
        self.first = first

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
            yield self._coarse(source, rng) if self.config.stage == "coarse" else self._tiles(source, rng)
            n += workers

    def _coarse(self, source: _Source, rng: np.random.Generator) -> Batch:
        size = self.config.sizes[int(rng.integers(len(self.config.sizes)))]
        samples = [coarse_sample(source.frame(rng), size, rng) for _ in range(self.config.batch)]
        return {
            "image": torch.from_numpy(np.stack([s.image for s in samples])).permute(0, 3, 1, 2),
            "log_depth": torch.from_numpy(np.stack([s.log_depth for s in samples]))[:, None],
            "f_px": torch.tensor([s.f_px for s in samples], dtype=torch.float32),
        }

    def _tiles(self, source: _Source, rng: np.random.Generator) -> Batch:
        """One scene: its overview for the coarse network and its native-resolution tiles."""
        scene = source.tiles(rng)
        state = int(rng.integers(2**31))
        # The same change of colour for overview and tiles: they are one picture.
        overview = recolour(scene.overview.image, np.random.default_rng(state))
        tiles = [recolour(tile.image, np.random.default_rng(state)) for tile in scene.tiles]
        return {
            "overview": torch.from_numpy(overview)[None].permute(0, 3, 1, 2),
            "f_px": torch.tensor([scene.overview.camera.fx], dtype=torch.float32),
            "image": torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2),
            "log_depth": torch.from_numpy(np.stack([log_truth(t.depth_m) for t in scene.tiles]))[:, None],
            "boxes": torch.tensor(scene.boxes_xywh(), dtype=torch.float32),
            "native_hw": torch.tensor(scene.native_hw()),
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

    def tiles(self, rng: np.random.Generator) -> TileScene:
        if self.listed:
            return read_tile_scene(self._draw(rng))
        return render_tiles(_ONLINE_SEED + int(rng.integers(2**40)))


def loader(config: TrainConfig, first: int) -> DataLoader[Batch]:
    """Batches from worker processes."""
    return DataLoader(
        Feed(config, first),
        batch_size=None,
        num_workers=config.workers,
        prefetch_factor=4 if config.workers else None,
    )
