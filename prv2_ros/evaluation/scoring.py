"""All scores of one predicted frame against its truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from prv2_ros.evaluation.calibration import ause, calibration_counts
from prv2_ros.evaluation.edges import score_edges
from prv2_ros.evaluation.metrics import DepthArray, median_scale, score_with_ranges
from prv2_ros.evaluation.sparse_edges import score_sparse_edges
from prv2_ros.evaluation.temporal import flicker

RANGES_M = ((0, 5), (5, 10), (10, 20), (20, 40), (40, 80))
"""Ranges of true depth [near, far) that are scored on their own (m); pixels beyond count only for the whole frame."""

MIN_RANGE_PX = 10
"""A range with fewer truth pixels than this in a frame has no scores there."""


@dataclass(frozen=True, kw_only=True)
class FrameScores:
    """What one frame scored."""

    scores: Mapping[str, float]
    """Over all pixels with truth, by name; NaN where a score does not exist for this frame."""

    by_range: Mapping[str, Mapping[str, float]]
    """By range of true depth (`0-5`, in metres), then by name; `truth_px` is the number of pixels."""

    extra: Mapping[str, Any]
    """JSON values that add up over frames: `calibration`, the counts of `calibration.calibration_counts`."""


def score_frame(
    depth_m: DepthArray,
    truth_m: DepthArray,
    *,
    dense: bool,
    confidence: DepthArray | None = None,
    previous: tuple[DepthArray, DepthArray] | None = None,
) -> FrameScores:
    """Score one predicted depth map.

    Args:
        depth_m: (H, W) prediction in metres; NaN where there is none.
        truth_m: (H, W) truth in metres; 0 or NaN where unknown, +inf for sky.
        dense: whether the truth covers the image, so that its edges are pixels (`edges`); otherwise edges lie between
            neighbouring truth points (`sparse_edges`).
        confidence: (H, W) in (0, 1], exp(-expected |log depth error|), where the model gives one.
        previous: prediction and truth of the same camera's frame before, both (H, W), for `flicker`; a pair of another
            size, as after a change of resolution, is ignored.

    Raises:
        InputError: shapes that differ, or anything but (H, W).

    """
    # Holes written as NaN, 0 or below are one thing here; sky stays.
    truth = np.where(truth_m > 0, truth_m, 0).astype(np.float32)
    scores, by_range = score_with_ranges(depth_m, truth, RANGES_M, least_px=MIN_RANGE_PX)
    scores["median_scale"] = median_scale(depth_m, truth)
    scores |= score_edges(depth_m, truth) if dense else score_sparse_edges(depth_m, truth)
    extra: dict[str, Any] = {}
    if confidence is not None:
        extra["calibration"] = calibration_counts(depth_m, truth, confidence)
        scores["ause"] = ause(depth_m, truth, confidence)
    if previous is not None and previous[0].shape == depth_m.shape:
        scores["flicker"] = flicker(depth_m, truth, *previous)
    return FrameScores(scores=scores, by_range=by_range, extra=extra)
