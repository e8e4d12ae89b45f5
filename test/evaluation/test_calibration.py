"""Calibration of confidence against sorting all pixels, and against errors whose distribution is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.evaluation.calibration import BIN_EDGES, ause, calibrate, calibration_counts, merge_counts

Maps = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


def _honest(seed: int, shape: tuple[int, int] = (200, 300)) -> Maps:
    """Prediction, truth and confidence where |log error| is exponential with the mean that confidence promises."""
    generator = np.random.default_rng(seed)
    b = generator.uniform(0.02, 0.4, shape)
    truth = generator.uniform(2, 50, shape)
    sign = generator.choice([-1, 1], shape)
    return truth * np.exp(sign * generator.exponential(b)), truth, np.exp(-b)


def test_honest_confidence_is_calibrated() -> None:
    found = calibrate(calibration_counts(*_honest(0)))
    assert found["error"] < 0.03
    for row in found["fifths"]:
        assert row["actual"] == pytest.approx(row["predicted"], rel=0.05)
        assert row["confidence"] == pytest.approx(math.exp(-row["predicted"]))
    assert [row["confidence"] for row in found["deciles"]] == sorted(row["confidence"] for row in found["deciles"])
    assert found["pixels"] == 60_000


def test_confidence_that_promises_too_much_by_half() -> None:
    prediction, truth, confidence = _honest(1)
    assert calibrate(calibration_counts(prediction, truth, np.sqrt(confidence)))["error"] == pytest.approx(
        math.log(2), rel=0.03
    )


@pytest.mark.parametrize("parts", ["deciles", "fifths"])
def test_parts_of_two_frames_equal_sorting_their_pixels(parts: str) -> None:
    frames = [_honest(2), _honest(3, (120, 100))]
    found = calibrate(merge_counts(calibration_counts(*frame) for frame in frames))[parts]
    b = np.concatenate([-np.log(confidence).ravel() for _, _, confidence in frames])
    error = np.concatenate([np.abs(np.log(p / t)).ravel() for p, t, _ in frames])
    order = np.argsort(-b)
    for row, chosen in zip(found, np.array_split(order, len(found)), strict=True):
        assert row["predicted"] == pytest.approx(b[chosen].mean(), rel=0.02)
        assert row["actual"] == pytest.approx(error[chosen].mean(), rel=0.05)


def test_pixels_without_truth_or_confidence_drop_out() -> None:
    truth = np.array([[1.0, 0.0, np.nan, 1.0, 1.0, 1.0]])
    confidence = np.array([[0.5, 0.5, 0.5, 0.0, np.nan, 1.5]])
    counts = calibration_counts(np.full(truth.shape, 2.0), truth, confidence)
    assert sum(counts["count"]) == 1
    assert sum(counts["error_sum"]) == pytest.approx(math.log(2))
    assert calibrate(calibration_counts(truth * 0 + np.nan, truth, confidence)) == {}


def test_certainty_itself_counts() -> None:
    counts = calibration_counts(np.full((2, 2), 1.1), np.ones((2, 2)), np.ones((2, 2)))
    found = calibrate(counts)
    assert found["fifths"][0]["predicted"] == 0
    assert math.isnan(found["error"])


def _ause_by_definition(b: NDArray[np.float64], error: NDArray[np.float64], steps: int) -> float:
    """Remove 0/n, 1/n, ... (n-1)/n of the pixels, worst first, and average the gap of the means that are left."""
    gaps = []
    for removed in range(steps):
        keep = math.ceil(error.size * (steps - removed) / steps)
        gaps.append(error[np.argsort(b)][:keep].mean() - np.sort(error)[:keep].mean())
    return float(np.mean(gaps) / error.mean())


@pytest.mark.parametrize("seed", range(3))
def test_ause_equals_its_definition(seed: int) -> None:
    prediction, truth, confidence = _honest(seed, (30, 41))
    expected = _ause_by_definition(-np.log(confidence).ravel(), np.abs(np.log(prediction / truth)).ravel(), 20)
    assert ause(prediction, truth, confidence) == pytest.approx(expected)


def test_ause_of_perfect_and_of_reversed_order() -> None:
    truth = np.full((10, 20), 5.0)
    error = np.linspace(0.01, 0.5, truth.size).reshape(truth.shape)
    prediction = truth * np.exp(error)
    assert ause(prediction, truth, np.exp(-error)) == pytest.approx(0, abs=1e-12)
    assert ause(prediction, truth, np.exp(error - 1)) > 0.4
    assert math.isnan(ause(truth, truth, np.exp(-error)))


def test_unequal_shapes_are_refused() -> None:
    with pytest.raises(InputError, match=r"mask \(3, 2\)"):
        calibration_counts(np.ones((2, 3)), np.ones((2, 3)), np.ones((3, 2)))


def test_every_scale_is_counted_between_the_edges_of_its_bin() -> None:
    scales = np.array([[0.0, 0.0005, 0.01, 0.3, 9.0, 20.0]])
    counts = calibration_counts(np.ones_like(scales), np.ones_like(scales), np.exp(-scales))
    count, total = np.array(counts["count"]), np.array(counts["predicted_sum"])
    assert len(count) == len(BIN_EDGES) - 1
    filled = np.flatnonzero(count)
    assert (filled[0], filled[-1]) == (0, len(count) - 1)
    means = total[filled] / count[filled]
    assert ((BIN_EDGES[filled] <= means) & (means < BIN_EDGES[filled + 1])).all()


def test_an_error_of_nothing_has_no_ratio_to_what_was_promised() -> None:
    truth = np.ones((4, 5))
    assert math.isnan(calibrate(calibration_counts(truth, truth, truth * 0.9))["error"])


def test_a_prediction_below_zero_counts_as_the_least_depth() -> None:
    counts = calibration_counts(np.array([[-1.0, 0.0]]), np.ones((1, 2)), np.full((1, 2), 0.5))
    assert sum(counts["error_sum"]) == pytest.approx(2 * math.log(1000))
