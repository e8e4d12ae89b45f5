"""Blend weights on the device: kept for the sizes of images that came last."""

from __future__ import annotations

import numpy as np
import pytest
from engine_pictures import picture, small_model

from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine

SMALL_TILES = EngineConfig(max_tile_px=128, overlap_px=32)


@pytest.fixture(scope="module")
def refining() -> DepthEngine:
    return DepthEngine(small_model(refines=True), device="cpu", config=SMALL_TILES)


def test_sizes_of_images_come_and_go(refining):
    """The tiles of the sizes that came last are kept ready, and no more of them."""
    first = refining.infer(picture(150, 140)).depth_m
    for height in range(64, 84, 2):
        refining.infer(picture(height, 70))
    assert len(refining._weights) == 8
    assert (150, 140) not in refining._weights
    np.testing.assert_array_equal(refining.infer(picture(150, 140)).depth_m, first)
    assert list(refining._weights)[-1] == (150, 140)
    oldest = next(iter(refining._weights))
    refining.infer(picture(*oldest))
    assert list(refining._weights)[-1] == oldest, "a size that comes again is the last one that goes"
