"""What each score is called, what it means and which way is better, for reports and comparisons."""

from __future__ import annotations

import math
from dataclasses import dataclass

from prv2_ros.evaluation.metrics import ALIGNMENTS


@dataclass(frozen=True)
class ScoreName:
    """A score as a person reads it."""

    label: str

    better: int
    """-1 where lower is better, 1 where higher is, 0 where neither."""

    text: str
    """What it measures, in one sentence."""

    percent: bool = False
    """Whether it is a share or a relative error that reads best as a percentage."""

    unit: str = ""
    """Unit behind the number."""


SCORES = {
    "abs_rel": ScoreName("AbsRel", -1, "mean of |depth − truth| / truth", percent=True),
    "sq_rel_m": ScoreName("SqRel", -1, "mean of (depth − truth)² / truth", unit="m"),
    "mae_m": ScoreName("MAE", -1, "mean |depth − truth|", unit="m"),
    "rmse_m": ScoreName("RMSE", -1, "root of the mean squared error", unit="m"),
    "rmse_log": ScoreName("RMSE log", -1, "root of the mean squared difference of natural logarithms"),
    "log10_error": ScoreName("log10", -1, "mean absolute difference of base 10 logarithms"),
    "silog": ScoreName("SILog", -1, "100 × the standard deviation of the log difference: error without scale"),
    "delta1": ScoreName("δ₁", 1, "pixels within a factor of 1.25 of the truth", percent=True),
    "delta2": ScoreName("δ₂", 1, "pixels within a factor of 1.25²", percent=True),
    "delta3": ScoreName("δ₃", 1, "pixels within a factor of 1.25³", percent=True),
    "log_depth_correlation": ScoreName("log correlation", 1, "Pearson correlation of log depth and log truth"),
    "coverage": ScoreName("coverage", 1, "truth pixels for which there is a prediction", percent=True),
    "median_scale": ScoreName("scale", 0, "median truth / median depth: 1.1 means the depth is 10% too near"),
    "edge_mae_m": ScoreName("edge MAE", -1, "mean |depth − truth| within 3 px of a depth edge", unit="m"),
    "edge_abs_rel": ScoreName("edge AbsRel", -1, "AbsRel within 3 px of a depth edge", percent=True),
    "soft_edge_error_m": ScoreName("SEE", -1, "soft edge error: |depth − best truth within 1 px| at edges", unit="m"),
    "edge_share": ScoreName("edge share", 0, "pixels near a depth edge", percent=True),
    "boundary_precision": ScoreName("boundary precision", 1, "predicted edges that are on a true one", percent=True),
    "boundary_recall": ScoreName("boundary recall", 1, "true edges that are on a predicted one", percent=True),
    "boundary_f1": ScoreName("boundary F1", 1, "harmonic mean of boundary precision and recall", percent=True),
    "sparse_edge_precision": ScoreName(
        "edge precision", 1, "predicted steps between neighbouring LiDAR points that are true", percent=True
    ),
    "sparse_edge_recall": ScoreName(
        "edge recall", 1, "true steps (over 25%) between neighbouring LiDAR points that are predicted", percent=True
    ),
    "sparse_edge_f1": ScoreName("edge F1", 1, "harmonic mean of edge precision and recall", percent=True),
    "sparse_edge_order": ScoreName("edge order", 1, "true steps with the nearer side predicted nearer", percent=True),
    "sparse_edge_step": ScoreName("edge step", 0, "predicted over true log step: 1 is as sharp as truth, 0 is flat"),
    "sparse_edge_abs_rel": ScoreName("edge AbsRel", -1, "AbsRel of the points beside true steps", percent=True),
    "flicker": ScoreName("flicker", -1, "mean |change of log(depth / truth)| from one frame to the next", percent=True),
    "ause": ScoreName("AUSE", -1, "error left when sorting by confidence rather than by error; 0 is perfect"),
    "tile_consistency_m": ScoreName("tile consistency", -1, "mean |depth − depth| where tiles overlap", unit="m"),
    "tile_consistency_log": ScoreName("tile consistency, log", -1, "mean |log difference| where tiles overlap"),
    "truth_px": ScoreName("truth", 0, "pixels with truth", unit="px"),
}
"""Every score without its alignment, in the order of tables."""

_LEAST_SHOWN = 5e-5
"""Differences below this (in percentage points or the score's unit) are rounding."""

ALIGNMENT_TEXTS = {
    "": "as predicted",
    "_median": "after median scaling",
    "_affine": "after scale and shift",
    "_affine_relative": "after scale and shift, relative fit",
}


def split_name(name: str) -> tuple[str, str]:
    """Base name and alignment suffix of a score: `abs_rel_median` is (`abs_rel`, `_median`)."""
    for suffix in sorted(ALIGNMENTS, key=len, reverse=True):
        base = name.removesuffix(suffix) if suffix else name
        if base in SCORES and (not suffix or name.endswith(suffix)):
            return base, suffix
    return name, ""


def describe(name: str) -> ScoreName:
    """How to show a score; an unknown one is shown by its own name, without a direction."""
    return SCORES.get(split_name(name)[0], ScoreName(name, 0, ""))


def show(name: str, value: float | None) -> str:
    """A value as a person reads it, unit included; an en dash where there is none."""
    if value is None or value != value:
        return "–"
    info = describe(name)
    if info.percent:
        return f"{100 * value:.1f}%"
    if info.unit == "px":
        return f"{value:,.0f}"
    digits = 2 if abs(value) >= 10 else 3
    return f"{value:.{digits}f}" + (f" {info.unit}" if info.unit else "")


def show_signed(name: str, difference: float) -> str:
    """A difference as a person reads it, with its sign; of percentages in percentage points (pp)."""
    info = describe(name)
    value = 100 * difference if info.percent else difference
    unit = " pp" if info.percent else f" {info.unit}" if info.unit else ""
    if abs(value) < _LEAST_SHOWN:
        return f"0{unit}"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:+.{digits}f}{unit}".replace("-", "−")
