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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError

MIN_DEPTH_M = 1e-3
"""Smallest predicted depth that ratios and logarithms see (m)."""

DepthArray = NDArray[np.floating[Any]]
Mask = NDArray[np.bool_]


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


@dataclass(frozen=True)
class _Pixels:
    """The pixels that count, (N,) float64; what several scores need is worked out once."""

    prediction_m: NDArray[np.float64]
    truth_m: NDArray[np.float64]

    @classmethod
    def of(cls, prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None) -> _Pixels:
        valid = valid_mask(prediction_m, truth_m, mask)
        return cls(prediction_m[valid].astype(np.float64), truth_m[valid].astype(np.float64))

    @cached_property
    def error_m(self) -> NDArray[np.float64]:
        return self.prediction_m - self.truth_m

    @cached_property
    def absolute_m(self) -> NDArray[np.float64]:
        return np.abs(self.error_m)

    @cached_property
    def log_prediction(self) -> NDArray[np.float64]:
        return np.asarray(np.log(np.maximum(self.prediction_m, MIN_DEPTH_M)), np.float64)

    @cached_property
    def log_truth(self) -> NDArray[np.float64]:
        return np.asarray(np.log(self.truth_m), np.float64)

    @cached_property
    def log_error(self) -> NDArray[np.float64]:
        return self.log_prediction - self.log_truth


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    return float(values.mean()) if values.size else float("nan")


def _within(pixels: _Pixels, power: int) -> float:
    return _mean(np.abs(pixels.log_error) < power * np.log(1.25))


def _log_correlation(pixels: _Pixels) -> float:
    if pixels.truth_m.size < 2:
        return float("nan")
    p, t = pixels.log_prediction, pixels.log_truth
    # A constant's spread is rounding noise, not zero; anything below float32's resolution is constant.
    if p.std() < 1e-7 or t.std() < 1e-7:
        return float("nan")
    return float(((p - p.mean()) * (t - t.mean())).mean() / (p.std() * t.std()))


_FORMULAS: dict[str, Callable[[_Pixels], float]] = {
    "abs_rel": lambda pixels: _mean(pixels.absolute_m / pixels.truth_m),
    "sq_rel_m": lambda pixels: _mean(pixels.error_m**2 / pixels.truth_m),
    "mae_m": lambda pixels: _mean(pixels.absolute_m),
    "rmse_m": lambda pixels: float(np.sqrt(_mean(pixels.error_m**2))),
    "rmse_log": lambda pixels: float(np.sqrt(_mean(pixels.log_error**2))),
    "log10_error": lambda pixels: _mean(np.abs(pixels.log_error)) / float(np.log(10.0)),
    "silog": lambda pixels: 100.0 * float(pixels.log_error.std()) if pixels.log_error.size else float("nan"),
    "delta1": lambda pixels: _within(pixels, 1),
    "delta2": lambda pixels: _within(pixels, 2),
    "delta3": lambda pixels: _within(pixels, 3),
    "log_depth_correlation": _log_correlation,
}


def mae_m(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Mean absolute error (m)."""
    return _FORMULAS["mae_m"](_Pixels.of(prediction_m, truth_m, mask))


def abs_rel(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Mean of |prediction - truth| / truth."""
    return _FORMULAS["abs_rel"](_Pixels.of(prediction_m, truth_m, mask))


def sq_rel_m(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Mean of (prediction - truth)^2 / truth (m)."""
    return _FORMULAS["sq_rel_m"](_Pixels.of(prediction_m, truth_m, mask))


def rmse_m(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Root of the mean squared error (m)."""
    return _FORMULAS["rmse_m"](_Pixels.of(prediction_m, truth_m, mask))


def rmse_log(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Root of the mean squared difference of natural logarithms."""
    return _FORMULAS["rmse_log"](_Pixels.of(prediction_m, truth_m, mask))


def log10_error(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Mean absolute difference of base 10 logarithms."""
    return _FORMULAS["log10_error"](_Pixels.of(prediction_m, truth_m, mask))


def silog(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Scale-invariant logarithmic error: 100 times the standard deviation of the log difference (KITTI's form)."""
    return _FORMULAS["silog"](_Pixels.of(prediction_m, truth_m, mask))


def delta(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None, *, power: int = 1) -> float:
    """Share of pixels (0..1) with max(prediction / truth, truth / prediction) < 1.25 ** power."""
    return _within(_Pixels.of(prediction_m, truth_m, mask), power)


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
    return _log_correlation(_Pixels.of(prediction_m, truth_m, mask))


def median_scale(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> float:
    """Factor that brings the prediction's median onto the truth's; NaN where no pixel counts."""
    pixels = _Pixels.of(prediction_m, truth_m, mask)
    if not pixels.truth_m.size:
        return float("nan")
    return float(np.median(pixels.truth_m) / max(float(np.median(pixels.prediction_m)), MIN_DEPTH_M))


def scale_and_shift(
    prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None, *, relative: bool = False
) -> tuple[float, float]:
    """Scale and shift (m) with the least squared error of `scale * prediction + shift` in depth.

    In depth, not in inverse depth as affine-invariant disparity models are scored: this package predicts
    metres. `relative` minimises the squared error divided by the truth, so that far pixels do not decide the
    fit of near ones. A constant prediction gets scale 0 and, as shift, the (weighted) mean of the truth; no
    pixel at all gives NaN twice.
    """
    pixels = _Pixels.of(prediction_m, truth_m, mask)
    prediction, truth = pixels.prediction_m, pixels.truth_m
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

ALIGNMENTS = ("", "_median", "_affine", "_affine_relative")
"""Suffixes of scores: as predicted, after `align_median_scale`, after `align_scale_and_shift`, the same with
`relative`."""


def score_depth(prediction_m: DepthArray, truth_m: DepthArray, mask: Mask | None = None) -> dict[str, float]:
    """All of `METRICS` under each of `ALIGNMENTS`; coverage, which none of them changes, once."""
    pixels = _Pixels.of(prediction_m, truth_m, mask)
    scores = _score(align_all(pixels.prediction_m, pixels.truth_m), pixels.truth_m)
    return scores | {"coverage": coverage(prediction_m, truth_m, mask)}


def score_with_ranges(
    prediction_m: DepthArray, truth_m: DepthArray, ranges_m: Sequence[tuple[float, float]], *, least_px: int = 1
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """`score_depth`, and the same scores of the pixels in each range of true depth [near, far).

    Ranges go by their name (`0-5`) and tell their number of pixels as `truth_px`; one of fewer than `least_px` is left
    out. Alignments are fitted to the whole frame, not to each range: a fit per range would hide an error of scale
    that grows with distance.
    """
    pixels = _Pixels.of(prediction_m, truth_m, None)
    aligned = align_all(pixels.prediction_m, pixels.truth_m)
    by_range = {}
    for near_m, far_m in ranges_m:
        inside = (pixels.truth_m >= near_m) & (pixels.truth_m < far_m)
        count = int(np.count_nonzero(inside))
        if count >= least_px:
            scores = _score({name: depth_m[inside] for name, depth_m in aligned.items()}, pixels.truth_m[inside])
            by_range[f"{near_m:g}-{far_m:g}"] = scores | {"truth_px": float(count)}
    return _score(aligned, pixels.truth_m) | {"coverage": coverage(prediction_m, truth_m)}, by_range


def align_all(prediction_m: DepthArray, truth_m: DepthArray) -> dict[str, DepthArray]:
    """Return the prediction under each of `ALIGNMENTS`, by suffix, in metres."""
    return {
        "": prediction_m,
        "_median": align_median_scale(prediction_m, truth_m),
        "_affine": align_scale_and_shift(prediction_m, truth_m),
        "_affine_relative": align_scale_and_shift(prediction_m, truth_m, relative=True),
    }


def _score(aligned: Mapping[str, DepthArray], truth_m: NDArray[np.float64]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for suffix, depth_m in aligned.items():
        pixels = _Pixels(np.asarray(depth_m, np.float64), truth_m)
        scores |= {f"{name}{suffix}": formula(pixels) for name, formula in _FORMULAS.items()}
    return scores
