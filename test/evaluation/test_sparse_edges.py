"""Edges between sparse points: hand-worked rows, and properties."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.evaluation import sparse_edges
from prv2_ros.evaluation.sparse_edges import NAMES, neighbour_pairs, score_sparse_edges


def _beams(columns_m: dict[int, float], shape: tuple[int, int] = (40, 200)) -> NDArray[np.float32]:
    """Two beams, three rows apart, with a depth at each of the given columns."""
    truth = np.zeros(shape, np.float32)
    for column, depth_m in columns_m.items():
        truth[10, column] = truth[13, column] = depth_m
    return truth


def _predict(truth: NDArray[np.float32], columns_m: dict[int, float]) -> NDArray[np.float32]:
    prediction = np.full(truth.shape, np.nan, np.float32)
    for column, depth_m in columns_m.items():
        prediction[:, column] = depth_m
    return prediction


TRUTH_M = {20: 4.0, 23: 4.0, 26: 8.0, 29: 8.0, 32: 5.0}
"""A step away between 23 and 26, a step back between 29 and 32."""


def test_hand_worked_row() -> None:
    """One step found and one missed; one predicted that is not there; the missed one is smeared to a tenth."""
    truth = _beams(TRUTH_M)
    found = score_sparse_edges(_predict(truth, {20: 2.0, 23: 4.0, 26: 8.0, 29: 8.0, 32: 7.63}), truth)
    # Of the diagonals of the two rows, one in each cell joins the same columns, so it weighs steps alike.
    assert found["sparse_edge_recall"] == pytest.approx(0.5)
    assert found["sparse_edge_precision"] == pytest.approx(0.5)
    assert found["sparse_edge_f1"] == pytest.approx(0.5)
    assert found["sparse_edge_order"] == 1
    steps = (math.log(2) + math.log(8 / 7.63)) / (math.log(2) + math.log(8 / 5))
    assert found["sparse_edge_step"] == pytest.approx(steps, rel=1e-5)
    assert found["sparse_edge_abs_rel"] == pytest.approx((0 + 0 + 0 + 2.63 / 5) / 4, rel=1e-5)


def test_a_step_the_wrong_way_is_no_hit() -> None:
    truth = _beams(TRUTH_M)
    found = score_sparse_edges(_predict(truth, {20: 8.0, 23: 8.0, 26: 4.0, 29: 4.0, 32: 6.4}), truth)
    assert found["sparse_edge_f1"] == 0
    assert found["sparse_edge_order"] == 0
    assert found["sparse_edge_step"] == pytest.approx(-1, rel=1e-5)


def test_flat_prediction_finds_nothing() -> None:
    truth = _beams(TRUTH_M)
    found = score_sparse_edges(np.full(truth.shape, 5, np.float32), truth)
    assert math.isnan(found["sparse_edge_precision"])
    assert (found["sparse_edge_recall"], found["sparse_edge_f1"], found["sparse_edge_step"]) == (0, 0, 0)


def test_ground_between_two_beams_is_no_edge() -> None:
    """Constant along each beam, a factor of 1.5 from beam to beam."""
    truth = np.zeros((40, 200), np.float32)
    truth[10, ::3], truth[13, ::3] = 12.0, 8.0
    truth[16, ::3] = 5.3
    pairs = neighbour_pairs(np.argwhere(truth > 0)[:, ::-1], 4.0)
    assert len(pairs)
    assert np.isnan(list(score_sparse_edges(np.ones_like(truth), truth).values())).all()


def test_neighbours_too_far_apart_are_no_pair() -> None:
    truth = _beams({20: 4.0, 60: 12.0})
    assert math.isnan(score_sparse_edges(truth, truth)["sparse_edge_recall"])


@pytest.mark.parametrize("points", [[], [(1, 1), (3, 1)], [(1, 1), (3, 1), (5, 1), (9, 1)]])
def test_points_without_a_triangle_have_no_pairs(points: list[tuple[int, int]]) -> None:
    assert neighbour_pairs(np.array(points).reshape(-1, 2), 10).shape == (0, 2)


def test_pairs_of_a_grid_are_those_beside_each_other() -> None:
    points = np.argwhere(np.ones((4, 5)))[:, ::-1]
    expected = {(i, i + 1) for i in range(20) if i % 5 < 4}
    assert {tuple(pair) for pair in neighbour_pairs(points, 10).tolist()} == expected


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(InputError, match="all must have one shape"):
        score_sparse_edges(np.ones((2, 3)), np.ones((3, 2)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.2, 5))
def test_perfect_up_to_scale_is_perfect(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    truth = np.where(generator.random((60, 150)) < 0.1, generator.uniform(2, 40, (60, 150)), 0)
    found = score_sparse_edges(truth * scale, truth)
    assert [found[name] for name in NAMES[:5]] == pytest.approx([1.0] * 5)
    assert found["sparse_edge_abs_rel"] == pytest.approx(abs(scale - 1))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_scores_equal_a_loop_over_pairs(seed: int) -> None:
    generator = np.random.default_rng(seed)
    truth = np.where(generator.random((40, 120)) < 0.1, generator.uniform(2, 10, (40, 120)), 0)
    prediction = truth * generator.lognormal(0, 0.2, truth.shape)
    points = np.argwhere(truth > 0)
    both = actual = predicted = 0
    for i, j in neighbour_pairs(points[:, ::-1], 0.02 * 120).tolist():
        t = truth[tuple(points[j])] / truth[tuple(points[i])]
        p = prediction[tuple(points[j])] / prediction[tuple(points[i])]
        is_true, is_predicted = max(t, 1 / t) > 1.25, max(p, 1 / p) > 1.25
        actual += is_true
        predicted += is_predicted
        both += is_true and is_predicted and (t > 1) == (p > 1)
    found = score_sparse_edges(prediction, truth)
    if actual:
        assert found["sparse_edge_recall"] == pytest.approx(both / actual)
        assert found["sparse_edge_f1"] == pytest.approx(2 * both / (actual + predicted))


def test_too_many_points_are_thinned_over_the_whole_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    truth = np.zeros((60, 150), np.float32)
    truth[::2] = 4.0
    truth[40::2, 70:] = 12.0  # steps among the last third of the points alone
    monkeypatch.setattr(sparse_edges, "MOST_POINTS", 3000)
    assert score_sparse_edges(truth, truth)["sparse_edge_recall"] == 1


def test_the_distance_of_neighbours_is_measured_aslant() -> None:
    points = np.array([(0, 0), (3, 2), (6, 0)])
    assert neighbour_pairs(points, 3.5).tolist() == []
    assert neighbour_pairs(points, 3.7).tolist() == [[0, 1], [1, 2]]


def test_a_depth_below_zero_is_nearer_than_every_other() -> None:
    truth = _beams(TRUTH_M)
    found = score_sparse_edges(_predict(truth, {20: -1.0, 23: -1.0, 26: 8.0, 29: 8.0, 32: 5.0}), truth)
    assert (found["sparse_edge_precision"], found["sparse_edge_recall"]) == (1, 1)
    assert 1 < found["sparse_edge_step"] < 20
