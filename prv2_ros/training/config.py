"""What a training run is, read from YAML."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from prv2_ros.config_fields import fit_fields
from prv2_ros.errors import ConfigError

STAGES = ("coarse", "noise", "refiner", "end_to_end", "real", "confidence", "far")
"""In the order in which a model goes through them; `refiner` and `end_to_end` are two ways to the same end, and `far`
may come at any time after `coarse`: no other stage sees what it trains."""

WHOLE_MODEL = ("end_to_end", "real", "confidence")
"""Stages that run the coarse network and the refiner one after the other."""

ONE_PICTURE = ("coarse", "far")
"""Stages of which a sample is a part of one picture and its truth."""

PATCHES = ("single", "pair", "group")

_LEAST: Mapping[str, int] = MappingProxyType(
    {"batch": 1, "steps": 0, "accumulate": 1, "checkpoint_every": 1, "threads": 1, "workers": 0, "seed": 0}
    | {"consistency": 0, "gradient": 0, "likelihood": 0, "pseudo": 0, "weight_decay": 0}
    | {"encoder_rate": 0, "coarse_rate": 0, "metric_from_m": 0}
)
"""Fields and what they are at least."""

_POSITIVE = ("learning_rate", "clip_norm", "far_from_m")
_SEEDS = 2**32


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One stage of training; every field can stand in the YAML file. docs/TRAINING.md says what the stages do."""

    stage: str = "coarse"
    """One of `STAGES`."""

    data: tuple[str, ...] = ()
    """Folders of frames, or data sets as KIND:PATH:SPLIT; none means that scenes are rendered as training goes."""

    data_shares: tuple[float, ...] = ()
    """How often each source is drawn from; by default all alike, in stage `refiner` by the number of their tiles."""

    resident: bool = False
    """Whether frames are read once into the device's memory, and cut and recoloured there, which a fast GPU needs
    (`coarse` and `far`, from folders of frames; 5 bytes a pixel, about 1 MB for one of 512x400 px). Folders may grow
    meanwhile, by frames that are no higher and no wider than the largest at the start."""

    seconds: float = 3600.0
    """Length of the run: the learning rate follows the clock, so that a run ends when it should on any machine."""

    steps: int = 0
    """Length in steps instead of seconds, where not 0: for runs that must be repeatable."""

    batch: int = 8
    """Pictures a step and process."""

    accumulate: int = 1
    """Batches whose gradients are averaged before a step."""

    sizes: tuple[tuple[int, int], ...] = ((256, 384), (288, 352), (256, 320), (320, 320), (352, 256))
    """Height and width (px) of training images; one is drawn per batch. Of the coarse network's picture in stages that
    run the whole model, of native windows in `noise` and `refiner`."""

    patch: tuple[int, int] = (160, 160)
    """Height and width (px) of native patches in stages that run the whole model."""

    patches: str = "single"
    """Patches of a picture: `single`, `pair` (two that overlap, as PatchFusion), `group` (2x2 that overlap, as PRO)."""

    overlap: float = 0.25
    """Share of a patch's side that the next one of a group covers too; the least such share of a pair."""

    consistency: float = 0.0
    """Weight of the squared disagreement of overlapping patches."""

    gradient: float = 1.0
    """Weight of gradient matching beside SILog (`noise`, `end_to_end`)."""

    likelihood: float = 0.0
    """Weight of the error scale's likelihood where whole pictures are seen (`coarse`, `end_to_end`, `real`); 0 leaves
    the heads of the scale as they are."""

    relative: float = 0.0
    """Share of the metric loss that is relative error of the depth instead of error of its logarithm (`coarse`,
    `refiner`, `far`)."""

    metric_from_m: float = 0.0
    """Coarse depth (m) from which on metres are learnt and not the shape alone, in part from half of it on (`refiner`);
    0 for nowhere. What is far is small: the native pixels may tell its size, where the coarse network's cannot."""

    far_from_m: float = 22.0
    """True depth (m) beyond which a pixel counts (`far`), as does the sky, and what is within 16 px of either."""

    loss_stride: int = 1
    """Pixels between those that count (`coarse`, `far`): the answer is a bilinear upsampling by 4, so that little is
    lost at 2, and the losses cost a CPU a quarter as many pixels."""

    pseudo: float = 0.5
    """Weight of the pseudo label's SSIGM beside the sparse truth's SILog (`real`)."""

    window_px: int = 32
    """Side of the windows in which the prediction is moved onto the pseudo label; 0 for one scale and shift a patch."""

    learning_rate: float = 8e-4
    """The highest: it rises from `warmup_from` of it during `warmup`, then falls as a cosine to 1%."""

    encoder_rate: float = 0.4
    """Learning rate of the pretrained encoder as a share of the rest's."""

    coarse_rate: float = 1 / 30
    """Learning rate of the coarse network as a share of the refiner's where both learn."""

    frozen: tuple[str, ...] = ("conv_stem", "blocks.0")
    """Layers of the encoder that keep their pretrained weights, such as `blocks.0`; where two encoders learn, of both.
    A name that no encoder in training has is refused when the run starts. An encoder whose weights are still as they
    were drawn at random learns whole, and a line says so."""

    fixed_depthwise: bool = False
    """The encoder's depthwise kernels keep their pretrained weights: their gradient costs more than all the rest on a
    CPU (benchmarks/training.py), and they are 6% of its parameters. As of `frozen`, random ones learn."""

    weight_decay: float = 0.02
    clip_norm: float = 5.0
    """Largest norm of the gradient; a longer one is shortened to it."""

    warmup: float = 0.03
    """Share of the run during which the learning rate rises."""

    warmup_from: float = 0.02
    """Share of the learning rate that the rise starts from."""

    ema: float = 0.998
    """Decay of the averaged weights, which are the result."""

    bf16: bool = False
    """Automatic mixed precision in bfloat16; off, as a line says, on an x86 CPU with neither AVX512-BF16 nor AMX."""

    fp16: bool = False
    """Automatic mixed precision in float16 with a scaled loss; CUDA only."""

    device: str = "auto"
    """`auto` (CUDA where it works, else the CPU), `cpu`, `cuda` or `cuda:N`."""

    tensorboard: bool = False
    """Whether to write the figures for TensorBoard, too."""

    seed: int = 0
    threads: int = 2
    """CPU threads of the training process."""

    workers: int = 1
    """Processes that make the batches."""

    checkpoint_every: int = 250
    """Steps between checkpoints."""

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with."""
        if self.stage not in STAGES:
            raise ConfigError(f"stage {self.stage!r}: expected one of {', '.join(STAGES)}")
        if self.resident and self.stage not in ONE_PICTURE:
            raise ConfigError(f"resident is for stages {' and '.join(ONE_PICTURE)}, not for {self.stage}: leave it out")
        if self.likelihood and self.stage == "far":
            raise ConfigError(f"likelihood {self.likelihood}: nothing reads the scale of stage far; leave it out")
        if self.bf16 and self.fp16:
            raise ConfigError("bf16 and fp16 are both on: choose one")
        self._check_numbers()
        self._check_length()
        self._check_data()
        self._check_patches()

    def _check_numbers(self) -> None:
        """Hold each number against its own range."""
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise ConfigError(f"{name} {value}: must be finite")
            if name in _LEAST and value < _LEAST[name]:
                raise ConfigError(f"{name} {value}: must be at least {_LEAST[name]}")
            if name in _POSITIVE and value <= 0:
                raise ConfigError(f"{name} {value}: must be above 0")
            if name in ("warmup", "ema") and not 0 <= value < 1:
                raise ConfigError(f"{name} {value}: must be from 0 to below 1")
            if name in ("relative", "warmup_from") and not 0 <= value <= 1:
                raise ConfigError(f"{name} {value}: must be from 0 to 1")
        if self.loss_stride not in (1, 2, 4):
            raise ConfigError(f"loss_stride {self.loss_stride}: must be 1, 2 or 4")
        if self.seed >= _SEEDS:
            raise ConfigError(f"seed {self.seed}: must be below {_SEEDS}")

    def _check_length(self) -> None:
        if self.steps == 0 and self.seconds <= 0:
            raise ConfigError(f"seconds {self.seconds}: must be above 0 where `steps` does not say how long to train")
        if self.checkpoint_every % self.accumulate or self.steps % self.accumulate:
            raise ConfigError(
                f"accumulate {self.accumulate}: must divide checkpoint_every {self.checkpoint_every} and steps "
                f"{self.steps}"
            )

    def _check_data(self) -> None:
        shares = self.data_shares
        if shares and (not all(0 <= share < math.inf for share in shares) or sum(shares) <= 0):
            raise ConfigError(f"data_shares {list(shares)}: none may be negative, nor all zero, and all are finite")
        if shares and len(shares) != len(self.data):
            raise ConfigError(f"{len(shares)} data_shares for {len(self.data)} data folders")
        if not self.sizes:
            raise ConfigError("sizes []: name at least one [height, width]")
        for h, w in (*self.sizes, self.patch):
            if h % 32 or w % 32 or h < 64 or w < 64:
                raise ConfigError(f"size {h}x{w}: both sides must be multiples of 32 and at least 64 px")

    def _check_patches(self) -> None:
        if self.patches not in PATCHES:
            raise ConfigError(f"patches {self.patches!r}: expected one of {', '.join(PATCHES)}")
        if not 0 < self.overlap < 1:
            raise ConfigError(f"overlap {self.overlap}: must lie between 0 and 1")
        if self.consistency and self.patches == "single":
            raise ConfigError(f"consistency {self.consistency} needs patches that overlap: `patches: pair` or `group`")
        if self.window_px and self.window_px < 4:
            raise ConfigError(f"window_px {self.window_px}: must be 0 (the whole patch) or at least 4")


def load_config(path: Path | None, **overrides: Any) -> TrainConfig:
    """Read a YAML file; overrides that are not None win, `seconds` without `steps` over the file's `steps`, too.

    Raises:
        ConfigError: the file is missing or no mapping, a key is unknown, or a value of another type or out of range.

    """
    values: dict[Any, Any] = {}
    if path is not None:
        try:
            loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(f"training config {path}: {' '.join(str(error).split())}") from error
        if not isinstance(loaded, dict):
            raise ConfigError(f"training config {path}: expected a mapping of fields")
        values.update(loaded)
    given = {key: value for key, value in overrides.items() if value is not None}
    if "seconds" in given:
        values.pop("steps", None)  # else the clock that was asked for would not be heeded
    values.update(given)
    return TrainConfig(**fit_fields(TrainConfig, values, "training config"))
