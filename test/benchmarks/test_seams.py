"""What the benchmark of seams says of tiles whose disagreement is known."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from prv2_ros.geometry.tiles import tile_grid
from prv2_ros.inference.config import EngineConfig
from prv2_ros.types import DepthResult, TileDepth

_SPEC = importlib.util.spec_from_file_location("seams", Path(__file__).parents[2] / "benchmarks" / "seams.py")
assert _SPEC is not None
assert _SPEC.loader is not None
seams = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(seams)


def _blended(offset: float) -> tuple[DepthResult, EngineConfig]:
    """A slope of 1% a pixel, seen by two rows of tiles, the lower one too far by `offset` in log depth."""
    config = EngineConfig(max_tile_px=256, overlap_px=64)
    grid = tile_grid(448, 256, max_tile=256, overlap=64)
    slope = np.repeat(0.01 * np.arange(448.0)[:, None], 256, 1)
    total, tiles = np.zeros_like(slope), []
    for tile in grid:
        log_depth = slope[tile.y : tile.y + grid.y.tile] + offset * tile.row
        total[tile.y : tile.y + grid.y.tile] += grid.weight(tile) * log_depth
        tiles.append(TileDepth(y=tile.y, x=tile.x, depth_m=np.exp(log_depth)))
    depth_m = np.exp(total).astype(np.float32)
    return DepthResult(depth_m=depth_m, coarse_depth_m=None, tiles=tuple(tiles)), config


@pytest.mark.parametrize("offset", [0.0, 0.1])
def test_a_disagreement_is_found_though_blending_leaves_no_step(offset: float) -> None:
    result, config = _blended(offset)
    disagreement, added, step = seams.seam_steps(result, config)
    assert disagreement == pytest.approx(offset, abs=1e-6)
    assert added == pytest.approx(offset / 40, rel=0.3, abs=1e-6)
    assert step == pytest.approx(0.01 + added, rel=0.05)
