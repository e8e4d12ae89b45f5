"""Confidence intervals of a mean over frames, by resampling blocks of successive frames.

Successive frames of a drive resemble one another, so drawing single frames would make the interval too narrow. The
circular block bootstrap (Politis and Romano, 1992) draws runs of successive frames of one camera instead, from all
cameras alike. The interval says how far the mean could move had the same drive gone slightly otherwise; it knows
nothing of other places, weather or cars, and takes two cameras at one instant as independent.

Runs are as long as the memory of each score asks for (`block_length`). Where that is long beside the drive, the
interval is too narrow all the same: of 2,000 series of noise in which successive frames correlate by 0.7, 0.9 and 0.95
(first-order autoregressive), intervals of 95% hold the true mean in 87%, 79% and 70% where one camera has 200 frames,
and in 90%, 87% and 81% where it has 600. Runs of the cube root of the number of frames, whatever the memory, would hold
it in 84%, 64% and 49%, and in 88%, 73% and 59%.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import ConfigError

MIN_FRAMES = 5
"""Fewer frames than this have no interval."""

_MOST_AT_ONCE = 4_000_000

_QUIET = 5
"""Autocorrelations in a row that must be noise; the rule of Politis and White gives 5 below 10^25 frames."""


@dataclass(frozen=True, kw_only=True)
class BootstrapConfig:
    """How intervals are drawn."""

    confidence: float = 0.95
    """Share of resampled means that the interval holds."""

    resamples: int = 2000
    """Resampled sets of frames."""

    block_frames: int | None = None
    """Successive frames that are drawn together, at most the mean number of frames of a camera; 1 treats frames as
    independent. None chooses for each score by itself, see `block_length`."""

    seed: int = 0
    """The same seed and scores give the same interval."""

    def __post_init__(self) -> None:
        if not 0 < self.confidence < 1:
            raise ConfigError(f"confidence {self.confidence}: must lie between 0 and 1, such as 0.95")
        if self.resamples < 100:
            raise ConfigError(f"resamples {self.resamples}: at least 100, or the interval's ends are noise")
        if self.block_frames is not None and self.block_frames < 1:
            raise ConfigError(f"block_frames {self.block_frames}: at least 1, or none to choose it from the scores")


def mean_intervals(
    values: NDArray[np.float64], lengths: Sequence[int], config: BootstrapConfig | None = None
) -> NDArray[np.float64]:
    """Interval of the mean of every column; that of one column does not depend on the others.

    Args:
        values: (N, M) one row a frame, sorted by bag, camera and stamp; NaN where a frame lacks a score.
        lengths: frames of each camera of each bag, in that order; they sum to N.
        config: how to draw.

    Returns:
        (2, M) lower and upper ends; NaN where fewer than `MIN_FRAMES` frames have the score.

    """
    config = config or BootstrapConfig()
    assert values.shape[0] == sum(lengths), "every frame belongs to one camera"
    ends = np.full((2, values.shape[1]), np.nan)
    enough = np.isfinite(values).sum(axis=0) >= MIN_FRAMES
    if not enough.any():
        return ends
    chosen = [config.block_frames or block_length(scores, lengths) for scores in values.T]
    blocks = np.minimum(chosen, round(len(values) / len(lengths)))
    tail = 50 * (1 - config.confidence)
    for block in np.unique(blocks[enough]):
        columns = enough & (blocks == block)
        drawn = _resampled_means(values[:, columns], lengths, int(block), config)
        # A draw may hold no frame with the score; rare, and slow to allow for.
        percentile = np.nanpercentile if np.isnan(drawn).any() else np.percentile
        ends[:, columns] = percentile(drawn, (tail, 100 - tail), axis=0)
    return ends


def block_length(scores: NDArray[np.float64], lengths: Sequence[int]) -> int:
    """Frames that a block should hold, from how long the score remembers.

    The rule of Politis and White (Econometric Reviews 23, 2004) for the circular bootstrap; the correction of Patton,
    Politis and White (2009) leaves that case as it was. It weighs the bias of short blocks against the noise of few:
    (1.5 (G / g)^2 n)^(1/3) frames, where g is the sum of the autocovariances and G that of the autocovariances times
    their distance, both up to where the autocorrelation has died away. Autocovariances are taken within each camera of
    each bag about its own mean, and summed: what sets two cameras apart for good is no memory.

    Args:
        scores: (N,) one score of every frame, in the order of `mean_intervals`; NaN where a frame lacks it. Frames on
            either side of a gap count as successive.
        lengths: frames of each camera of each bag; they sum to N.

    Returns:
        1 or more, rounded up; at most 3 sqrt(n) as in the paper, and a third of the frames that a camera has on
        average, so that blocks differ.

    """
    parts = [part[np.isfinite(part)] for part in np.split(scores, np.cumsum(lengths)[:-1])]
    parts = [part - part.mean() for part in parts if part.size]
    count = sum(part.size for part in parts)
    most = min(3 * math.sqrt(count), count / len(parts) / 3) if parts else 1.0
    if most <= 1:
        return 1
    covariance = _autocovariance(parts)
    if covariance[0] == 0:
        return 1
    reach = 2 * _last_correlated(covariance / covariance[0], count)
    covariance = np.pad(covariance, (0, reach + 1))[: reach + 1]
    distance = np.arange(reach + 1)
    # Full weight up to half the reach, then down to nothing; every distance but 0 counts in both directions.
    weighted = np.minimum(1, 2 * (1 - distance / reach)) * covariance
    total = 2 * weighted.sum() - weighted[0]
    if total == 0:
        return math.ceil(most)
    slope = float(2 * (weighted * distance).sum() / total)
    best = float((1.5 * slope**2 * count) ** (1 / 3))
    return max(1, math.ceil(min(best, most)))


def _autocovariance(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Autocovariance at distances 0, 1, ... of parts whose means are zero: no pair spans two of them."""
    total = np.zeros(max(part.size for part in parts))
    for part in parts:
        spectrum = np.fft.rfft(part, 2 * part.size)  # padded, so that the end does not meet the beginning
        total[: part.size] += np.fft.irfft(np.abs(spectrum) ** 2, 2 * part.size)[: part.size]
    return total / sum(part.size for part in parts)


def _last_correlated(correlation: NDArray[np.float64], count: int) -> int:
    """Distance (frames) after which `_QUIET` autocorrelations in a row are noise: 1 at least, at most the paper's."""
    noise = 2 * math.sqrt(math.log10(count) / count)
    most = math.ceil(math.sqrt(count)) + _QUIET
    quiet = np.abs(np.pad(correlation, (0, most + _QUIET))) < noise
    return max(1, next((k for k in range(most) if quiet[k + 1 : k + 1 + _QUIET].all()), most))


def _resampled_means(
    values: NDArray[np.float64], lengths: Sequence[int], block: int, config: BootstrapConfig
) -> NDArray[np.float64]:
    """Means (R, M) of resamples of (N, M) scores, N frames each in blocks; NaN where no drawn frame has the score."""
    count = len(values)
    blocks = -(-count // block)
    rest = count - (blocks - 1) * block  # of the last block, so that every resample has as many frames
    known = np.isfinite(values)
    tables = (np.where(known, values, 0.0), known.astype(np.float64))
    sums = [[_block_sums(table, lengths, size) for size in (block, rest)] for table in tables]
    generator = np.random.default_rng(config.seed)
    at_once = max(1, _MOST_AT_ONCE // (blocks * values.shape[1]))
    means = []
    for begin in range(0, config.resamples, at_once):
        starts = generator.integers(0, count, (min(at_once, config.resamples - begin), blocks))
        total, counted = (whole[starts[:, :-1]].sum(axis=1) + last[starts[:, -1]] for whole, last in sums)
        means.append(np.divide(total, counted, out=np.full_like(total, np.nan), where=counted > 0))
    return np.concatenate(means)


def _block_sums(values: NDArray[np.float64], lengths: Sequence[int], block: int) -> NDArray[np.float64]:
    """Sums (N, M) over the block that begins at each frame.

    A block that runs past its camera's last frame goes on with the first, so every frame is equally likely.
    """
    sums = []
    for part in np.split(values, np.cumsum(lengths)[:-1]):
        rounds, rest = divmod(block, len(part))
        running = np.cumsum(np.concatenate([np.zeros_like(part[:1]), part, part[:rest]]), axis=0)
        sums.append(rounds * part.sum(axis=0) + running[rest : rest + len(part)] - running[: len(part)])
    return np.concatenate(sums)
