"""Scores of many frames, put together: per frame, averaged by kind of scene, and as a Markdown table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.evaluation.edges import score_edges
from prv2_ros.evaluation.frames import is_dense
from prv2_ros.evaluation.metrics import score_depth

Depths = Mapping[str, NDArray[np.float32]]
"""Predicted depths of one frame, (H, W) metres each, by variant (`coarse`, `refined`, ...)."""

Summary = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Mean scores: kind of scene (`all` first) -> variant -> score."""

COLUMNS = {
    "abs_rel": "AbsRel",
    "abs_rel_median": "AbsRel, median scaled",
    "abs_rel_affine": "AbsRel, scale and shift",
    "log_depth_correlation": "log correlation",
    "delta1": "delta1",
    "edge_mae_m": "edge MAE (m)",
    "edge_abs_rel": "edge AbsRel",
    "soft_edge_error_m": "SEE (m)",
    "boundary_f1": "boundary F1",
}
"""What the table shows, in order; accuracy.json holds every score."""


def score_truth(
    truth_m: NDArray[np.float32], depths: Depths, *, max_depth_m: float = float("inf")
) -> dict[str, dict[str, float]]:
    """All scores of one frame by variant; edges only where the truth is dense enough to have some.

    Truth beyond `max_depth_m` counts as sky; `truth_m` is (H, W) as in `TruthFrame`.
    """
    truth = np.where(truth_m <= max_depth_m, truth_m, np.float32(np.inf))
    truth[~(truth_m > 0)] = 0  # NaN too, which fails either comparison
    scores = {}
    for variant, depth_m in depths.items():
        scores[variant] = score_depth(depth_m, truth)
        if is_dense(truth_m):
            scores[variant] |= score_edges(depth_m, truth)
    return scores


def score_constant(
    truths_m: Sequence[NDArray[np.float32]], max_depth_m: float = float("inf")
) -> list[dict[str, float]]:
    """Scores of the baseline that answers one depth for a whole set: the median of its frames' median depths."""
    known = [truth[np.isfinite(truth) & (truth > 0)] for truth in truths_m]
    constant_m = np.median([float(np.median(values)) for values in known if values.size] or [np.nan])
    return [
        score_truth(truth, {"constant": np.full_like(truth, constant_m)}, max_depth_m=max_depth_m)["constant"]
        for truth in truths_m
    ]


def summarise(rows: Sequence[Mapping[str, Any]]) -> Summary:
    """Mean over frames by kind (`all` first), variant and score; a frame without a score does not count for it.

    A variant that some frames of a kind lack has no mean there: it would stand beside means over other frames.

    A row is a mapping with `kind` and `scores` (variant -> score -> value).
    """
    summary: dict[str, dict[str, dict[str, float]]] = {}
    kinds = sorted({row["kind"] for row in rows})
    for kind in ["all", *(kinds if len(kinds) > 1 else [])]:
        chosen = [row["scores"] for row in rows if kind in ("all", row["kind"])]
        summary[kind] = {}
        for variant in (name for name in chosen[0] if all(name in scores for scores in chosen)):
            found = [scores[variant] for scores in chosen]
            names = sorted({name for scores in found for name in scores})
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # a mean over no number at all is NaN, as meant
                summary[kind][variant] = {
                    name: float(np.nanmean([scores.get(name, np.nan) for scores in found])) for name in names
                }
    return summary


def markdown(report: Mapping[str, Any]) -> str:
    """Tables of a report, one block for each set."""
    lines = [f"Model `{report['model']}`.", ""]
    for name, block in report["sets"].items():
        lines += [f"### {name} ({len(block['frames'])} frames)", ""]
        lines += ["| kind | depth | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 2) + "|"]
        for kind, variants in block["summary"].items():
            for variant, scores in variants.items():
                cells = [_cell(scores.get(column, np.nan)) for column in COLUMNS]
                lines.append(f"| {kind} | {variant} | " + " | ".join(cells) + " |")
        gains = _gains(block["summary"]["all"])
        lines += ["", *([gains, ""] if gains else [])]
        if block.get("calibration"):
            lines += [*_calibration(block["calibration"]), ""]
    if "two_lenses" in report:
        check = report["two_lenses"]
        wide, tele = (f"{f:.0f}" for f in check["focal_lengths_px"])
        lines += [f"### One scene through two lenses, f = {wide} and {tele} px ({len(check['scenes'])} scenes)", ""]
        lines += ["| depth | median disagreement at the centre | scenes within 10% |", "|---|---|---|"]
        lines += [
            f"| {name} | {value:.1%} | {check['share_within_10_percent'][name]:.0%} |"
            for name, value in check["median_disagreement"].items()
        ]
    return "\n".join(lines).rstrip() + "\n"


def _cell(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"


def _calibration(calibration: Mapping[str, Any]) -> list[str]:
    """Predicted against actual log error in fifths of the pixels, and whether the error falls from decile to decile."""
    fifths, deciles = calibration["fifths"], [row["actual"] for row in calibration["deciles"]]
    falls = all(a >= b for a, b in pairwise(deciles))
    return [
        "| confidence of refined | " + " | ".join(f"{row['confidence']:.2f}" for row in fifths) + " |",
        "|---" * (len(fifths) + 1) + "|",
        "| predicted log error | " + " | ".join(f"{row['predicted']:.3f}" for row in fifths) + " |",
        "| actual log error | " + " | ".join(f"{row['actual']:.3f}" for row in fifths) + " |",
        "",
        f"Error {'falls' if falls else 'does not fall'} from each decile of confidence to the next.",
    ]


def _gains(summary: Mapping[str, Mapping[str, float]]) -> str:
    if "coarse" not in summary or "refined" not in summary or "edge_mae_m" not in summary["coarse"]:
        return ""
    names = {"edge_mae_m": "edge MAE", "edge_abs_rel": "edge AbsRel", "soft_edge_error_m": "SEE"}
    parts = [f"{label} {1 - summary['refined'][key] / summary['coarse'][key]:+.1%}" for key, label in names.items()]
    return "Less error in refined than in coarse: " + ", ".join(parts) + "."
