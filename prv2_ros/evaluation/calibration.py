"""Whether confidence means what it says: confidence = exp(-expected |log depth error|).

So a confidence c promises a mean |log(prediction / truth)| of b = -ln(c), the scale of a Laplace distribution. A
frame's pixels are counted in fixed bins of b (`calibration_counts`), and counts of many frames add up, so that deciles
over a whole drive need no pixels to be kept (`merge_counts`, `calibrate`).

AUSE, the area under the sparsification error, is that of Ilg et al., "Uncertainty Estimates and Multi-Hypotheses
Networks for Optical Flow", 2018: pixels are removed in order of confidence, and the mean error of the rest is compared
with that of removing them in order of their true error. 0 is a perfect order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.evaluation.metrics import MIN_DEPTH_M, DepthArray, valid_mask

BIN_EDGES: NDArray[np.float64] = np.concatenate([[0.0], np.geomspace(1e-3, 10.0, 120), [np.inf]])
"""Edges of the bins of b: about 8% wide each."""

SPARSIFICATION_STEPS = 20
"""Steps of the sparsification curves, each of the same share of the pixels."""

_PARTS = ("count", "predicted_sum", "error_sum")

Counts = Mapping[str, Sequence[float]]
"""Pixels, sum of b and sum of |log error|, bin by bin."""


def calibration_counts(prediction_m: DepthArray, truth_m: DepthArray, confidence: DepthArray) -> dict[str, list[float]]:
    """Counts of one frame; pixels without truth, prediction or a confidence in (0, 1] drop out.

    Raises:
        InputError: shapes that differ.

    """
    b, error = _pairs(prediction_m, truth_m, confidence)
    index = np.digitize(b, BIN_EDGES[1:-1])
    size = len(BIN_EDGES) - 1
    parts = (None, b, error)
    return {
        name: np.bincount(index, weights, size).astype(np.float64).tolist()
        for name, weights in zip(_PARTS, parts, strict=True)
    }


def merge_counts(frames: Iterable[Counts]) -> dict[str, list[float]]:
    """Counts of all frames together."""
    total = np.zeros((len(_PARTS), len(BIN_EDGES) - 1))
    for counts in frames:
        total += np.array([counts[name] for name in _PARTS])
    return {name: row.tolist() for name, row in zip(_PARTS, total, strict=True)}


def calibrate(counts: Counts) -> dict[str, Any]:
    """Error by decile of confidence, predicted against actual scale in five bins, and the error of calibration.

    Returns:
        `deciles` and `fifths`, least confident first: mean `confidence`, mean `predicted` and `actual` |log error| of
        equally many pixels each (a bin that straddles two is split in proportion); `error`, the mean
        |log(actual / predicted)| over the fifths; `pixels`. Empty where no pixel has a confidence.

    """
    if not sum(counts["count"]):
        return {}
    fifths = _quantiles(counts, 5)
    ratios = [abs(np.log(row["actual"] / row["predicted"])) for row in fifths if row["actual"] > 0 < row["predicted"]]
    return {
        "deciles": _quantiles(counts, 10),
        "fifths": fifths,
        "error": float(np.mean(ratios)) if ratios else float("nan"),
        "pixels": round(sum(counts["count"])),
    }


def ause(prediction_m: DepthArray, truth_m: DepthArray, confidence: DepthArray) -> float:
    """Area under the sparsification error of |log error|, as a share of the mean error; NaN where nothing counts.

    Raises:
        InputError: shapes that differ.

    """
    b, error = _pairs(prediction_m, truth_m, confidence)
    if not error.size or not error.any():
        return float("nan")
    by_confidence = _sparsification(error[np.argsort(b, kind="stable")])
    by_error = _sparsification(np.sort(error))
    return float(np.mean(by_confidence - by_error) / error.mean())


def _pairs(
    prediction_m: DepthArray, truth_m: DepthArray, confidence: DepthArray
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Scale b and |log error| of the pixels that count."""
    with np.errstate(invalid="ignore"):
        known = (confidence > 0) & (confidence <= 1)
    valid = valid_mask(prediction_m, truth_m, np.asarray(known, np.bool_))
    prediction = np.maximum(prediction_m[valid].astype(np.float64), MIN_DEPTH_M)
    error = np.abs(np.log(prediction) - np.log(truth_m[valid].astype(np.float64)))
    return np.abs(np.log(confidence[valid].astype(np.float64))), np.asarray(error, np.float64)


def _sparsification(error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean of the first 1/n, 2/n, ... n/n of the errors, best first."""
    kept = np.ceil(np.arange(1, SPARSIFICATION_STEPS + 1) * error.size / SPARSIFICATION_STEPS).astype(np.int64)
    return np.asarray(np.cumsum(error)[kept - 1] / kept, np.float64)


def _quantiles(counts: Counts, parts: int) -> list[dict[str, float]]:
    """Means over `parts` equal shares of the pixels, least confident (largest b) first."""
    count, predicted, error = (np.array(counts[name])[::-1] for name in _PARTS)
    ends = np.concatenate([[0.0], np.cumsum(count)])
    rows = []
    for part in range(parts):
        low, high = ends[-1] * part / parts, ends[-1] * (part + 1) / parts
        inside = np.clip(np.minimum(ends[1:], high) - np.maximum(ends[:-1], low), 0, None)
        share = np.divide(inside, count, out=np.zeros_like(count), where=count > 0)
        mean_b = float(share @ predicted / inside.sum())
        rows.append(
            {
                "confidence": float(np.exp(-mean_b)),
                "predicted": mean_b,
                "actual": float(share @ error / inside.sum()),
            }
        )
    return rows
