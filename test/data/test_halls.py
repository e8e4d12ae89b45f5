"""Racks whose loads stay under the next level."""

from __future__ import annotations

import numpy as np
import pytest

from prv2_ros.data import halls
from prv2_ros.data.builder import Place, SceneBuilder


def _heights(b: SceneBuilder) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends (m) of upright shapes."""
    middle, half = np.array(b.centres)[:, 2], np.abs(np.reshape(b.linears, (-1, 3, 3))[:, 2]).max(1)
    return middle - half, middle + half


@pytest.mark.parametrize("free_m", [0.4, 0.6, 0.9, 1.3])
def test_a_loaded_pallet_keeps_under_the_free_height(free_m: float) -> None:
    tops = []
    for seed in range(40):
        b = SceneBuilder(np.random.default_rng(seed))
        halls.pallet(Place(b=b, x=0, y=0), free_m)
        tops.append(_heights(b)[1].max())
    assert max(tops) <= free_m + 1e-9
    assert max(tops) > 0.8 * free_m, "the height is used"


@pytest.mark.parametrize("height", [2.1, 4.0, 8.5])
@pytest.mark.parametrize("levels", [2, 4])
def test_no_load_sticks_through_the_level_over_it(levels: int, height: float) -> None:
    for seed in range(10):
        b = SceneBuilder(np.random.default_rng(seed))
        halls._rack(b, 0.0, 6, levels, height)
        low, high = _heights(b)
        posts_and_braces = np.abs(np.array(b.centres)[:, 0]) > 0.4
        posts_and_braces |= np.reshape(b.linears, (-1, 3, 3))[:, 0, 2] != 0
        for level in range(1, levels):
            z = height * level / levels
            through = (low < z - 0.1) & (high > z - 0.06 + 1e-6) & ~posts_and_braces
            assert not through.any(), (seed, level)
