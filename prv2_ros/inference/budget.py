"""Anytime inference: which tiles are worth refining first, and how many fit into a latency budget.

Shapes: H and W image pixels, h and w cells of a coarse map.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from prv2_ros.geometry.tiles import Tile, TileGrid
from prv2_ros.inference.clock import StageClock
from prv2_ros.inference.regions import Region, check_region
from prv2_ros.network.align import upsample_to
from prv2_ros.network.coarse_lite import CoarseOutput

_REMEMBERED = 31

_PATIENCE_FRAMES = 4
"""Frames without the work after which it is tried again; doubled with each try that shows it to be too slow still."""

_LONGEST_PATIENCE_FRAMES = 128

_CONTRAST_WEIGHT = 0.8
"""What the image's contrast (0..1) counts beside the spread of the log depth (`benchmarks/anytime.py`)."""


@dataclass
class _Memory:
    """What is known of one kind of work."""

    times_ms: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    settled: bool = False
    """Whether the times are the work's own; a first time may be that of a start (CUDA, a compiler)."""

    idle: int = 0
    """Frames in a row that had time, but not enough for this work."""

    patience: int = _PATIENCE_FRAMES


class CostModel:
    """Time that a piece of work takes, predicted from the same work in the past (median of the last ones).

    Work that is too slow for its budget is not done, so that its times would never be contradicted: now and then they
    are forgotten, and it is tried again.
    """

    def __init__(self) -> None:
        self._known: defaultdict[Hashable, _Memory] = defaultdict(_Memory)

    def observe(self, work: Hashable, time_ms: float) -> None:
        """Take a measured time (ms). The first one counts only until the next."""
        memory = self._known[work]
        memory.idle = 0
        if memory.settled:
            memory.patience = _PATIENCE_FRAMES
        else:
            memory.settled = bool(memory.times_ms)
            memory.times_ms.clear()
        memory.times_ms.append(time_ms)

    def predict(self, work: Hashable) -> float:
        """Time (ms) that the work will take; 0 for what was never measured, so that it is tried and then known."""
        times_ms = self._known[work].times_ms
        return median(times_ms) if times_ms else 0.0

    def fitting(self, work: Hashable, left_ms: float, most: int) -> int:
        """Pieces of the work that fit into a time (ms), `most` at most; one of what is not known yet."""
        if left_ms <= 0:
            return 0
        cost_ms = self.predict(work)
        return min(most, int(left_ms / cost_ms)) if cost_ms else 1

    def note_idle(self, work: Hashable) -> None:
        """Take note of a frame that had time left, but not enough for any of the work."""
        memory = self._known[work]
        memory.idle += 1
        if memory.idle >= memory.patience:
            longer = min(2 * memory.patience, _LONGEST_PATIENCE_FRAMES)
            self._known[work] = _Memory(patience=longer)


def in_time(
    costs: CostModel,
    tiles: Sequence[Tile],
    work: Hashable,
    clock: StageClock,
    until_ms: float,
    most: Callable[[], int],
) -> Iterator[Sequence[Tile]]:
    """Yield batches that should be refined before a time on the clock, and learn from each what a tile costs.

    Args:
        costs: predicts, and is told what each batch took.
        tiles: best first.
        work: name of a tile's work.
        clock: of the frame.
        until_ms: time on it by which the last batch should be done.
        most: gives the largest batch, which may change meanwhile.

    """
    count = 0
    while count < len(tiles):
        start_ms = clock.elapsed_ms()
        room = costs.fitting(work, until_ms - start_ms, most())
        if not room:
            if not count and start_ms < until_ms:
                costs.note_idle(work)
            return
        batch = tiles[count : count + room]
        yield batch
        costs.observe(work, (clock.elapsed_ms() - start_ms) / len(batch))
        count += len(batch)


def gain_map(coarse: CoarseOutput, image_13hw: Tensor) -> Tensor:
    """How much refining is worth at each cell of the coarse features, (h, w): edges where the coarse depth is unsure.

    The refiner moves depth across edges, so that its gain is the smear of an edge: the spread of the coarse log depth
    over a neighbourhood. What the coarse network missed leaves no smear, but an edge in the image, whose contrast
    counts beside it. Both are weighed by the coarse network's own expectation of its error.

    Args:
        coarse: what the coarse network said of the image.
        image_13hw: RGB in 0..1 at network size, as the coarse network saw it.

    """
    size_hw = (coarse.features_BChw.shape[-2], coarse.features_BChw.shape[-1])
    spread = _spread(upsample_to(coarse.log_depth_B1hw.float(), size_hw))
    contrast = F.adaptive_avg_pool2d(_spread(image_13hw.float().mean(1, keepdim=True)), size_hw)
    gain: Tensor = ((spread + _CONTRAST_WEIGHT * contrast) * torch.exp(coarse.log_scale_B1hw.float()))[0, 0]
    return gain


def _spread(x_11hw: Tensor) -> Tensor:
    """Largest less smallest value over the 3x3 around each cell."""
    return F.max_pool2d(x_11hw, 3, 1, 1) + F.max_pool2d(-x_11hw, 3, 1, 1)


def rank_tiles(
    grid: TileGrid, image_hw: tuple[int, int], gain_hw: Tensor, regions: Sequence[Region] = ()
) -> list[Tile]:
    """Order tiles by what refining them is worth: those that touch a region of interest first, then by gain.

    Args:
        grid: tiles of an image of `image_hw` px.
        image_hw: height and width of the image (px).
        gain_hw: gain a cell, over the whole image.
        regions: regions of interest; parts outside the image count for nothing.

    Raises:
        ConfigError: a region of other than four numbers, or an empty one.

    """
    for region in regions:
        check_region(region)
    rows, columns = gain_hw.shape
    total = F.pad(gain_hw.double().cumsum(0).cumsum(1), (1, 0, 1, 0)).cpu()  # summed-area table

    def gain(tile: Tile) -> float:
        (top, bottom), (left, right) = grid.y.used(tile.row), grid.x.used(tile.column)
        y0, y1 = (round(y * rows / image_hw[0]) for y in (top, bottom))
        x0, x1 = (round(x * columns / image_hw[1]) for x in (left, right))
        return float(total[y1, x1] - total[y0, x1] - total[y1, x0] + total[y0, x0])

    def wanted(tile: Tile) -> bool:
        (top, bottom), (left, right) = grid.y.used(tile.row), grid.x.used(tile.column)
        return any(x < right and left < x + w and y < bottom and top < y + h for x, y, w, h in regions)

    return sorted(grid, key=lambda tile: (not wanted(tile), -gain(tile)))
