"""Floors against exhaustive search and exact planes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.evaluation import floors
from prv2_ros.evaluation.metrics import abs_rel


def _plane(height: int = 40, width: int = 60) -> np.ndarray:
    v, u = np.mgrid[:height, :width]
    return (1 / (0.05 + 0.004 * v + 0.001 * u)).astype(np.float32)


@given(st.lists(st.floats(0.125, 100, width=32), min_size=1, max_size=30))
def test_no_other_constant_has_less_relative_error(depths: list[float]) -> None:
    truth = np.array(depths, np.float32)
    best = floors.best_constant_m(truth)
    error = abs_rel(np.full_like(truth, best), truth)
    others = [abs_rel(np.full_like(truth, depth), truth) for depth in depths]  # the optimum is one of them
    assert error <= min(others) * (1 + 1e-6) + 1e-6


def test_a_plane_is_found_in_spite_of_holes_sky_and_a_post() -> None:
    truth = plane = _plane()
    truth = truth.copy()
    truth[:5] = np.inf
    truth[20:, 10:14] = np.nan
    truth[10:30, 40:46] = 1.5
    found = floors.floors(truth)["best plane"]
    assert found[5:] == pytest.approx(plane[5:], rel=2e-3)


def test_plane_stays_within_the_farthest_truth() -> None:
    truth = np.full((40, 60), np.nan, np.float32)
    truth[25:] = _plane()[25:] * np.linspace(1, 3, 15, dtype=np.float32)[::-1, None]
    found = floors.floors(truth)["best plane"]
    assert np.all(found > 0)
    assert found.max() <= np.nanmax(truth) * (1 + 1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_plane_is_never_worse_than_a_constant(seed: int) -> None:
    """A street's depths, heavy-tailed: a fit of the inverse alone would answer the horizon with near ground."""
    rng = np.random.default_rng(seed)
    truth = (_plane() * np.exp(rng.normal(0, 1.2, (40, 60)))).astype(np.float32)
    scores = {name: abs_rel(depth, truth) for name, depth in floors.floors(truth).items()}
    assert scores["best plane"] <= scores["best constant"] * (1 + 1e-6)


def test_a_plane_is_found_exactly() -> None:
    truth = _plane()
    scores = {name: abs_rel(depth, truth) for name, depth in floors.floors(truth).items()}
    assert scores["best plane"] < 1e-3 < 0.1 < scores["best constant"]


def test_no_truth_gives_nothing() -> None:
    found = floors.floors(np.full((8, 8), np.inf, np.float32))
    assert set(found) == {"best constant", "best plane"}
    assert all(np.isnan(depth).all() for depth in found.values())


def test_a_large_picture_is_thinned_over_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(floors, "_MOST_PIXELS", 100)
    truth = _plane()
    truth[:2] = 40.0  # the first pixels alone are a wall
    assert floors.floors(truth)["best plane"][2:] == pytest.approx(_plane()[2:], rel=0.05)
