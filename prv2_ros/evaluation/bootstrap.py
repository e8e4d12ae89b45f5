"""Confidence intervals of a mean over frames, by resampling blocks of successive frames.

Successive frames of a drive resemble one another, so drawing single frames would make the interval too narrow. The
circular block bootstrap (Politis and Romano, 1992) draws runs of successive frames of one camera instead, from all
cameras alike. The interval says how far the mean could move had the same drive gone slightly otherwise; it knows
nothing of other places, weather or cars, and takes two cameras at one instant as independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import ConfigError

MIN_FRAMES = 5
"""Fewer frames than this have no interval."""

_MOST_AT_ONCE = 20_000_000


@dataclass(frozen=True, kw_only=True)
class BootstrapConfig:
    """How intervals are drawn."""

    confidence: float = 0.95
    """Share of resampled means that the interval holds."""

    resamples: int = 2000
    """Resampled sets of frames."""

    block_frames: int | None = None
    """Successive frames that are drawn together; 1 treats frames as independent. None takes the cube root of the mean
    number of frames of a camera, rounded up, the usual rate (Hall, Horowitz and Jing, 1995)."""

    seed: int = 0
    """The same seed and scores give the same interval."""

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ConfigError(f"confidence {self.confidence}: must lie between 0 and 1, such as 0.95")
        if self.resamples < 100:
            raise ConfigError(f"resamples {self.resamples}: at least 100, or the interval's ends are noise")
        if self.block_frames is not None and self.block_frames < 1:
            raise ConfigError(f"block_frames {self.block_frames}: at least 1, or none for the cube root")

    def block_of(self, frames: int) -> int:
        """Length of the blocks where a camera has this many frames."""
        # The tiny step down keeps 8 ** (1 / 3) = 2.0000000000000004 at 2.
        return min(frames, self.block_frames or int(np.ceil(frames ** (1 / 3) - 1e-9)))


def mean_intervals(
    values: NDArray[np.float64], lengths: Sequence[int], config: BootstrapConfig | None = None
) -> NDArray[np.float64]:
    """Interval of the mean of every column.

    Args:
        values: (N, M) one row a frame, sorted by bag, camera and stamp; NaN where a frame lacks a score.
        lengths: frames of each camera of each bag, in that order; they sum to N.
        config: how to draw.

    Returns:
        (2, M) lower and upper ends; NaN where fewer than `MIN_FRAMES` frames have the score.

    """
    config = config or BootstrapConfig()
    assert values.shape[0] == sum(lengths), "every frame belongs to one camera"
    known = np.isfinite(values)
    if values.shape[0] < MIN_FRAMES:
        return np.full((2, values.shape[1]), np.nan)
    filled = np.where(known, values, 0.0)
    generator = np.random.default_rng(config.seed)
    at_once = max(1, _MOST_AT_ONCE // values.shape[0])
    means = []
    for start in range(0, config.resamples, at_once):
        draws = _draw(generator, lengths, min(at_once, config.resamples - start), config)
        counted = draws @ known.astype(np.float64)
        means.append(np.divide(draws @ filled, counted, out=np.full_like(counted, np.nan), where=counted > 0))
    tail = 50 * (1 - config.confidence)
    enough = known.sum(axis=0) >= MIN_FRAMES
    ends = np.full((2, values.shape[1]), np.nan)
    drawn = np.concatenate(means)
    gaps = np.isnan(drawn).any(axis=0)  # a draw may hold no frame with the score; rare, and slow to allow for
    for chosen, percentile in ((enough & ~gaps, np.percentile), (enough & gaps, np.nanpercentile)):
        if chosen.any():
            ends[:, chosen] = percentile(drawn[:, chosen], (tail, 100 - tail), axis=0)
    return ends


def _draw(
    generator: np.random.Generator, lengths: Sequence[int], resamples: int, config: BootstrapConfig
) -> NDArray[np.float64]:
    """How often each frame is drawn in each resample, (R, N)."""
    count = sum(lengths)
    block = config.block_of(round(count / len(lengths)))
    length = np.repeat(lengths, lengths)
    begin = np.repeat(np.cumsum(lengths) - lengths, lengths)
    starts = generator.integers(0, count, (resamples, -(-count // block)))
    # A block that runs past its camera's last frame goes on with the first, so every frame is equally likely.
    within = (starts - begin[starts])[..., None] + np.arange(block)
    frames = (begin[starts][..., None] + within % length[starts][..., None]).reshape(resamples, -1)[:, :count]
    flat = frames + count * np.arange(resamples)[:, None]
    return np.bincount(flat.ravel(), minlength=resamples * count).reshape(resamples, count).astype(np.float64)
