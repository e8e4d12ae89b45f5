"""How good a depth could become by sharpening alone: the truth's edges, the depth's own error of every surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from prv2_ros.evaluation.edges import edge_zone

_REACH = 1 / 15
"""How far like pixels lend their error, as a share of the width."""

_STEPS = 3
"""Pixels that lend lie on a grid of (2 * steps + 1) squared places around each pixel."""

_LIKE = 0.1
"""Log depths that differ by less are one surface."""

_SMEAR = 1 / 60
"""How far from an edge of the truth a depth may be a mixture of both sides, as a share of the width."""

_SMEARED_TRUST = 0.02
"""Weight of an error so near to an edge; it decides only where nothing else of the surface is in reach."""


def with_perfect_edges(depth_m: NDArray[np.float32], truth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the depth the truth's edges, and leave its error wherever it is not a matter of edges.

    Log errors are averaged over surroundings of like true depth (a bilateral filter guided by the truth; Tomasi and
    Manduchi, ICCV 1998), and hardly from next to an edge, so that what a soft edge mixes takes the error of its own
    side while a wall that is too far stays so. A refiner that does better than this has mended depths, not edges.

    Args:
        depth_m: (H, W) depth along z, metres; not finite means invalid.
        truth_m: (H, W), likewise.

    Returns:
        (H, W) metres, NaN where either is invalid.

    """
    known = np.isfinite(depth_m) & (depth_m > 0) & np.isfinite(truth_m) & (truth_m > 0)
    log_truth = np.log(np.where(known, truth_m, np.inf), dtype=np.float32)  # unlike any other where unknown
    error = np.log(np.where(known, depth_m, 1.0), dtype=np.float32) - np.where(known, log_truth, 0.0)
    smeared = edge_zone(truth_m, distance_px=max(1, round(depth_m.shape[1] * _SMEAR)))
    trust = known * np.where(smeared, np.float32(_SMEARED_TRUST), np.float32(1.0))
    total, weight = error * trust, trust.copy()
    step = max(1, round(depth_m.shape[1] * _REACH / _STEPS))
    for row in range(-_STEPS, _STEPS + 1):
        for column in range(-_STEPS, _STEPS + 1):
            if row or column:
                _lend(total, weight, log_truth, error, trust, row * step, column * step)
    with np.errstate(invalid="ignore", divide="ignore"):
        sharp: NDArray[np.float32] = np.exp(log_truth + total / weight)
    return np.where(known, sharp, np.float32(np.nan))


def _lend(
    total: NDArray[np.float32],
    weight: NDArray[np.float32],
    log_truth: NDArray[np.float32],
    error: NDArray[np.float32],
    trust: NDArray[np.float32],
    down: int,
    right: int,
) -> None:
    """Add the errors of the pixels `down` rows below and `right` columns beside each pixel, weighted by likeness."""
    to_y, from_y = _overlap(total.shape[0], down)
    to_x, from_x = _overlap(total.shape[1], right)
    to, source = (to_y, to_x), (from_y, from_x)
    with np.errstate(invalid="ignore"):
        unlike = (log_truth[source] - log_truth[to]) / _LIKE
    like = np.nan_to_num(np.maximum(1 - unlike * unlike, 0)) * trust[source]
    total[to] += like * error[source]
    weight[to] += like


def _overlap(size: int, shift: int) -> tuple[slice, slice]:
    """Where pixels have one `shift` further on, and where those lie; both empty where the shift leaves the picture."""
    shift = max(-size, min(size, shift))
    return slice(max(0, -shift), size - max(0, shift)), slice(max(0, shift), size - max(0, -shift))
