"""How steady depth is over time and over tiles: flicker, drift of scale, disagreement of overlapping tiles.

Depths are (H, W) in metres; 0, NaN or +inf where unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.evaluation.metrics import MIN_DEPTH_M, DepthArray, valid_mask
from prv2_ros.types import TileDepth

MIN_DRIFT_S = 30.0
"""A drive shorter than this (s) says nothing of drift per minute: what changes with the scene would be blown up."""

MIN_COMMON_PX = 30
"""Fewer pixels than this with truth in two successive frames say nothing about flicker."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How a model's scale moves over one camera's drive; a scale of 1.1 means that truth is 1.1 times the depth."""

    scale: float
    """Geometric mean of the scales."""

    spread: float
    """Standard deviation of their natural logarithms: 0.05 means about 5%."""

    per_minute: float
    """Slope of the logarithm by Theil and Sen (the median slope of all pairs of frames), 1/min; NaN below 3 frames
    or where the first and the last are less than `MIN_DRIFT_S` apart."""


def flicker(
    prediction_m: DepthArray, truth_m: DepthArray, previous_m: DepthArray, previous_truth_m: DepthArray
) -> float:
    """Mean |change of log(prediction / truth)| from the previous frame to this one, pixel by pixel.

    What moved in the scene or by the camera's own motion changes prediction and truth alike and cancels, so that no
    optical flow is needed; compare the temporal change of Zhang et al., "Exploiting Temporal Consistency for
    Real-Time Video Depth Estimation", ICCV 2019. Noise of the truth counts as flicker. NaN where fewer than
    `MIN_COMMON_PX` pixels have truth in both frames.

    Raises:
        InputError: shapes that differ.

    """
    if previous_m.shape != prediction_m.shape:
        raise InputError(f"previous frame of shape {previous_m.shape}, this one {prediction_m.shape}: must be the same")
    both = valid_mask(prediction_m, truth_m) & valid_mask(previous_m, previous_truth_m)
    if np.count_nonzero(both) < MIN_COMMON_PX:
        return float("nan")
    now = _log_error(prediction_m[both], truth_m[both])
    before = _log_error(previous_m[both], previous_truth_m[both])
    return float(np.abs(now - before).mean())


def scale_drift(stamps_ns: Sequence[int], scales: Sequence[float]) -> Drift:
    """Summarise the scales (median truth over median depth) of one camera's frames; frames without one drop out."""
    known = [(stamp, scale) for stamp, scale in zip(stamps_ns, scales, strict=True) if scale > 0 and np.isfinite(scale)]
    if not known:
        return Drift(scale=float("nan"), spread=float("nan"), per_minute=float("nan"))
    logs = np.log([scale for _, scale in known])
    minutes = np.array([stamp - known[0][0] for stamp, _ in known], np.float64) / 60e9
    slope = _theil_sen_slope(minutes, logs) if 60 * np.ptp(minutes) >= MIN_DRIFT_S else float("nan")
    return Drift(scale=float(np.exp(logs.mean())), spread=float(logs.std()), per_minute=slope)


def _theil_sen_slope(x: NDArray[np.float64], y: NDArray[np.float64], most: int = 1500) -> float:
    step = -(-x.size // most)  # all pairs of a long drive would not fit in memory
    x, y = x[::step], y[::step]
    first, second = np.triu_indices(x.size, 1)
    run = x[second] - x[first]
    usable = run != 0
    if x.size < 3 or not usable.any():
        return float("nan")
    return float(np.median((y[second] - y[first])[usable] / run[usable]))


def tile_consistency(tiles: Sequence[TileDepth]) -> dict[str, float]:
    """How far overlapping tiles disagree where they overlap, each pair of tiles weighing by its pixels.

    `tile_consistency_m` is the mean |depth - depth| in metres, the consistency error of PatchFusion (Li et al., 2024,
    https://arxiv.org/abs/2312.02284); `tile_consistency_log` is the mean |log depth - log depth|. NaN where no two
    tiles overlap.
    """
    total_m = total_log = 0.0
    count = 0
    for one, other in combinations(tiles, 2):
        (y0, y1), (x0, x1) = (
            (max(a, b), min(a + n, b + m))
            for a, b, n, m in (
                (one.y, other.y, one.depth_m.shape[0], other.depth_m.shape[0]),
                (one.x, other.x, one.depth_m.shape[1], other.depth_m.shape[1]),
            )
        )
        if y0 >= y1 or x0 >= x1:
            continue
        a = one.depth_m[y0 - one.y : y1 - one.y, x0 - one.x : x1 - one.x].astype(np.float64)
        b = other.depth_m[y0 - other.y : y1 - other.y, x0 - other.x : x1 - other.x].astype(np.float64)
        known = np.isfinite(a) & np.isfinite(b) & (a > 0) & (b > 0)
        total_m += float(np.abs(a - b)[known].sum())
        total_log += float(np.abs(np.log(a[known]) - np.log(b[known])).sum())
        count += int(np.count_nonzero(known))
    share = 1 / count if count else float("nan")
    return {"tile_consistency_m": total_m * share, "tile_consistency_log": total_log * share}


def _log_error(prediction_m: DepthArray, truth_m: DepthArray) -> NDArray[np.float64]:
    prediction = np.maximum(prediction_m.astype(np.float64), MIN_DEPTH_M)
    return np.asarray(np.log(prediction) - np.log(truth_m.astype(np.float64)), np.float64)
