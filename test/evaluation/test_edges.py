"""Edge scores against hand-worked maps and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from prv2_ros.errors import InputError
from prv2_ros.evaluation import edges, metrics

NAN, INF = math.nan, math.inf


def _blocks(seed: int) -> NDArray[np.float32]:
    """Piecewise constant depth with holes and sky."""
    rng = np.random.default_rng(seed)
    truth = np.kron(rng.uniform(1, 20, (4, 5)), np.ones((6, 7)))
    truth[rng.random(truth.shape) < 0.05] = NAN
    truth[:3, :9] = INF
    return truth.astype(np.float32)


def _edges_by_loops(depth: NDArray[np.float32], ratio: float) -> NDArray[np.bool_]:
    height, width = depth.shape
    found = np.zeros(depth.shape, bool)
    for y in range(height):
        for x in range(width):
            for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= ny < height and 0 <= nx < width:
                    a, b = float(depth[y, x]), float(depth[ny, nx])
                    if a > 0 and b > 0 and max(a, b) / min(a, b) > ratio:
                        found[y, x] = True
    return found


def _see_by_loops(prediction: NDArray[np.float32], truth: NDArray[np.float32], zone: NDArray[np.bool_]) -> float:
    height, width = truth.shape
    errors = []
    for y, x in zip(*np.nonzero(zone), strict=True):
        if not (np.isfinite(truth[y, x]) and truth[y, x] > 0 and np.isfinite(prediction[y, x])):
            continue
        window = truth[max(y - 1, 0) : min(y + 2, height), max(x - 1, 0) : min(x + 2, width)]
        around = [float(t) for t in window.ravel() if np.isfinite(t) and t > 0]
        errors.append(min(abs(t - float(prediction[y, x])) for t in around))
    return sum(errors) / len(errors)


@pytest.mark.parametrize("seed", range(4))
def test_edges_equal_plain_loops(seed: int) -> None:
    truth = _blocks(seed)
    for ratio in (1.1, 1.5):
        assert np.array_equal(edges.depth_edges(truth, ratio=ratio), _edges_by_loops(truth, ratio))


@pytest.mark.parametrize("seed", range(4))
def test_soft_edge_error_equals_plain_loops(seed: int) -> None:
    truth = _blocks(seed)
    noise = np.random.default_rng(seed + 100).lognormal(0, 0.2, truth.shape)
    prediction = np.nan_to_num(truth * noise, posinf=50).astype(np.float32)
    prediction[5, 5] = NAN
    zone = edges.edge_zone(truth)
    assert edges.soft_edge_error_m(prediction, truth) == pytest.approx(_see_by_loops(prediction, truth, zone))


@pytest.mark.parametrize("distance_px", [0, 1, 3])
def test_near_is_the_chessboard_distance(distance_px: int) -> None:
    mask = np.random.default_rng(3).random((20, 30)) < 0.02
    distance = ndimage.distance_transform_cdt(~mask, metric="chessboard")
    assert np.array_equal(edges.near(mask, distance_px), distance <= distance_px)


def test_edge_zone_of_a_step() -> None:
    truth = np.full((5, 20), 2.0)
    truth[:, 10:] = 4.0
    expected = np.zeros((5, 20), bool)
    expected[:, 6:14] = True  # edge pixels 9 and 10, and 3 more on each side
    assert np.array_equal(edges.edge_zone(truth), expected)


def test_a_jump_at_the_threshold_is_no_edge() -> None:
    assert not edges.depth_edges(np.array([[10.0, 10.9]])).any()
    assert edges.depth_edges(np.array([[10.0, 11.1]])).all()


def test_skyline_is_an_edge_and_a_hole_is_none() -> None:
    truth = np.array([[INF, INF, 5.0, 5.0, NAN, 50.0, 50.0, 0.0]])
    assert edges.depth_edges(truth).tolist() == [[False, True, True, False, False, False, False, False]]


def test_a_prediction_beyond_its_range_meets_the_sky() -> None:
    truth = np.full((12, 12), 20.0)
    truth[:6] = INF
    for beyond in (NAN, INF, 400.0):
        answer = np.where(np.isinf(truth), beyond, truth)
        assert edges.boundary_score(answer, truth).f1 == 1.0, beyond


def test_edge_mae_counts_only_the_zone() -> None:
    truth = np.full((4, 40), 2.0)
    truth[:, 20:] = 4.0
    prediction = truth.copy()
    prediction[:, :5] = 100.0  # far from the edge: must not count
    prediction[:, 19] = 3.0  # smeared by one metre in 1 of the 8 columns near the edge
    assert edges.edge_mae_m(prediction, truth) == pytest.approx(1 / 8)
    assert edges.edge_abs_rel(prediction, truth) == pytest.approx(0.5 / 8)
    assert edges.soft_edge_error_m(prediction, truth) == pytest.approx(1 / 8)


def test_soft_edge_error_forgives_a_shift_but_not_a_smear() -> None:
    truth = np.full((6, 40), 2.0)
    truth[:, 20:] = 4.0
    shifted = np.roll(truth, 1, axis=1)
    shifted[:, 0] = 2.0
    smeared = ndimage.uniform_filter1d(truth, 5, axis=1, mode="nearest")
    assert edges.soft_edge_error_m(shifted, truth) == 0
    assert edges.edge_mae_m(shifted, truth) == pytest.approx(2 / 8)
    assert edges.soft_edge_error_m(smeared, truth) == pytest.approx((0.4 + 0.8) * 2 / 8)


def test_boundary_of_the_truth_itself_is_perfect_at_any_scale() -> None:
    truth = _blocks(1)
    score = edges.boundary_score(truth * np.float32(3.7), truth)
    assert (score.precision, score.recall, score.f1) == (1, 1, 1)


def test_boundary_hand_worked() -> None:
    truth = np.full((1, 30), 2.0)
    truth[:, 10:] = 4.0
    truth[:, 20:] = 8.0
    prediction = np.full((1, 30), 2.0)
    prediction[:, 10:] = 4.0  # right; the edge at 20 is missed
    prediction[:, 26:] = 8.0  # wrong
    score = edges.boundary_score(prediction, truth)
    assert (score.precision, score.recall, score.f1) == (0.5, 0.5, 0.5)


def test_boundary_match_distance() -> None:
    truth = np.full((3, 30), 2.0)
    truth[:, 10:] = 4.0
    by_two = np.roll(truth, 2, axis=1)
    by_two[:, :2] = 2.0
    near, far = (edges.boundary_score(by_two, truth, distance_px=d) for d in (2, 0))
    assert near.f1 == 1
    assert far.f1 == 0


def test_boundary_beside_a_hole_is_left_out() -> None:
    truth = np.full((9, 30), 2.0)
    truth[:, 10:13] = NAN
    truth[:, 20:] = 4.0
    prediction = np.full((9, 30), 2.0)
    prediction[:, 11:] = 3.0  # an edge where nobody knows
    prediction[:, 20:] = 6.0
    assert edges.boundary_score(prediction, truth).precision == 1


def test_flat_maps() -> None:
    flat, step = np.full((8, 8), 3.0), np.full((8, 8), 3.0)
    step[:, 4:] = 6.0
    assert edges.boundary_score(flat, step).f1 == 0
    assert math.isnan(edges.boundary_score(flat, step).precision)
    assert math.isnan(edges.boundary_score(step, flat).f1)
    assert math.isnan(edges.edge_mae_m(flat, flat))
    assert math.isnan(edges.soft_edge_error_m(flat, flat))


def test_score_edges_agrees_with_its_parts() -> None:
    truth = _blocks(2)
    prediction = np.nan_to_num(ndimage.uniform_filter(truth, 3), nan=4, posinf=60)
    scores = edges.score_edges(prediction, truth)
    zone = edges.edge_zone(truth)
    assert scores["edge_mae_m"] == metrics.mae_m(prediction, truth, zone)
    assert scores["edge_abs_rel"] == metrics.abs_rel(prediction, truth, zone)
    assert scores["edge_share"] == zone.mean()
    assert scores["soft_edge_error_m"] == edges.soft_edge_error_m(prediction, truth, zone) != scores["edge_mae_m"]
    boundary = edges.boundary_score(prediction, truth)
    assert boundary.precision != boundary.recall
    assert scores["boundary_precision"] == boundary.precision
    assert scores["boundary_recall"] == boundary.recall
    assert scores["boundary_f1"] == boundary.f1


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(InputError, match=r"depth of shape \(3,\): expected \(H, W\)"):
        edges.depth_edges(np.ones(3))
    with pytest.raises(InputError, match=r"edge ratio 1.0: must be above 1"):
        edges.depth_edges(np.ones((3, 3)), ratio=1.0)
    with pytest.raises(InputError, match=r"all must have one shape"):
        edges.boundary_score(np.ones((3, 3)), np.ones((4, 3)))


def test_what_an_unknown_edge_could_match_is_left_out_and_still_finds_known_ones() -> None:
    truth = np.full((9, 40), 2.0)
    truth[:, 10:13] = NAN
    truth[:, 30:] = 4.0
    prediction = np.full((9, 40), 2.0)
    prediction[:, 30:] = 4.0
    prediction[:, 14:] *= 1.5  # its edge, columns 13 and 14, would match one at column 13 that the hole may hide
    assert edges.boundary_score(prediction, truth).precision == 1
    truth[:, 16:] *= 1.5  # columns 15 and 16, known: the edge at 14, left out itself, finds the first of them
    assert edges.boundary_score(prediction, truth).recall == 3 / 4
