"""What no network is needed for: the simplest answers, fitted to the truth of the very frame that they are scored on.

A model that does worse than these after an alignment has not seen the scene. They know the truth, so that a plain
metric score above them is no shame, and one below them is a feat.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MOST_PIXELS = 40_000
_ROUNDS = 20


def floors(truth_m: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Depths (H, W) in metres by name: `best constant` and `best plane` of this frame.

    Args:
        truth_m: (H, W) depth along z; not finite or not positive means unknown. Without a known pixel all is NaN.

    """
    known = np.isfinite(truth_m) & (truth_m > 0)
    if not known.any():
        return dict.fromkeys(("best constant", "best plane"), np.full_like(truth_m, np.nan))
    return {
        "best constant": np.full_like(truth_m, best_constant_m(truth_m[known])),
        "best plane": best_plane_m(truth_m, known),
    }


def best_constant_m(truth_m: NDArray[np.float32]) -> float:
    """Constant c with the least mean of |c - t| / t over (N,) depths t: their median with weights 1 / t."""
    ordered = np.sort(truth_m.astype(np.float64))
    weight = np.cumsum(1 / ordered)
    return float(ordered[np.searchsorted(weight, weight[-1] / 2)])


def best_plane_m(truth_m: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Depth (H, W) whose inverse is linear in the pixel's place, as a plane in space has it.

    Looks for the least mean of |z - t| / t over at most `_MOST_PIXELS` of the known pixels, evenly spread, by
    reweighted least squares from the best constant on, and keeps the best plane of all rounds: it is never worse than
    the constant. Never farther than the farthest truth: at its horizon a plane is infinitely far.
    """
    v, u = np.nonzero(known)
    step = -(-len(v) // _MOST_PIXELS)
    v, u = v[::step], u[::step]
    t = truth_m[v, u].astype(np.float64)
    places = _places(v, u, truth_m.shape)
    least = 1 / float(truth_m[known].max())
    plane = best = np.array([0, 0, 1 / best_constant_m(truth_m[known])])
    best_error = np.inf
    for _ in range(_ROUNDS):
        ratio = np.maximum(places @ plane, least) * t  # t / z
        error = float(np.mean(np.abs(1 / ratio - 1)))
        if error < best_error:
            best, best_error = plane, error
        # |z / t - 1| = |ratio - 1| / ratio: least squares in the ratio, which is linear, weighted by the last round.
        weight = np.sqrt(1 / (ratio * np.maximum(np.abs(ratio - 1), 1e-3)))
        plane = np.linalg.lstsq(places * (t * weight)[:, None], weight, rcond=None)[0]
    height, width = truth_m.shape
    v, u = np.mgrid[:height, :width]
    inverse = np.maximum(_places(v.ravel(), u.ravel(), truth_m.shape) @ best, least)
    depth_m: NDArray[np.float32] = (1 / inverse).reshape(height, width).astype(np.float32)
    return depth_m


def _places(v: NDArray[np.int64], u: NDArray[np.int64], size_hw: tuple[int, ...]) -> NDArray[np.float64]:
    """Rows (u, v, 1) with both coordinates in -0.5..0.5, so that the fit is well conditioned."""
    height, width = size_hw
    return np.stack([u / width - 0.5, v / height - 0.5, np.ones(len(u))], -1)
