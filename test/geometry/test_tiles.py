from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prv2_ros.geometry.tiles import MULTIPLE_PX, TileGrid, tile_grid

LAYOUTS = {"max_tile": st.sampled_from([128, 256, 512, 768]), "overlap": st.sampled_from([0, 1, 16, 32])}


def weight_sum(grid: TileGrid) -> np.ndarray:
    total = np.zeros((grid.y.length, grid.x.length), np.float32)
    for tile in grid:
        weight = grid.weight(tile)
        total[tile.y : tile.y + weight.shape[0], tile.x : tile.x + weight.shape[1]] += weight
    return total


@settings(max_examples=60, deadline=None)
@given(height=st.integers(64, 1400), width=st.integers(64, 1400), **LAYOUTS)
def test_weights_sum_to_exactly_one_at_every_pixel(height, width, max_tile, overlap):
    total = weight_sum(tile_grid(height, width, max_tile=max_tile, overlap=overlap))
    assert total.min() == 1.0
    assert total.max() == 1.0


@settings(max_examples=400, deadline=None)
@given(length=st.integers(1, 10_000), **LAYOUTS)
def test_every_axis_is_covered_by_equal_tiles_that_overlap_enough(length, max_tile, overlap):
    axis = tile_grid(64, length, max_tile=max_tile, overlap=overlap).x
    assert axis.tile % MULTIPLE_PX == 0
    assert axis.tile <= max_tile
    assert axis.starts[0] == 0
    assert max(length, axis.tile) - axis.starts[-1] == axis.tile
    steps = np.diff(axis.starts)
    assert (steps > 0).all()
    assert (axis.tile - steps >= overlap).all()
    for weights in axis.weights:
        assert weights.dtype == np.float32
        assert weights.shape == (min(axis.tile, length),)
        assert weights.min() >= 0
        assert weights.max() <= 1
    coverage = np.zeros(length, int)
    for i in range(len(axis.starts)):
        begin, end = axis.used(i)
        coverage[begin:end] += 1
    assert coverage.min() >= 1
    assert coverage.max() <= 2


def test_the_outermost_pixels_of_a_tile_inside_the_image_do_not_count():
    axis = tile_grid(64, 3840, max_tile=768, overlap=64).x
    for i, weights in enumerate(axis.weights):
        assert (weights[:16] == 0).all() == (i > 0)
        assert (weights[-16:] == 0).all() == (i < len(axis.weights) - 1)


def test_blending_has_no_seams():
    """Tiles that disagree by one are joined by a ramp, not by a step."""
    grid = tile_grid(1080, 1920, max_tile=768, overlap=64)
    blended = np.zeros((1080, 1920))
    for tile in grid:
        weight = grid.weight(tile)
        blended[tile.y : tile.y + grid.y.tile, tile.x : tile.x + grid.x.tile] += weight * ((tile.row + tile.column) % 2)
    assert blended.max() == 1
    # A smooth step over the middle half (32 px and more) of the overlap is nowhere steeper than 1.5 / 32.
    assert np.abs(np.diff(blended, axis=0)).max() < 0.05
    assert np.abs(np.diff(blended, axis=1)).max() < 0.05


def test_blending_equal_tiles_gives_back_the_image():
    rng = np.random.default_rng(0)
    image = rng.uniform(-2, 6, (700, 1111)).astype(np.float32)
    grid = tile_grid(*image.shape, max_tile=384, overlap=32)
    blended = np.zeros_like(image)
    for tile in grid:
        window = np.s_[tile.y : tile.y + grid.y.tile, tile.x : tile.x + grid.x.tile]
        blended[window] += grid.weight(tile) * image[window]
    np.testing.assert_allclose(blended, image, rtol=0, atol=1e-6)


def test_a_small_image_gets_one_tile_that_reaches_beyond_it():
    grid = tile_grid(65, 127)
    assert len(grid) == 1
    assert (grid.y.tile, grid.x.tile) == (96, 128)
    (tile,) = grid
    assert grid.weight(tile).shape == (65, 127)
    assert (grid.weight(tile) == 1).all()


def test_tiles_shrink_to_fit_instead_of_overlapping_more():
    grid = tile_grid(1080, 1920, max_tile=768, overlap=64)
    assert (len(grid.y.starts), len(grid.x.starts)) == (2, 3)
    covered = len(grid) * grid.y.tile * grid.x.tile
    assert covered < 1.2 * 1080 * 1920


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"height": 0, "width": 10}, r"image of 10x0 px"),
        ({"height": 64, "width": 64, "max_tile": 100}, r"max_tile = 100 px: must be a positive multiple of 32"),
        ({"height": 64, "width": 64, "max_tile": 256, "overlap": 65}, r"overlap = 65 px: .*\(64 px\)"),
        ({"height": 64, "width": 64, "overlap": -1}, r"overlap = -1 px"),
    ],
)
def test_impossible_grids_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tile_grid(**arguments)
