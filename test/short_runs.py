"""Training runs of a few steps on 64x64 px."""

from __future__ import annotations

from pathlib import Path

import torch
from tiny_depth_model import small_model

from prv2_ros.training.config import TrainConfig
from prv2_ros.training.loop import Trainer


def short_config(folder: Path, **changes: object) -> TrainConfig:
    values: dict[str, object] = {"data": (str(folder),), "steps": 4, "batch": 2, "sizes": ((64, 64),), "workers": 0}
    return TrainConfig(**{**values, **changes})  # type: ignore[arg-type]


def start_run(config: TrainConfig, folder: Path) -> Trainer:
    torch.set_num_threads(1)
    return Trainer(small_model(), config, folder)
