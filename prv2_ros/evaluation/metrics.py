"""Scores of a depth map against its truth, pixel by pixel, and the alignments made before scoring.

Conventions shared by every function here:

- Depths are arrays of one common shape, in metres along the optical axis (z forward).
- A truth pixel counts where it is finite and above zero, so sky (+inf), holes (NaN) and "no return" (0) drop out.
- A prediction pixel counts where it is finite. `coverage` says how much of the truth was predicted at all;
  report it beside the rest, for a model that answers only where it is sure scores better than it is.
- Ratios and logarithms read predictions below `MIN_DEPTH_M` as `MIN_DEPTH_M`: an alignment with a shift may
  leave depths at or below zero.
- A score over no pixel at all is NaN.

Raises:
    InputError: shapes that differ.

"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError

MIN_DEPTH_M = 1e-3
"""Smallest predicted depth that ratios and logarithms see (m)."""

DepthArray = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]
_Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def valid_mask(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> Mask:
    """Pixels that count: truth finite and > 0, prediction finite, and `mask` (same shape) where one is given."""
    if prediction_m.shape != truth_m.shape or (mask is not None and mask.shape != truth_m.shape):
        shapes = f"prediction {prediction_m.shape}, truth {truth_m.shape}"
        raise InputError(f"{shapes}{'' if mask is None else f', mask {mask.shape}'}: all must have one shape")
    valid = np.isfinite(truth_m) & (truth_m > 0) & np.isfinite(prediction_m)
    return np.asarray(valid if mask is None else valid & mask, np.bool_)


def coverage(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Share of the truth pixels (0..1) for which there is a prediction."""
    predicted = int(np.count_nonzero(valid_mask(prediction_m, truth_m, mask)))
    known = int(np.count_nonzero(valid_mask(np.ones_like(truth_m), truth_m, mask)))
    return predicted / known if known else float("nan")


def _pairs(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None) -> _Pair:
    valid = valid_mask(prediction_m, truth_m, mask)
    return prediction_m[valid].astype(np.float64), truth_m[valid].astype(np.float64)


def _log_difference(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None) -> NDArray[np.float64]:
    prediction, truth = _pairs(prediction_m, truth_m, mask)
    return np.asarray(np.log(np.maximum(prediction, MIN_DEPTH_M)) - np.log(truth), np.float64)


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else float("nan")


def mae_m(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Mean absolute error (m)."""
    prediction, truth = _pairs(prediction_m, truth_m, mask)
    return _mean(np.abs(prediction - truth))


def abs_rel(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Mean of |prediction - truth| / truth."""
    prediction, truth = _pairs(prediction_m, truth_m, mask)
    return _mean(np.abs(prediction - truth) / truth)


def sq_rel_m(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Mean of (prediction - truth)^2 / truth (m)."""
    prediction, truth = _pairs(prediction_m, truth_m, mask)
    return _mean((prediction - truth) ** 2 / truth)


def rmse_m(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Root of the mean squared error (m)."""
    prediction, truth = _pairs(prediction_m, truth_m, mask)
    return float(np.sqrt(_mean((prediction - truth) ** 2)))


def rmse_log(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Root of the mean squared difference of natural logarithms."""
    return float(np.sqrt(_mean(_log_difference(prediction_m, truth_m, mask) ** 2)))


def log10_error(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Mean absolute difference of base 10 logarithms."""
    return _mean(np.abs(_log_difference(prediction_m, truth_m, mask)) / np.log(10.0))


def silog(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Scale-invariant logarithmic error: 100 times the standard deviation of the log difference (KITTI's form)."""
    difference = _log_difference(prediction_m, truth_m, mask)
    return 100.0 * float(difference.std()) if difference.size else float("nan")


def delta(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None, *, power: int = 1) -> float:
    """Share of pixels (0..1) with max(prediction / truth, truth / prediction) < 1.25 ** power."""
    difference = _log_difference(prediction_m, truth_m, mask)
    return _mean(np.abs(difference) < power * np.log(1.25))


def delta1(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Share of pixels (0..1) within a factor of 1.25."""
    return delta(prediction_m, truth_m, mask, power=1)


def delta2(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Share of pixels (0..1) within a factor of 1.25^2."""
    return delta(prediction_m, truth_m, mask, power=2)


def delta3(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Share of pixels (0..1) within a factor of 1.25^3."""
    return delta(prediction_m, truth_m, mask, power=3)


def log_depth_correlation(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Pearson correlation of the logarithms of depth (-1..1); NaN where one of the two is constant."""
    prediction, truth = _pairs(prediction_m, truth_m, mask)
    if prediction.size < 2:
        return float("nan")
    p = np.log(np.maximum(prediction, MIN_DEPTH_M))
    t = np.log(truth)
    # A constant's spread is rounding noise, not zero; anything below float32's resolution is constant.
    if p.std() < 1e-7 or t.std() < 1e-7:
        return float("nan")
    return float(((p - p.mean()) * (t - t.mean())).mean() / (p.std() * t.std()))


def median_scale(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Factor that brings the prediction's median onto the truth's; NaN where no pixel counts."""
    prediction, truth = _pairs(prediction_m, truth_m, mask)
    if not prediction.size:
        return float("nan")
    return float(np.median(truth) / max(float(np.median(prediction)), MIN_DEPTH_M))


def scale_and_shift(
    prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None, *, relative: bool = False
) -> tuple[float, float]:
    """Scale and shift (m) with the least squared error of `scale * prediction + shift` in depth.

    In depth, not in inverse depth as affine-invariant disparity models are scored: this package predicts
    metres. `relative` minimises the squared error divided by the truth, so that far pixels do not decide the
    fit of near ones. A constant prediction gets scale 0 and, as shift, the (weighted) mean of the truth; no
    pixel at all gives NaN twice.
    """
    prediction, truth = _pairs(prediction_m, truth_m, mask)
    if not prediction.size:
        return float("nan"), float("nan")
    weight = 1 / truth**2 if relative else np.ones_like(truth)
    weight /= weight.sum()
    mean_prediction, mean_truth = float(weight @ prediction), float(weight @ truth)
    centred = prediction - mean_prediction
    variance = float(weight @ centred**2)
    if np.sqrt(variance) < 1e-7 * max(abs(mean_prediction), MIN_DEPTH_M):
        return 0.0, mean_truth
    scale = float(weight @ (centred * (truth - mean_truth))) / variance
    return scale, mean_truth - scale * mean_prediction


def align_median_scale(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> DepthArray:
    """Return the prediction times `median_scale`, in metres, same shape."""
    return prediction_m * median_scale(prediction_m, truth_m, mask)


def align_scale_and_shift(
    prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None, *, relative: bool = False
) -> DepthArray:
    """Return the prediction after `scale_and_shift`, in metres, same shape; may hold depths at or below zero."""
    scale, shift_m = scale_and_shift(prediction_m, truth_m, mask, relative=relative)
    return scale * prediction_m + shift_m


METRICS: dict[str, Callable[[DepthArray, DepthArray, Mask | None], float]] = {
    "abs_rel": abs_rel,
    "sq_rel_m": sq_rel_m,
    "mae_m": mae_m,
    "rmse_m": rmse_m,
    "rmse_log": rmse_log,
    "log10_error": log10_error,
    "silog": silog,
    "delta1": delta1,
    "delta2": delta2,
    "delta3": delta3,
    "log_depth_correlation": log_depth_correlation,
    "coverage": coverage,
}
"""Every score of a depth map as it is, by the name reports use."""


def score_depth(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> dict[str, float]:
    """All of `METRICS`, and AbsRel and delta1 after each alignment.

    Suffixes: `_median` after `align_median_scale`, `_affine` after `align_scale_and_shift`, `_affine_relative`
    after the same with `relative`.
    """
    valid = valid_mask(prediction_m, truth_m, mask)
    # Once picked out, the pixels that count need no picking by each score again.
    prediction, truth = prediction_m[valid].astype(np.float64), truth_m[valid].astype(np.float64)
    scores = {name: metric(prediction, truth, None) for name, metric in METRICS.items()}
    scores["coverage"] = coverage(prediction_m, truth_m, mask)
    aligned = {
        "median": align_median_scale(prediction, truth),
        "affine": align_scale_and_shift(prediction, truth),
        "affine_relative": align_scale_and_shift(prediction, truth, relative=True),
    }
    for name, depth_m in aligned.items():
        scores[f"abs_rel_{name}"] = abs_rel(depth_m, truth)
        scores[f"delta1_{name}"] = delta1(depth_m, truth)
    return scores
