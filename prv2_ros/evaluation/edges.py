"""Scores of a depth map near the depth edges of its truth, where upsampled depth is worst.

A depth edge lies between two neighbours (4-connected) whose depths differ by more than a factor of `ratio`. Both
neighbours are edge pixels. Sky (+inf) is a depth beyond every other, so a skyline is an edge; a pixel without
truth (NaN, 0) forms none. A ground plane seen at a grazing angle passes the threshold in the last
1 / (ratio - 1) rows below its horizon; that is part of the definition and the same for every model scored.

"Within k px" means a chessboard distance of at most k from an edge pixel. Depths are (H, W) in metres.

Raises:
    InputError: an array that is not (H, W), shapes that differ, a ratio at or below 1.

"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.evaluation.metrics import DepthArray, Mask, abs_rel, mae_m, valid_mask

EDGE_RATIO = 1.1
"""Neighbours whose depths differ by more than this factor have an edge between them."""

EDGE_DISTANCE_PX = 3
"""Pixels this near to an edge pixel count as near the edge."""

MATCH_DISTANCE_PX = 1
"""An edge pixel of the prediction matches one of the truth up to this distance, and the other way round."""


@dataclass(frozen=True, kw_only=True)
class BoundaryScore:
    """How well the edges of a predicted depth map lie on the edges of the truth (0..1, more is better)."""

    precision: float
    """Share of the predicted edge pixels that lie on an edge of the truth; NaN where none was predicted."""

    recall: float
    """Share of the truth's edge pixels that lie on a predicted edge; NaN where the truth has none."""

    f1: float
    """Harmonic mean of the two; 0 where nothing matches, NaN where the truth has no edge."""


def depth_edges(depth_m: DepthArray, *, ratio: float = EDGE_RATIO) -> Mask:
    """Edge pixels of a depth map, (H, W) bool."""
    _check_map(depth_m)
    if not ratio > 1:
        raise InputError(f"edge ratio {ratio}: must be above 1 (1.1 is a jump of 10%)")
    known = depth_m > 0  # false for NaN, true for +inf
    log_depth = np.full(depth_m.shape, np.nan, np.float32)
    np.log(depth_m, out=log_depth, where=known)
    edges = np.zeros(depth_m.shape, np.bool_)
    threshold = np.float32(np.log(ratio))
    for first, second in ((np.s_[:, :-1], np.s_[:, 1:]), (np.s_[:-1], np.s_[1:])):
        with np.errstate(invalid="ignore"):  # inf - inf inside the sky is NaN, which is no edge
            jump = np.abs(log_depth[first] - log_depth[second]) > threshold
        edges[first] |= jump
        edges[second] |= jump
    return edges


def near(mask: Mask, distance_px: int) -> Mask:
    """Pixels at a chessboard distance of at most `distance_px` from a pixel of the mask, (H, W) bool."""
    size = 2 * distance_px + 1
    kernel: NDArray[Any] = np.ones((size, size), np.uint8)
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), np.bool_)


def edge_zone(truth_m: DepthArray, *, ratio: float = EDGE_RATIO, distance_px: int = EDGE_DISTANCE_PX) -> Mask:
    """Pixels within `distance_px` of a depth edge of the truth, (H, W) bool."""
    return near(depth_edges(truth_m, ratio=ratio), distance_px)


def edge_mae_m(prediction_m: DepthArray, truth_m: DepthArray, zone: Mask | None = None) -> float:
    """Mean absolute error (m) near the depth edges; `zone` (default: `edge_zone` of the truth) saves computing it."""
    return mae_m(prediction_m, truth_m, edge_zone(truth_m) if zone is None else zone)


def edge_abs_rel(prediction_m: DepthArray, truth_m: DepthArray, zone: Mask | None = None) -> float:
    """Mean of |prediction - truth| / truth near the depth edges, where far edges weigh no more than near ones."""
    return abs_rel(prediction_m, truth_m, edge_zone(truth_m) if zone is None else zone)


def soft_edge_error_m(prediction_m: DepthArray, truth_m: DepthArray, zone: Mask | None = None) -> float:
    """Soft edge error (SEE, m): the smallest |prediction - truth| over the 3x3 truth around a pixel, near edges.

    An edge that is sharp but one pixel off costs nothing here; depth smeared between the two sides costs.
    """
    zone = edge_zone(truth_m) if zone is None else zone
    valid = valid_mask(prediction_m, truth_m, zone)
    rows, columns = np.nonzero(valid)
    if not rows.size:
        return float("nan")
    truth = np.pad(np.where(np.isfinite(truth_m) & (truth_m > 0), truth_m, np.nan), 1, constant_values=np.nan)
    prediction = prediction_m[valid].astype(np.float64)
    smallest = np.full(rows.size, np.inf)
    for dy in range(3):
        for dx in range(3):
            smallest = np.fmin(smallest, np.abs(truth[rows + dy, columns + dx] - prediction))
    return float(smallest.mean())


def boundary_score(
    prediction_m: DepthArray,
    truth_m: DepthArray,
    *,
    ratio: float = EDGE_RATIO,
    distance_px: int = MATCH_DISTANCE_PX,
) -> BoundaryScore:
    """Precision, recall and F1 of the prediction's edge pixels against the truth's.

    Independent of the prediction's scale. Pixels next to one without truth (NaN, 0) are left out on both
    sides: whether an edge lies there is unknown. NaN in the prediction is beyond every depth, as the engine answers
    what is too far: it meets the truth's sky.
    """
    _check_map(truth_m)
    valid_mask(prediction_m, truth_m)
    prediction_m = np.where(np.isnan(prediction_m), np.float32(np.inf), prediction_m)
    known = ~near(~(truth_m > 0), distance_px + 1)
    predicted = depth_edges(prediction_m, ratio=ratio)
    actual = depth_edges(truth_m, ratio=ratio)
    hits = _share(near(actual, distance_px)[predicted & known])
    found = _share(near(predicted, distance_px)[actual & known])
    if np.isnan(found):
        return BoundaryScore(precision=hits, recall=found, f1=float("nan"))
    f1 = 0.0 if np.isnan(hits) or hits + found == 0 else 2 * hits * found / (hits + found)
    return BoundaryScore(precision=hits, recall=found, f1=f1)


def score_edges(prediction_m: DepthArray, truth_m: DepthArray) -> dict[str, float]:
    """All scores of this module with their default thresholds, by the name reports use."""
    zone = edge_zone(truth_m)
    boundary = boundary_score(prediction_m, truth_m)
    return {
        "edge_mae_m": edge_mae_m(prediction_m, truth_m, zone),
        "edge_abs_rel": edge_abs_rel(prediction_m, truth_m, zone),
        "soft_edge_error_m": soft_edge_error_m(prediction_m, truth_m, zone),
        "edge_share": float(zone.mean()),
        "boundary_precision": boundary.precision,
        "boundary_recall": boundary.recall,
        "boundary_f1": boundary.f1,
    }


def _share(hits: Mask) -> float:
    return float(hits.mean()) if hits.size else float("nan")


def _check_map(depth_m: DepthArray) -> None:
    if depth_m.ndim != 2:
        raise InputError(f"depth of shape {depth_m.shape}: expected (H, W)")
