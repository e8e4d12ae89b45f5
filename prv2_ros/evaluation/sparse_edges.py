"""Scores of a depth map at the depth edges that sparse truth (LiDAR) shows.

Sparse truth has no edge pixels to compare with, but it has pairs of points with an edge somewhere between them. So a
pair of neighbouring points stands for the pair of neighbouring pixels in the boundary score of Depth Pro (Bochkovskii
et al., 2024, https://arxiv.org/abs/2410.02073, section 3.3): a pair has an edge where its depths differ by more than
a factor of `STEP_RATIO`, and its direction says which side is nearer. Whether the prediction puts the two in
the right order is the ordinal relation of Chen et al., "Single-Image Depth Perception in the Wild", 2016.

Neighbours are the points that a Delaunay triangulation of the image joins, no further apart than `PAIR_SHARE` of the
image width. Only pairs that lie more beside than above each other count: on a vehicle a LiDAR's beams run along the
rows of the image, and between two beams the ground alone differs by more than the ratio.

All scores are ratios of depths within one frame, hence independent of the prediction's scale. None tells where
between the two points the predicted edge lies. Depths are (H, W) in metres, 0 or NaN where there is no truth.

Raises:
    InputError: shapes that differ.

"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.evaluation.metrics import MIN_DEPTH_M, DepthArray, valid_mask

STEP_RATIO = 1.25
"""Two neighbouring points whose depths differ by more than this factor have an edge between them."""

PAIR_SHARE = 0.02
"""Longest distance of two neighbours, as a share of the image's width."""

MOST_POINTS = 60_000
"""More points than this are thinned evenly first: triangulating them would take longer than predicting."""

NAMES = (
    "sparse_edge_precision",
    "sparse_edge_recall",
    "sparse_edge_f1",
    "sparse_edge_order",
    "sparse_edge_step",
    "sparse_edge_abs_rel",
)
"""Scores of `score_sparse_edges`, in its order."""


def neighbour_pairs(points_xy: NDArray[Any], longest_px: float) -> NDArray[np.int64]:
    """Pairs of neighbouring points that lie more beside than above each other.

    Args:
        points_xy: (N, 2) pixel coordinates, no two alike.
        longest_px: longest distance of a pair (px).

    Returns:
        (M, 2) indices into the points, the lower first, sorted; none where the points span no triangle.

    """
    try:
        from scipy.spatial import Delaunay, QhullError  # optional: only measuring needs it
    except ImportError as error:
        raise InputError("scipy is not installed: `pip install scipy`") from error
    none = np.zeros((0, 2), np.int64)
    if len(points_xy) < 3:
        return none
    try:
        triangles = np.asarray(Delaunay(points_xy).simplices, np.int64)
    except QhullError:  # all points on one line
        return none
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]])
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    dx, dy = np.abs(points_xy[pairs[:, 0]].astype(np.float64) - points_xy[pairs[:, 1]]).T
    return np.asarray(pairs[(dx > dy) & (np.hypot(dx, dy) <= longest_px)], np.int64)


def score_sparse_edges(prediction_m: DepthArray, truth_m: DepthArray) -> dict[str, float]:
    """Scores of the pairs, by the name reports use; NaN where the truth shows no edge.

    - `sparse_edge_precision`: share of the predicted edges that the truth has, in the same direction.
    - `sparse_edge_recall`: share of the truth's edges that are predicted, in the same direction.
    - `sparse_edge_f1`: harmonic mean of the two; 0 where nothing matches.
    - `sparse_edge_order`: share of the truth's edges whose nearer point is predicted nearer, by however little.
    - `sparse_edge_step`: predicted log step over the true one, summed over the truth's edges: 1 is as sharp as the
      truth, 0 is flat, and smeared edges lie between.
    - `sparse_edge_abs_rel`: AbsRel of the points on either side of the truth's edges.
    """
    valid = valid_mask(prediction_m, truth_m)
    rows, columns = np.nonzero(valid)
    step = -(-rows.size // MOST_POINTS) if rows.size else 1
    rows, columns = rows[::step], columns[::step]
    truth = truth_m[rows, columns].astype(np.float64)
    prediction = prediction_m[rows, columns].astype(np.float64)
    pairs = neighbour_pairs(np.stack([columns, rows], 1), PAIR_SHARE * truth_m.shape[1])
    true_steps = _log_steps(truth, pairs)
    steps = _log_steps(np.maximum(prediction, MIN_DEPTH_M), pairs)
    threshold = np.log(STEP_RATIO)
    actual, predicted = np.abs(true_steps) > threshold, np.abs(steps) > threshold
    if not actual.any():
        return dict.fromkeys(NAMES, float("nan"))
    same_way = np.sign(steps) == np.sign(true_steps)
    hits = np.count_nonzero(actual & predicted & same_way)
    precision = hits / np.count_nonzero(predicted) if predicted.any() else float("nan")
    recall = hits / np.count_nonzero(actual)
    beside = np.unique(pairs[actual])
    scores = (
        precision,
        recall,
        2 * precision * recall / (precision + recall) if hits else 0.0,
        float(same_way[actual].mean()),
        float((steps * np.sign(true_steps))[actual].sum() / np.abs(true_steps[actual]).sum()),
        float((np.abs(prediction - truth) / truth)[beside].mean()),
    )
    return dict(zip(NAMES, scores, strict=True))


def _log_steps(depth_m: NDArray[np.float64], pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    logs = np.log(depth_m)
    return np.asarray(logs[pairs[:, 1]] - logs[pairs[:, 0]], np.float64)
