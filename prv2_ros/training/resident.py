"""Batches of stages `coarse` and `far` from frames in the device's memory: cut, flipped and recoloured there.

A data-centre GPU takes more pictures a second than its CPU decodes and recolours. Here a frame is read once; what is
left for the CPU is to draw the numbers. Windows and colours are those of `prv2_ros.training.samples`, drawn in the same
order from the same seeds; only the filters differ (one triangle filter, no rounding in between).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur
from tqdm import tqdm

from prv2_ros.data.folder import FRAMES_NAME
from prv2_ros.data.frames import (
    LOG_STEP,
    NEAREST_M,
    UNKNOWN_CODE,
    CodedFrame,
    list_pictures,
    read_camera,
    read_coded_frame,
)
from prv2_ros.data.readers import parse_source
from prv2_ros.errors import ConfigError, InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import Batch, batch_size_hw, sample_rngs
from prv2_ros.training.samples import ColourChange, Window, draw_colour_change, window_drawer, window_focal

_logger = logging.getLogger(__name__)

_CHUNK = 256  # frames of an allocation
_READ_AT_ONCE = 1536  # new frames of a look at folders that grow
_LOOK_EVERY_S = 20.0  # listing ten thousand files over and over takes the interpreter from the training
_BLUR_PX = 9  # side of the kernel: three deviations of the strongest to each side


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What one training image is made of."""

    slot: int
    """Number of the frame in the pool."""

    window: Window
    flipped: bool
    colours: ColourChange


class FramePool:
    """Frames of several sizes in the device's memory, each in the upper left of a canvas."""

    def __init__(self, canvas_hw: tuple[int, int], device: torch.device) -> None:
        """Start empty; frames larger than the canvas are refused."""
        self.canvas_hw, self.device = canvas_hw, device
        self.cameras: list[CameraModel] = []
        self._images: list[Tensor] = []  # of (_CHUNK, H, W, 3) uint8
        self._codes: list[Tensor] = []  # of (_CHUNK, H, W): uint16 as int16, which torch can do more with

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.cameras)

    def add(self, frame: CodedFrame, name: object) -> int:
        """Take a frame and give its slot.

        Raises:
            InputError: it is larger than the canvas.

        """
        height, width = frame.code.shape
        if height > self.canvas_hw[0] or width > self.canvas_hw[1]:
            raise InputError(
                f"{name}: {width}x{height} px, and the largest frame at the start had {self.canvas_hw[1]}x"
                f"{self.canvas_hw[0]}; begin with one of that size, or train without `resident`"
            )
        chunk, place = divmod(len(self), _CHUNK)
        if chunk == len(self._images):
            shape = (_CHUNK, *self.canvas_hw)
            self._images.append(torch.zeros((*shape, 3), dtype=torch.uint8, device=self.device))
            self._codes.append(torch.zeros(shape, dtype=torch.int16, device=self.device))
        self._images[chunk][place, :height, :width] = torch.from_numpy(frame.image).to(self.device)
        self._codes[chunk][place, :height, :width] = torch.from_numpy(frame.code.view(np.int16)).to(self.device)
        self.cameras.append(frame.camera)
        return len(self) - 1

    def images(self, slots: Sequence[int]) -> Tensor:
        """Canvases (B, H, W, 3) uint8."""
        return torch.stack([self._images[slot // _CHUNK][slot % _CHUNK] for slot in slots])

    def log_depth(self, slots: Sequence[int], rows_Bh: Tensor, columns_Bw: Tensor) -> Tensor:
        """Log depth (B, 1, h, w) at these rows and columns of the canvases; inf for sky, NaN where unknown."""
        codes = torch.stack([self._codes[slot // _CHUNK][slot % _CHUNK] for slot in slots])
        first = torch.arange(len(slots), device=self.device)[:, None, None]
        code = codes[first, rows_Bh[:, :, None], columns_Bw[:, None, :]].int() & 0xFFFF
        log_depth = torch.where(code > 0, math.log(NEAREST_M) + code * LOG_STEP, torch.inf)
        return torch.where(code == UNKNOWN_CODE, torch.nan, log_depth)[:, None]


class ResidentFeed:
    """Batches of a stage for ever; the i-th sample of the n-th follows from seed, n, i and what is loaded.

    A frame that comes later and is larger than the canvas, or cannot be read, is left out: a night's run must not end
    for one.
    """

    def __init__(self, config: TrainConfig, first: int, device: torch.device, *, rank: int = 0) -> None:
        """Load all frames; start at batch `first`, for a run that is resumed.

        Raises:
            ConfigError: no data, or data that are no folders of frames.
            InputError: a folder without frames, or a frame that cannot be read.

        """
        self.config, self.first, self.rank = config, first, rank
        self.look_every_s = _LOOK_EVERY_S
        self.folders = resident_folders(config)
        self.shares = np.asarray(config.data_shares or [1.0] * len(self.folders))
        self.slots: list[list[int]] = [[] for _ in self.folders]
        self._known: list[set[Path]] = [set() for _ in self.folders]
        self._readers = ThreadPoolExecutor(max(1, config.workers))
        self._watcher = ThreadPoolExecutor(1)
        paths = [(k, path) for k in range(len(self.folders)) for path in self._new(k)]
        sizes = [(camera.height, camera.width) for camera in (read_camera(path) for _, path in paths)]
        self.pool = FramePool((max(h for h, _ in sizes), max(w for _, w in sizes)), device)
        frames = self._readers.map(read_coded_frame, (path for _, path in paths))
        for (k, path), frame in zip(paths, tqdm(frames, total=len(paths), desc="frames", unit="frame"), strict=True):
            self._take(k, path, frame)
        self._growth: Future[list[tuple[int, Path, CodedFrame | InputError]]] | None = None
        self._looked = time.monotonic()
        self._left_out, self._told = 0, 0

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches for ever."""
        config, n = self.config, self.first
        while True:
            self._grow()
            size = batch_size_hw(config, n)
            drafts = [self._draft(size, rng) for rng in sample_rngs(config, n, self.rank)]
            generator = torch.Generator(self.pool.device).manual_seed((config.seed << 32) + n * 64 + self.rank)
            yield make_batch(self.pool, drafts, size, generator)
            n += 1

    def _grow(self) -> None:
        """Take what was read beside training, and now and then have another look."""
        if self._growth is not None and self._growth.done():
            faults = [fault for k, path, read in self._growth.result() if (fault := self._take_late(k, path, read))]
            self._growth = None
            self._tell_of(faults)
        if self._growth is None and time.monotonic() - self._looked > self.look_every_s:
            self._looked = time.monotonic()
            self._growth = self._watcher.submit(self._read_new)

    def _draft(self, size_hw: tuple[int, int], rng: np.random.Generator) -> Draft:
        source = int(rng.choice(len(self.slots), p=self.shares / self.shares.sum()))
        slot = self.slots[source][int(rng.integers(len(self.slots[source])))]
        window = window_drawer(close=self.config.stage == "far")(self.pool.cameras[slot], size_hw, rng)
        return Draft(slot=slot, window=window, flipped=rng.uniform() < 0.5, colours=draw_colour_change(rng))

    def _take(self, source: int, path: Path, frame: CodedFrame) -> None:
        self.slots[source].append(self.pool.add(frame, path))
        self._known[source].add(path)

    def _take_late(self, source: int, path: Path, read: CodedFrame | InputError) -> InputError | None:
        """Take a frame that came while training runs; gives why it is left out, if it is, for good."""
        self._known[source].add(path)
        if isinstance(read, InputError):
            return read
        try:
            self._take(source, path, read)
        except InputError as error:
            return error
        return None

    def _tell_of(self, faults: Sequence[InputError]) -> None:
        """Name the first frame that is left out; later ones are told of when their number has doubled."""
        self._left_out += len(faults)
        if faults and self._left_out >= 2 * self._told:
            self._told = self._left_out
            others = f" ({self._left_out} frames were left out so far)" if self._left_out > 1 else ""
            _logger.warning("left out of training: %s%s", faults[0], others)

    def _new(self, source: int) -> list[Path]:
        return [path for path in list_pictures(self.folders[source]) if path not in self._known[source]]

    def _read_new(self) -> list[tuple[int, Path, CodedFrame | InputError]]:
        """Read frames that came since; runs beside training."""
        paths = [(k, path) for k in range(len(self.folders)) for path in self._new(k)][:_READ_AT_ONCE]
        frames = self._readers.map(_read_or_fault, (path for _, path in paths))
        return [(k, path, frame) for (k, path), frame in zip(paths, frames, strict=True)]


def _read_or_fault(path: Path) -> CodedFrame | InputError:
    try:
        return read_coded_frame(path)
    except InputError as error:
        return error


def resident_folders(config: TrainConfig) -> list[Path]:
    """Folders of a config whose frames can lie in the device's memory.

    Raises:
        ConfigError: there are none, or one is a data set of another kind.

    """
    if not config.data:
        raise ConfigError("resident needs --data: folders that `prv2 synth` wrote")
    parsed = [parse_source(source) for source in config.data]
    for source, entry in zip(config.data, parsed, strict=True):
        if entry.name != FRAMES_NAME:
            raise ConfigError(f"resident: {source} is no folder that `prv2 synth` wrote: train without `resident`")
    return [entry.root for entry in parsed]


def make_batch(pool: FramePool, drafts: Sequence[Draft], size_hw: tuple[int, int], generator: torch.Generator) -> Batch:
    """Make training images: `image` (B, 3, h, w) uint8, `log_depth` (B, 1, h, w) and `f_px` (B,)."""
    slots, device = [draft.slot for draft in drafts], pool.device
    cameras = [pool.cameras[slot] for slot in slots]
    numbers = np.array(
        [
            (d.window.x, d.window.y, d.window.width, d.window.height, camera.width, camera.height, d.flipped)
            for d, camera in zip(drafts, cameras, strict=True)
        ],
        np.float32,
    )
    x, y, width, height, frame_w, frame_h, flipped = torch.from_numpy(numbers.T.copy()).to(device)[..., None]
    across = _Axis.of(x, width, frame_w, size_hw[1], pool.canvas_hw[1], flipped > 0)
    down = _Axis.of(y, height, frame_h, size_hw[0], pool.canvas_hw[0], torch.zeros_like(flipped) > 0)
    half = torch.float32 if device.type == "cpu" else torch.float16  # whole numbers to 2048 are exact
    canvases = pool.images(slots).to(half)
    rows = torch.matmul(down.weight.to(half), canvases.flatten(2)).unflatten(2, (pool.canvas_hw[1], 3))
    image = torch.matmul(across.weight.to(half)[:, None], rows.permute(0, 3, 2, 1)).permute(0, 1, 3, 2)
    image = recolour_batch(image.float(), [draft.colours for draft in drafts], generator)
    f_px = [window_focal(camera, draft.window, size_hw) for draft, camera in zip(drafts, cameras, strict=True)]
    return {
        "image": image.round_().to(torch.uint8).contiguous(memory_format=torch.channels_last),
        "log_depth": pool.log_depth(slots, down.nearest, across.nearest),
        "f_px": torch.tensor(f_px, dtype=torch.float32, device=device),
    }


@dataclass(frozen=True, kw_only=True)
class _Axis:
    """How output pixels of one axis follow from those of a canvas."""

    weight: Tensor
    """(B, out, canvas): a triangle filter, as wide as a pixel of the coarser of the two."""

    nearest: Tensor
    """(B, out) int64: the canvas's pixel that holds the output's middle."""

    @classmethod
    def of(cls, start: Tensor, extent: Tensor, valid: Tensor, out: int, canvas: int, flipped: Tensor) -> _Axis:
        """Resample `extent` pixels from `start` on (all (B, 1)) to `out`; pixels from `valid` on are not there."""
        ratio = extent / out
        step = torch.arange(out, device=start.device, dtype=torch.float32)
        step = torch.where(flipped, out - 1 - step, step)
        middle = start + (step + 0.5) * ratio - 0.5  # (B, out)
        pixel = torch.arange(canvas, device=start.device, dtype=torch.float32)
        weight = (1 - (pixel - middle[..., None]).abs() / ratio.clamp(min=1)[..., None]).clamp(min=0)
        weight = weight * (pixel < valid[..., None])
        nearest = torch.minimum((middle + 0.5).floor(), start + extent - 1)
        return cls(weight=weight / weight.sum(-1, keepdim=True), nearest=nearest.long())


def recolour_batch(image_B3HW: Tensor, changes: Sequence[ColourChange], generator: torch.Generator) -> Tensor:
    """Change the colours of images in 0..255 as `recolour` does."""
    device = image_B3HW.device

    def column(values: Sequence[float] | Sequence[tuple[float, float, float]]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device).view(len(changes), -1, 1, 1)

    x = (image_B3HW / 255 * column([c.gain for c in changes])).clamp_(0, 1)
    x = x ** column([c.gamma for c in changes])
    x = ((x - 0.5) * column([c.contrast for c in changes]) + 0.5).clamp_(0, 1) * 255
    grey = x.mean(1, keepdim=True)
    x = torch.lerp(grey, x, column([c.saturation for c in changes])).clamp_(0, 255)
    order = torch.tensor([c.order for c in changes], device=device)
    x = x[torch.arange(len(changes), device=device)[:, None], order]
    for k in (k for k, change in enumerate(changes) if change.blur_px):
        x[k] = gaussian_blur(x[k], [_BLUR_PX, _BLUR_PX], [changes[k].blur_px, changes[k].blur_px])
    noise = column([c.noise for c in changes])
    return (x + noise * torch.randn(x.shape, device=device, generator=generator)).clamp_(0, 255)
