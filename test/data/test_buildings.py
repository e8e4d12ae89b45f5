"""Houses: windows stay within their storey."""

from __future__ import annotations

import numpy as np
import pytest

from prv2_ros.data import buildings
from prv2_ros.data.builder import Place, SceneBuilder


@pytest.mark.parametrize("height", [2.6, 3.0, 4.5, 7.6, 12.0])
def test_no_window_rises_over_its_wall_or_into_the_next_storey(height: float) -> None:
    storeys = max(1, round(height / 3))
    for seed in range(20):
        b = SceneBuilder(np.random.default_rng(seed))
        buildings._windows(Place(b=b, x=0, y=0), 9.0, storeys, height)
        middle, half = np.array(b.centres)[:, 2], np.reshape(b.linears, (-1, 3, 3))[:, 2, 2]
        storey = np.floor(middle / (height / storeys))
        tall = half > 0.2  # no balcony's floor: it lies between two storeys
        assert ((middle + half)[tall] < (storey[tall] + 1) * height / storeys).all()
        assert (2 * half[tall] > 0.9).all(), "still a window"
