"""Overlapping tiles of one fixed size that cover an image, with blend weights that sum to one.

Both axes are laid out on their own, and a tile's weight is the product of two one-dimensional profiles. Where
two neighbours overlap, a margin at either end is left to the one that sees further (a network is least sure at
the border of its input), and the stretch between is crossfaded:

    tile i     ████████████████▓▓▒▒░░....
    tile i+1               ....░░▒▒▓▓████████████████
                           margin    margin

Profiles are rounded to multiples of 1/1024. Hence neighbouring ones, and their products over both axes, sum to
exactly one in float32, and blending equal tiles gives back their values to the last bit or so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

MULTIPLE_PX = 32
"""Tile sides are multiples of this (px), as the strides of the network ask."""

_WEIGHT_STEPS = 1024


@dataclass(frozen=True, kw_only=True)
class TileAxis:
    """Tiles along one axis of an image.

    Two tiles at most have a weight above zero at any pixel.
    """

    length: int
    """Length of the image along this axis (px)."""

    tile: int
    """Length of every tile (px), a multiple of 32; exceeds `length` only where one tile covers it all."""

    starts: tuple[int, ...]
    """First pixel of each tile, ascending; the first is 0."""

    weights: tuple[NDArray[np.float32], ...]
    """Blend profile of each tile, (min(tile, length),) float32: 0 in the margins, 1 where it stands alone."""

    def used(self, index: int) -> tuple[int, int]:
        """First pixel and end (exclusive) of a tile's stretch with a weight above zero, in image pixels."""
        nonzero = np.flatnonzero(self.weights[index])
        return self.starts[index] + int(nonzero[0]), self.starts[index] + int(nonzero[-1]) + 1


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One tile: a window of `grid.y.tile` x `grid.x.tile` px of the image."""

    row: int
    """Index along y."""

    column: int
    """Index along x."""

    y: int
    """Top pixel row in the image."""

    x: int
    """Left pixel column in the image."""


@dataclass(frozen=True, kw_only=True)
class TileGrid:
    """Tiles that cover an image, row by row."""

    y: TileAxis
    x: TileAxis

    def __len__(self) -> int:
        """Count the tiles."""
        return len(self.y.starts) * len(self.x.starts)

    def __iter__(self) -> Iterator[Tile]:
        """Yield the tiles, row by row."""
        for row, y in enumerate(self.y.starts):
            for column, x in enumerate(self.x.starts):
                yield Tile(row=row, column=column, y=y, x=x)

    def weight(self, tile: Tile) -> NDArray[np.float32]:
        """Blend weight of a tile at each of its pixels inside the image, (h, w) float32."""
        return np.outer(self.y.weights[tile.row], self.x.weights[tile.column])


def tile_grid(height: int, width: int, *, max_tile: int = 768, overlap: int = 64, shrink: bool = True) -> TileGrid:
    """Cover an image with as few tiles as the largest tile allows, of the smallest size that does it.

    All tiles of a grid have the same size, so they can be batched. An image no longer than `max_tile` along an
    axis gets one tile there, whose side is rounded up to a multiple of 32: it reaches up to 31 px beyond the image.

    Args:
        height: image height (px).
        width: image width (px).
        max_tile: largest side of a tile (px), a multiple of 32.
        overlap: least overlap of neighbouring tiles (px); at most a quarter of `max_tile`.
        shrink: whether tiles may be smaller than `max_tile`; if not, they overlap by more.

    Raises:
        ValueError: sizes that no grid has.

    """
    if min(height, width) < 1:
        raise ValueError(f"image of {width}x{height} px: both sides must be at least 1 px")
    if max_tile < MULTIPLE_PX or max_tile % MULTIPLE_PX:
        raise ValueError(f"max_tile = {max_tile} px: must be a positive multiple of {MULTIPLE_PX}")
    if not 0 <= overlap <= max_tile // 4:
        raise ValueError(f"overlap = {overlap} px: must lie between 0 and a quarter of max_tile ({max_tile // 4} px)")
    return TileGrid(y=_axis(height, max_tile, overlap, shrink), x=_axis(width, max_tile, overlap, shrink))


def _axis(length: int, max_tile: int, overlap: int, shrink: bool) -> TileAxis:
    if length <= max_tile:
        tile = _round_up(length) if shrink else max_tile
        return TileAxis(length=length, tile=tile, starts=(0,), weights=(np.ones(length, np.float32),))
    count = -(-(length - overlap) // (max_tile - overlap))
    tile = min(_round_up(-(-(length + (count - 1) * overlap) // count)), max_tile) if shrink else max_tile
    starts = tuple(round(i * (length - tile) / (count - 1)) for i in range(count))
    profiles = [np.ones(tile, np.float32) for _ in starts]
    for i in range(count - 1):
        begin, end = _fade(starts[i], starts[i + 1], tile)
        share = _smooth_steps(end - begin)
        profiles[i + 1][: begin - starts[i + 1]] = 0
        profiles[i + 1][begin - starts[i + 1] : end - starts[i + 1]] = share
        profiles[i][end - starts[i] :] = 0
        profiles[i][begin - starts[i] : end - starts[i]] = 1 - share
    return TileAxis(length=length, tile=tile, starts=starts, weights=tuple(profiles))


def _fade(start: int, next_start: int, tile: int) -> tuple[int, int]:
    """First pixel and end of the crossfade between two neighbours: the middle half of their overlap."""
    overlap = start + tile - next_start
    margin = overlap // 4
    begin, end = next_start + margin, start + tile - margin
    # A large overlap (few pixels more than one tile) must not let fades of both sides of a tile meet.
    excess = (end - begin) - (next_start - start)
    if excess > 0:
        begin, end = begin + (excess + 1) // 2, end - (excess + 1) // 2
    return begin, end


def _smooth_steps(count: int) -> NDArray[np.float32]:
    """Smooth rise from 0 to 1 over `count` pixels, in multiples of 1/1024."""
    t = (np.arange(count) + 0.5) / max(count, 1)
    smooth: NDArray[Any] = t * t * (3 - 2 * t)
    return (np.round(smooth * _WEIGHT_STEPS) / _WEIGHT_STEPS).astype(np.float32)


def _round_up(length: int) -> int:
    return -(-length // MULTIPLE_PX) * MULTIPLE_PX
