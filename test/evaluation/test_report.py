"""Averages and tables of scores."""

from __future__ import annotations

import math

import numpy as np
import pytest

from prv2_ros.evaluation import report


def _step(far_m: float) -> np.ndarray:
    truth = np.full((20, 40), 2.0, np.float32)
    truth[:, 20:] = far_m
    return truth


def test_truth_beyond_the_limit_counts_as_sky() -> None:
    truth = _step(90.0)
    prediction = np.where(truth > 50, 10.0, 2.2).astype(np.float32)
    scores = report.score_truth(truth, {"p": prediction}, max_depth_m=80.0)["p"]
    assert scores["abs_rel"] == pytest.approx(0.1, rel=1e-5)
    assert scores["edge_mae_m"] == pytest.approx(0.2, rel=1e-5)
    assert report.score_truth(truth, {"p": prediction})["p"]["abs_rel"] == pytest.approx(0.05 + 0.5 * 80 / 90, rel=1e-5)


def test_sparse_truth_has_no_edge_scores() -> None:
    sparse = np.zeros((20, 40), np.float32)
    sparse[::5] = 3
    scores = report.score_truth(sparse, {"p": np.full_like(sparse, 3)})["p"]
    assert scores["abs_rel"] == 0
    assert "edge_mae_m" not in scores


def test_constant_baseline_is_the_median_of_medians() -> None:
    flat = [np.full((4, 4), depth, np.float32) for depth in (1.0, 2.0, 8.0)]
    assert [row["abs_rel"] for row in report.score_constant(flat)] == pytest.approx([1.0, 0.0, 0.75])


def test_summary_means_over_kinds_and_missing_scores() -> None:
    rows = [
        {"kind": "room", "scores": {"refined": {"abs_rel": 0.1, "edge_mae_m": 1.0}}},
        {"kind": "room", "scores": {"refined": {"abs_rel": 0.3}}},
        {"kind": "street", "scores": {"refined": {"abs_rel": 0.8, "edge_mae_m": math.nan}}},
    ]
    summary = report.summarise(rows)
    assert list(summary) == ["all", "room", "street"]
    assert summary["all"]["refined"] == pytest.approx({"abs_rel": 0.4, "edge_mae_m": 1.0})
    assert summary["room"]["refined"]["abs_rel"] == pytest.approx(0.2)
    assert math.isnan(summary["street"]["refined"]["edge_mae_m"])


def test_a_variant_that_some_frames_lack_has_no_mean_beside_those_of_all() -> None:
    dense = {"kind": "a", "scores": {"refined": {"abs_rel": 0.1}, "ceiling": {"abs_rel": 0.05}}}
    sparse = {"kind": "b", "scores": {"refined": {"abs_rel": 0.3}}}
    for rows in ([dense, sparse], [sparse, dense]):
        found = report.summarise(rows)
        assert list(found["all"]) == ["refined"]
        assert found["all"]["refined"]["abs_rel"] == pytest.approx(0.2)
        assert found["a"]["ceiling"] == {"abs_rel": 0.05}


def test_markdown_names_every_column_and_the_gain() -> None:
    scores = {
        "coarse": {"abs_rel": 0.25, "edge_mae_m": 2.0, "edge_abs_rel": 0.2, "soft_edge_error_m": 1.0},
        "refined": {"abs_rel": 0.2, "edge_mae_m": 1.0, "edge_abs_rel": 0.15, "soft_edge_error_m": 1.1},
    }
    rows = [{"name": "a", "kind": "room", "scores": scores}]
    lenses = {
        "focal_lengths_px": (1060.0, 2180.0),
        "scenes": [{}],
        "median_disagreement": {"refined": 0.043},
        "share_within_10_percent": {"refined": 1.0},
    }
    text = report.markdown(
        {"model": "m", "sets": {"few": {"frames": rows, "summary": report.summarise(rows)}}, "two_lenses": lenses}
    )
    for label in report.COLUMNS.values():
        assert f"| {label} |" in text
    assert "### few (1 frames)" in text
    assert "| all | refined | 0.200 | - |" in text
    assert "edge MAE +50.0%, edge AbsRel +25.0%, SEE -10.0%" in text
    assert "| refined | 4.3% | 100% |" in text
