"""What a training run is, read from YAML."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from prv2_ros.errors import ConfigError

STAGES = ("coarse", "refiner")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One stage of training; every field can stand in the YAML file."""

    stage: str = "coarse"
    """`coarse` or `refiner`."""

    data: tuple[str, ...] = ()
    """Folders of frames; none means that scenes are rendered as training goes."""

    data_shares: tuple[float, ...] = ()
    """How often each folder is drawn from; all alike by default."""

    seconds: float = 3600.0
    """Length of the run: the learning rate follows the clock, so that a run ends when it should on any machine."""

    steps: int = 0
    """Length in steps instead of seconds, where not 0: for runs that must be repeatable."""

    batch: int = 8
    accumulate: int = 1
    """Batches whose gradients are averaged before a step."""

    sizes: tuple[tuple[int, int], ...] = ((256, 384), (288, 352), (256, 320), (320, 320), (352, 256))
    """Height and width (px) of training images; one is drawn per batch."""

    learning_rate: float = 8e-4
    encoder_rate: float = 0.4
    """Learning rate of the pretrained encoder as a share of the rest's."""

    frozen: tuple[str, ...] = ("conv_stem", "blocks.0")
    """Layers of the encoder that keep their pretrained weights."""

    fixed_depthwise: bool = False
    """The encoder's depthwise kernels keep their pretrained weights: their gradient costs more than all the rest on a
    CPU (benchmarks/training.py), and they are 6% of its parameters."""

    weight_decay: float = 0.02
    clip_norm: float = 5.0
    warmup: float = 0.03
    """Share of the run during which the learning rate rises."""

    ema: float = 0.998
    """Decay of the averaged weights, which are the result."""

    bf16: bool = False
    """Automatic mixed precision in bfloat16."""

    seed: int = 0
    threads: int = 2
    workers: int = 1
    checkpoint_every: int = 250
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with."""
        if self.stage not in STAGES:
            raise ConfigError(f"stage {self.stage!r}: expected one of {', '.join(STAGES)}")
        if self.batch < 1 or (self.steps < 1 and self.seconds <= 0):
            raise ConfigError(f"batch {self.batch}, steps {self.steps}, seconds {self.seconds}: must be positive")
        if self.accumulate < 1 or self.checkpoint_every % self.accumulate:
            raise ConfigError(
                f"accumulate {self.accumulate}: must be at least 1 and divide checkpoint_every {self.checkpoint_every}"
            )
        if self.data_shares and len(self.data_shares) != len(self.data):
            raise ConfigError(f"{len(self.data_shares)} data_shares for {len(self.data)} data folders")
        for h, w in self.sizes:
            if h % 32 or w % 32 or h < 64 or w < 64:
                raise ConfigError(f"size {h}x{w}: both sides must be multiples of 32 and at least 64 px")


def load_config(path: Path | None, **overrides: Any) -> TrainConfig:
    """Read a YAML file; overrides that are not None win.

    Raises:
        ConfigError: the file is missing or no mapping, or a key is unknown or of another type.

    """
    values: dict[str, Any] = {}
    if path is not None:
        try:
            loaded = yaml.safe_load(path.read_text())
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"training config {path}: {error}") from error
        if not isinstance(loaded, dict):
            raise ConfigError(f"training config {path}: expected a mapping of fields")
        values.update(loaded)
    values.update({key: value for key, value in overrides.items() if value is not None})
    known = {field.name for field in fields(TrainConfig)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise ConfigError(f"training config: unknown {', '.join(unknown)}; known are {', '.join(sorted(known))}")
    for key in ("data", "data_shares", "frozen"):
        if key in values:
            values[key] = tuple(values[key])
    if "sizes" in values:
        values["sizes"] = tuple((int(h), int(w)) for h, w in values["sizes"])
    try:
        return TrainConfig(**values)
    except TypeError as error:
        raise ConfigError(f"training config: {error}") from error
