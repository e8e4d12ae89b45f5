"""One frame's scores: the closed form of a known error, and what is passed on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from prv2_ros.errors import InputError
from prv2_ros.evaluation.scoring import RANGES_M, FrameScores, score_frame

FACTOR, SIGMA_M = 1.1, 0.03
PLANES_M = (3.0, 7.0, 15.0, 30.0, 60.0)
"""One plane in each range, each on as many pixels."""

ROWS, COLUMNS = 200, 100
"""Size of each plane (px)."""

Z = np.linspace(-8, 8, 40_001)
DENSITY = stats.norm.pdf(Z) * (Z[1] - Z[0])

Form = Callable[[NDArray[np.float64], float], NDArray[np.float64]]


@pytest.fixture(scope="module")
def known() -> FrameScores:
    """Prediction = 1.1 x truth + Gaussian noise of 0.03 m, over five planes side by side."""
    generator = np.random.default_rng(0)
    quantiles = stats.norm.ppf((np.arange(ROWS * COLUMNS) + 0.5) / (ROWS * COLUMNS))
    noise = [SIGMA_M * generator.permutation(quantiles).reshape(ROWS, COLUMNS) for _ in PLANES_M]
    truth = np.repeat(np.array(PLANES_M), COLUMNS)[None].repeat(ROWS, 0).astype(np.float32)
    return score_frame((FACTOR * truth + np.concatenate(noise, 1)).astype(np.float32), truth, dense=True)


def _expected(planes: tuple[float, ...], form: Form, scale: float, shift: float) -> float:
    """Mean over planes of E[form(prediction, truth)], integrated over the noise."""
    means = [DENSITY @ form(scale * (FACTOR * truth + SIGMA_M * Z) + shift, truth) for truth in planes]
    return float(np.mean(means))


def _closed_form(planes: tuple[float, ...], scale: float = 1.0, shift: float = 0.0) -> dict[str, float]:
    """Every score by its definition in the textbooks (Eigen et al. 2014), none of the package's code."""

    def mean(form: Form) -> float:
        return _expected(planes, form, scale, shift)

    mean_log = mean(lambda p, t: np.log(p / t))
    return {
        "abs_rel": mean(lambda p, t: abs(p - t) / t),
        "sq_rel_m": mean(lambda p, t: (p - t) ** 2 / t),
        "mae_m": mean(lambda p, t: abs(p - t)),
        "rmse_m": math.sqrt(mean(lambda p, t: (p - t) ** 2)),
        "rmse_log": math.sqrt(mean(lambda p, t: np.log(p / t) ** 2)),
        "log10_error": mean(lambda p, t: abs(np.log10(p / t))),
        "silog": 100 * math.sqrt(mean(lambda p, t: (np.log(p / t) - mean_log) ** 2)),
        "delta1": 1.0,
        "delta2": 1.0,
        "delta3": 1.0,
    }


def _affine(relative: bool) -> tuple[float, float]:
    """Least squares of scale x prediction + shift against truth, from the moments of the planes and the noise."""
    truth = np.array(PLANES_M)
    weight = 1 / truth**2 if relative else np.ones_like(truth)
    weight /= weight.sum()
    mean_truth = float(weight @ truth)
    variance = float(weight @ (truth - mean_truth) ** 2)
    scale = FACTOR * variance / (FACTOR**2 * variance + SIGMA_M**2)
    return scale, mean_truth * (1 - scale * FACTOR)


@pytest.mark.parametrize(
    ("suffix", "scale", "shift"),
    [
        ("", 1.0, 0.0),
        ("_median", 1 / FACTOR, 0.0),
        ("_affine", *_affine(relative=False)),
        ("_affine_relative", *_affine(relative=True)),
    ],
)
def test_every_score_equals_its_closed_form(known: FrameScores, suffix: str, scale: float, shift: float) -> None:
    for name, expected in _closed_form(PLANES_M, scale, shift).items():
        assert known.scores[f"{name}{suffix}"] == pytest.approx(expected, rel=0.01), name


@pytest.mark.parametrize(("plane", "limits"), list(zip(PLANES_M, RANGES_M, strict=True)))
def test_every_range_equals_its_closed_form(known: FrameScores, plane: float, limits: tuple[int, int]) -> None:
    scores = known.by_range[f"{limits[0]}-{limits[1]}"]
    assert scores["truth_px"] == ROWS * COLUMNS
    for name, expected in _closed_form((plane,)).items():
        assert scores[name] == pytest.approx(expected, rel=0.01), name
    # Median scaling is fitted to the whole frame; what is left in one range is the noise alone.
    noise = _closed_form((plane,), scale=1 / FACTOR)
    assert scores["abs_rel_median"] == pytest.approx(noise["abs_rel"], rel=0.01)


def test_edges_and_scale_equal_their_closed_form(known: FrameScores) -> None:
    """Each of the four steps has three columns on either side in its zone; none is noise."""
    beside = (3.0, 7.0, 7.0, 15.0, 15.0, 30.0, 30.0, 60.0)
    zone = _closed_form(beside)
    assert known.scores["median_scale"] == pytest.approx(1 / FACTOR, rel=0.001)
    assert known.scores["edge_mae_m"] == pytest.approx(zone["mae_m"], rel=0.01)
    assert known.scores["edge_abs_rel"] == pytest.approx(zone["abs_rel"], rel=0.01)
    # The neighbouring plane is further off than the error, so the best truth within a pixel is the pixel's own.
    assert known.scores["soft_edge_error_m"] == pytest.approx(zone["mae_m"], rel=0.01)
    for name in ("boundary_precision", "boundary_recall", "boundary_f1", "coverage"):
        assert known.scores[name] == pytest.approx(1, rel=0.01), name
    assert known.scores["log_depth_correlation"] == pytest.approx(1, rel=0.01)


def test_flicker_of_known_noise() -> None:
    """Two frames with independent noise of relative size s differ by |N(0, 2 s^2)| in log depth."""
    generator = np.random.default_rng(1)
    truth = np.full((200, 200), 20.0, np.float32)
    first, second = (truth * np.exp(generator.normal(0, 0.02, truth.shape)).astype(np.float32) for _ in range(2))
    scores = score_frame(second, truth * 1, dense=True, previous=(first, truth)).scores
    assert scores["flicker"] == pytest.approx(0.02 * 2 / math.sqrt(math.pi), rel=0.01)


def test_previous_frame_of_another_size_is_ignored() -> None:
    truth = np.full((20, 30), 5.0, np.float32)
    smaller = np.full((10, 15), 5.0, np.float32)
    assert "flicker" not in score_frame(truth, truth, dense=True, previous=(smaller, smaller)).scores


def test_confidence_adds_counts_and_ause() -> None:
    truth = np.full((20, 30), 5.0, np.float32)
    confidence = np.full(truth.shape, math.exp(-0.1), np.float32)
    found = score_frame(truth * 1.05, truth, dense=True, confidence=confidence)
    assert sum(found.extra["calibration"]["count"]) == truth.size
    assert sum(found.extra["calibration"]["predicted_sum"]) == pytest.approx(0.1 * truth.size, rel=1e-5)
    assert found.scores["ause"] == pytest.approx(0, abs=1e-6)


def test_sparse_truth_gets_sparse_edges() -> None:
    truth: NDArray[np.float32] = np.zeros((60, 90), np.float32)
    truth[::6, :45:1], truth[::6, 45:] = 4.0, 12.0
    found = score_frame(np.where(truth > 0, truth, 7).astype(np.float32), truth, dense=False).scores
    assert found["sparse_edge_f1"] == 1
    assert "boundary_f1" not in found


def test_negative_truth_is_no_truth() -> None:
    truth = np.full((20, 30), 5.0, np.float32)
    truth[:10] = -1
    assert score_frame(np.full_like(truth, 5), truth, dense=True).scores["abs_rel"] == 0


def test_ranges_with_little_truth_are_left_out() -> None:
    truth: NDArray[np.float32] = np.zeros((20, 30), np.float32)
    truth[0, :9], truth[5, :10] = 3.0, 25.0
    assert list(score_frame(np.full_like(truth, 5), truth, dense=False).by_range) == ["20-40"]


def test_no_truth_at_all_is_nan_not_an_error() -> None:
    nothing: NDArray[np.float32] = np.zeros((20, 30), np.float32)
    for dense in (True, False):
        found = score_frame(np.ones_like(nothing), nothing, dense=dense)
        assert math.isnan(found.scores["abs_rel"])
        assert found.by_range == {}


def test_shapes_that_differ_are_refused() -> None:
    with pytest.raises(InputError, match=r"prediction \(4, 5\), truth \(5, 4\): all must have one shape"):
        score_frame(np.ones((4, 5), np.float32), np.ones((5, 4), np.float32), dense=False)


def test_a_steady_error_of_scale_is_no_flicker() -> None:
    truth = np.full((20, 30), 5.0, np.float32)
    scores = score_frame(truth * 1.1, truth, dense=True, previous=(truth * 1.1, truth)).scores
    assert scores["flicker"] == pytest.approx(0, abs=1e-6)


def test_sky_is_no_hole() -> None:
    truth = np.full((40, 30), 5.0, np.float32)
    truth[:20] = math.inf
    scores = score_frame(truth, truth, dense=True).scores
    assert scores["edge_share"] == pytest.approx(8 / 40)
    assert (scores["boundary_f1"], scores["coverage"]) == (1, 1)
