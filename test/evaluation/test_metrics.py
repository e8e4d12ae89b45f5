"""Pixel scores against hand-worked cases and against a plain-loop implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, stats

from prv2_ros.errors import InputError
from prv2_ros.evaluation import metrics

NAN, INF = math.nan, math.inf


def _scene(seed: int, shape: tuple[int, int] = (23, 31)) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Random truth and a related prediction, with every kind of pixel that must not count."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.5, 60.0, shape)
    prediction = truth * rng.lognormal(0.1, 0.4, shape) + 0.3
    truth[rng.random(shape) < 0.1] = NAN
    truth[rng.random(shape) < 0.1] = INF
    truth[rng.random(shape) < 0.1] = 0
    truth[0, 0] = -1
    prediction[rng.random(shape) < 0.1] = NAN
    return prediction.astype(np.float32), truth.astype(np.float32)


def _counted(prediction: NDArray[np.float32], truth: NDArray[np.float32]) -> list[tuple[float, float]]:
    pairs = zip(prediction.ravel().tolist(), truth.ravel().tolist(), strict=True)
    return [(p, t) for p, t in pairs if math.isfinite(p) and math.isfinite(t) and t > 0]


def _by_loops(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Every score written as its textbook sum."""
    n = len(pairs)
    logs = [math.log(p / t) for p, t in pairs]
    return {
        "abs_rel": sum(abs(p - t) / t for p, t in pairs) / n,
        "sq_rel_m": sum((p - t) ** 2 / t for p, t in pairs) / n,
        "mae_m": sum(abs(p - t) for p, t in pairs) / n,
        "rmse_m": math.sqrt(sum((p - t) ** 2 for p, t in pairs) / n),
        "rmse_log": math.sqrt(sum(d * d for d in logs) / n),
        "log10_error": sum(abs(math.log10(p / t)) for p, t in pairs) / n,
        "silog": 100 * math.sqrt(sum(d * d for d in logs) / n - (sum(logs) / n) ** 2),
        "delta1": sum(max(p / t, t / p) < 1.25 for p, t in pairs) / n,
        "delta2": sum(max(p / t, t / p) < 1.25**2 for p, t in pairs) / n,
        "delta3": sum(max(p / t, t / p) < 1.25**3 for p, t in pairs) / n,
    }


@pytest.mark.parametrize("seed", range(4))
def test_scores_equal_the_textbook_sums(seed: int) -> None:
    prediction, truth = _scene(seed)
    scores = metrics.score_depth(prediction, truth)
    for name, expected in _by_loops(_counted(prediction, truth)).items():
        assert scores[name] == pytest.approx(expected, rel=1e-6), name


@pytest.mark.parametrize("seed", range(4))
def test_correlation_equals_scipys(seed: int) -> None:
    prediction, truth = _scene(seed)
    p, t = np.array(_counted(prediction, truth)).T
    expected = stats.pearsonr(np.log(p), np.log(t)).statistic
    assert metrics.log_depth_correlation(prediction, truth) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_scale_and_shift_equal_scipys_least_squares(seed: int) -> None:
    prediction, truth = _scene(seed)
    p, t = np.array(_counted(prediction, truth)).T
    design = np.stack([p, np.ones_like(p)], 1)
    expected = optimize.lsq_linear(design, t).x
    assert metrics.scale_and_shift(prediction, truth) == pytest.approx(tuple(expected), rel=1e-6)
    relative = optimize.lsq_linear(design / t[:, None], np.ones_like(t)).x
    assert metrics.scale_and_shift(prediction, truth, relative=True) == pytest.approx(tuple(relative), rel=1e-6)


def test_hand_worked_pair() -> None:
    truth = np.array([[1.0, 2.0], [4.0, 0.0]])
    prediction = np.array([[1.2, 1.0], [4.0, 9.0]])
    assert metrics.abs_rel(prediction, truth) == pytest.approx((0.2 + 0.5 + 0) / 3)
    assert metrics.sq_rel_m(prediction, truth) == pytest.approx((0.04 + 0.5) / 3)
    assert metrics.mae_m(prediction, truth) == pytest.approx(0.4)
    assert metrics.rmse_m(prediction, truth) == pytest.approx(math.sqrt(1.04 / 3))
    assert metrics.delta1(prediction, truth) == pytest.approx(2 / 3)
    assert metrics.delta2(prediction, truth) == pytest.approx(2 / 3)
    assert metrics.delta3(prediction, truth) == pytest.approx(2 / 3)
    assert metrics.median_scale(prediction, truth) == pytest.approx(2 / 1.2)


def test_delta_threshold_is_open() -> None:
    """A prediction exactly 1.25 times the truth is outside delta1, as the metric's definition has `<`."""
    truth = np.array([[4.0, 4.0]])
    assert metrics.delta1(np.array([[5.001, 4.999]]), truth) == 0.5
    assert metrics.delta1(np.array([[3.199, 3.201]]), truth) == 0.5


def test_coverage_counts_missing_predictions_and_mask() -> None:
    truth = np.array([[1.0, 2.0, 0.0, NAN, 5.0]])
    prediction = np.array([[1.0, NAN, 1.0, 1.0, INF]])
    assert metrics.coverage(prediction, truth) == pytest.approx(1 / 3)
    assert metrics.coverage(prediction, truth, np.array([[True, True, False, False, False]])) == 0.5


def test_mask_restricts_scores() -> None:
    truth = np.array([[1.0, 1.0]])
    prediction = np.array([[2.0, 1.1]])
    assert metrics.abs_rel(prediction, truth, np.array([[False, True]])) == pytest.approx(0.1)


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
def test_no_pixel_gives_nan(name: str) -> None:
    truth = np.array([[0.0, NAN, INF]])
    assert math.isnan(metrics.METRICS[name](np.ones((1, 3)), truth, None))


def test_alignments_of_nothing_are_nan() -> None:
    nothing = np.zeros((2, 2))
    assert math.isnan(metrics.median_scale(nothing, nothing))
    assert np.isnan(metrics.scale_and_shift(nothing, nothing)).all()


def test_constant_prediction() -> None:
    """The baseline of every report: no correlation, and the best it can be aligned to is the truth's mean."""
    truth = np.array([[1.0, 2.0, 6.0]])
    constant = np.full_like(truth, 0.7)
    assert math.isnan(metrics.log_depth_correlation(constant, truth))
    assert metrics.scale_and_shift(constant, truth) == (0.0, pytest.approx(3.0))
    assert metrics.align_median_scale(constant, truth) == pytest.approx(np.full_like(truth, 2.0))


def test_negative_depth_after_alignment_is_clamped_not_nan() -> None:
    truth = np.array([[1.0, 2.0]])
    scores = metrics.score_depth(np.array([[-1.0, 2.0]]), truth)
    assert scores["rmse_log"] == pytest.approx(math.log(1 / metrics.MIN_DEPTH_M) / math.sqrt(2))
    assert scores["delta1"] == 0.5


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"prediction \(2, 3\), truth \(3, 2\): all must have one shape"):
        metrics.abs_rel(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(InputError, match=r"mask \(1,\)"):
        metrics.abs_rel(np.ones((2, 3)), np.ones((2, 3)), np.ones(1, np.bool_))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.05, 20), shift=st.floats(-3, 3))
def test_alignments_undo_scale_and_shift(seed: int, scale: float, shift: float) -> None:
    truth = np.random.default_rng(seed).uniform(1, 50, (6, 7))
    assert metrics.abs_rel(metrics.align_median_scale(truth * scale, truth), truth) < 1e-9
    assert metrics.abs_rel(metrics.align_scale_and_shift(truth * scale + shift, truth), truth) < 1e-6


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.floats(0.1, 10))
def test_scale_free_scores_ignore_scale(seed: int, scale: float) -> None:
    prediction, truth = _scene(seed)
    scaled = prediction.astype(np.float64) * scale
    for metric in (metrics.silog, metrics.log_depth_correlation):
        assert metric(scaled, truth) == pytest.approx(metric(prediction, truth), rel=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_aligned_squared_error_is_never_worse(seed: int) -> None:
    prediction, truth = _scene(seed)
    aligned = metrics.align_scale_and_shift(prediction, truth)
    assert metrics.rmse_m(aligned, truth) <= metrics.rmse_m(prediction, truth) * (1 + 1e-6)


def test_ranges_score_their_pixels_alone_under_the_alignment_of_all() -> None:
    prediction, truth = _scene(7)
    whole, by_range = metrics.score_with_ranges(prediction, truth, ((0, 10), (10, 30)))
    expected = metrics.score_depth(prediction, truth)
    assert whole == pytest.approx(expected, nan_ok=True)
    inside = np.isfinite(truth) & (truth >= 10) & (truth < 30)
    plain = metrics.score_depth(prediction, truth, inside)
    assert by_range["10-30"]["rmse_m"] == pytest.approx(plain["rmse_m"])
    assert by_range["10-30"]["truth_px"] == np.count_nonzero(inside & np.isfinite(prediction))
    scaled = metrics.align_median_scale(prediction.astype(np.float64), truth)
    assert by_range["10-30"]["abs_rel_median"] == pytest.approx(metrics.abs_rel(scaled, truth, inside))
    assert list(metrics.score_with_ranges(prediction, truth, ((0, 10), (90, 99)))[1]) == ["0-10"]


@pytest.mark.parametrize("suffix", [suffix for suffix in metrics.ALIGNMENTS if suffix])
def test_aligned_scores_are_those_of_the_aligned_depth(suffix: str) -> None:
    prediction, truth = _scene(3)
    aligned = {
        "_median": metrics.align_median_scale(prediction, truth),
        "_affine": metrics.align_scale_and_shift(prediction, truth),
        "_affine_relative": metrics.align_scale_and_shift(prediction, truth, relative=True),
    }[suffix]
    expected = metrics.score_depth(aligned, truth)
    scores = metrics.score_depth(prediction, truth)
    for name in _by_loops([(1.0, 1.0)]):
        assert scores[f"{name}{suffix}"] == pytest.approx(expected[name], rel=1e-4), name


def test_a_depth_at_the_end_of_a_range_is_in_the_next_one() -> None:
    truth = np.array([[4.0, 5.0, 5.0, 10.0]])
    by_range = metrics.score_with_ranges(truth, truth, ((0, 5), (5, 10)))[1]
    assert {name: scores["truth_px"] for name, scores in by_range.items()} == {"0-5": 1, "5-10": 2}


def test_alignments_are_fitted_to_the_masked_pixels_alone() -> None:
    truth, prediction = np.array([[2.0, 4.0, 6.0, 1.0, 1.0]]), np.array([[1.0, 2.0, 3.0, 9.0, 30.0]])
    mask = truth > 1
    assert metrics.align_median_scale(prediction, truth, mask) == pytest.approx(2 * prediction)
    assert metrics.align_scale_and_shift(prediction, truth, mask) == pytest.approx(2 * prediction)


def test_a_median_at_or_below_zero_scales_as_the_least_depth() -> None:
    truth = np.array([[2.0, 4.0, 6.0]])
    for median in (0.0, -3.0):
        scale = metrics.median_scale(np.array([[-5.0, median, 7.0]]), truth)
        assert scale == pytest.approx(4 / metrics.MIN_DEPTH_M)


def test_the_rounding_of_a_constant_is_no_spread() -> None:
    constant = np.full((1, 10), 0.1)
    assert np.log(constant).std() > 0
    assert math.isnan(metrics.log_depth_correlation(constant, np.arange(1.0, 11.0)[None]))
