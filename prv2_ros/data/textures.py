"""A fixed bank of procedural textures with a mip pyramid, sampled without aliasing."""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SIZE_PX = 256
_LEVELS = 8
NOISE, BRICK, TILES, PLANKS, STRIPES, CELLS, SPECKLE, POSTER, LEAVES, CHECKER, WINDOWS, WEAVE, GRAIN, TEXT = range(14)
KINDS = 14
VARIANTS = 6
"""Textures of each kind; texture id = kind * VARIANTS + variant."""

PRINTED = (POSTER, CHECKER, TEXT)
"""Kinds whose edges run along the texels."""

BRICKS, TILE_COUNT, CHECKER_COUNT = (12, 4), 4, 8
"""Rows and columns of bricks, tiles and squares along one repeat: surfaces of standard sizes follow from them."""


def _spectral(rng: np.random.Generator, slope: float, stretch: float = 1.0) -> NDArray[np.float64]:
    """Tileable noise with a power-law amplitude spectrum: normal about 0.5, deviation 0.22, clipped to [0, 1]."""
    fy, fx = np.meshgrid(np.fft.fftfreq(SIZE_PX), np.fft.fftfreq(SIZE_PX), indexing="ij")
    radius = np.hypot(fx * stretch, fy) + 1.0 / SIZE_PX
    spectrum = np.fft.fft2(rng.standard_normal((SIZE_PX, SIZE_PX))) * radius**-slope
    value = np.real(np.fft.ifft2(spectrum))
    value = (value - value.mean()) / value.std()
    return np.asarray(np.clip(0.5 + 0.22 * value, 0, 1))


def _grid(rng: np.random.Generator, rows: int, columns: int, gap: float, shift: float) -> NDArray[np.float64]:
    """Bricks, tiles or planks: cells of random brightness with dark or light joints."""
    v, u = np.meshgrid(np.arange(SIZE_PX) / SIZE_PX, np.arange(SIZE_PX) / SIZE_PX, indexing="ij")
    row = np.floor(v * rows).astype(int)
    u = (u * columns + shift * (row % 2)) % columns
    shade = rng.uniform(0.35, 1.0, (rows, columns))
    value = shade[row, np.floor(u).astype(int)]
    edge_u = np.minimum(u % 1, 1 - u % 1) / columns
    edge_v = np.minimum((v * rows) % 1, 1 - (v * rows) % 1) / rows
    return np.asarray(np.where(np.minimum(edge_u, edge_v) < gap, rng.choice([0.0, 0.1, 0.9]), value))


def _cells(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Voronoi cells of random brightness, tileable."""
    points = rng.integers(0, SIZE_PX, (count, 2))
    around = np.ones((3 * SIZE_PX, 3 * SIZE_PX), np.uint8)  # copies on all sides, so that the edges fit together
    shifts = np.stack(np.meshgrid(range(3), range(3)), -1).reshape(-1, 1, 2) * SIZE_PX
    rows, columns = (points + shifts).reshape(-1, 2).T
    around[rows, columns] = 0
    _, labels = cv2.distanceTransformWithLabels(around, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    owner_of = np.zeros(int(labels.max()) + 1, int)
    owner_of[labels[rows, columns]] = np.tile(np.arange(count), 9)
    owner = owner_of[labels[SIZE_PX : 2 * SIZE_PX, SIZE_PX : 2 * SIZE_PX]]
    return np.asarray(rng.uniform(0, 1, count)[owner])


def _patches(rng: np.random.Generator, count: int, largest: float) -> NDArray[np.float64]:
    """Overlapping rectangles in colour, for posters, screens and printed boxes; (S, S, 3)."""
    image = np.ones((SIZE_PX, SIZE_PX, 3)) * rng.uniform(0, 1, 3)
    for _ in range(count):
        h, w = (np.exp(rng.uniform(math.log(0.01), math.log(largest), 2)) * SIZE_PX).astype(int) + 1
        y, x = rng.integers(0, SIZE_PX - h + 1), rng.integers(0, SIZE_PX - w + 1)
        image[y : y + h, x : x + w] = rng.uniform(0, 1, 3)
    return image


def _waves(rng: np.random.Generator, count: int, warp: float) -> NDArray[np.float64]:
    """Stripes bent by noise."""
    u = np.arange(SIZE_PX)[None, :] / SIZE_PX * count
    return np.asarray(0.5 + 0.5 * np.sin(2 * np.pi * (u + warp * (_spectral(rng, 1.8) - 0.5))))


def _leaves(rng: np.random.Generator) -> NDArray[np.float64]:
    """Many small bright strokes over dark, for foliage and grass."""
    value = _spectral(rng, 0.7, rng.uniform(0.4, 2.5))
    return np.asarray(np.clip((value - 0.45) * 3, 0, 1) * _spectral(rng, 1.5))


def _facade(rng: np.random.Generator) -> NDArray[np.float64]:
    """Window panes in a wall: two storeys of dark panes with light frames."""
    columns = int(rng.integers(2, 5))
    v, u = np.meshgrid(np.arange(SIZE_PX) / SIZE_PX * 2 % 1, np.arange(SIZE_PX) / SIZE_PX * columns % 1, indexing="ij")
    w, h = rng.uniform(0.25, 0.4), rng.uniform(0.25, 0.4)
    pane = (np.abs(u - 0.5) < w) & (np.abs(v - 0.5) < h)
    frame = (np.abs(u - 0.5) < w + 0.04) & (np.abs(v - 0.5) < h + 0.04)
    return np.where(pane, 0.05 + 0.2 * _spectral(rng, 1.5), np.where(frame, 1.0, 0.6 + 0.2 * _spectral(rng, 1.0)))


def _page(rng: np.random.Generator) -> NDArray[np.float64]:
    """Printed page: lines of short dark words in one or two columns, sometimes with a picture."""
    page = np.ones((SIZE_PX, SIZE_PX))
    pitch, columns = int(rng.integers(5, 14)), int(rng.integers(1, 3))
    for column in range(columns):
        left, right = SIZE_PX * column // columns + 14, SIZE_PX * (column + 1) // columns - 14
        for y in range(16, SIZE_PX - 16, pitch):
            x = left
            while x < right and rng.uniform() < 0.95:
                word = int(rng.integers(3, 18))
                page[y : y + max(2, pitch // 2), x : min(x + word, right)] = rng.uniform(0.1, 0.4)
                x += word + 4
    if rng.uniform() < 0.5:
        y, x = rng.integers(10, 150, 2)
        page[y : y + 80, x : x + 90] = _spectral(rng, 1.5)[:80, :90]
    return page


def _make(kind: int, rng: np.random.Generator) -> NDArray[np.float64]:
    fine = _spectral(rng, rng.uniform(0.4, 1.2))
    count = int(rng.integers(2, 9))
    if kind == NOISE:
        value = _spectral(rng, rng.uniform(0.9, 2.2))
    elif kind == BRICK:
        value = 0.8 * _grid(rng, *BRICKS, 0.006, 0.5) + 0.2 * fine
    elif kind == TILES:
        value = 0.85 * _grid(rng, TILE_COUNT, TILE_COUNT, 0.006, 0.0) + 0.15 * fine
    elif kind == PLANKS:
        value = 0.5 * _grid(rng, 2 * count, 1, 0.004, 0.37) + 0.5 * _spectral(rng, 1.3, 0.08)
    elif kind == STRIPES:
        value = _waves(rng, count, rng.choice([0.0, 0.5, 2.0]))
    elif kind == CELLS:
        value = 0.8 * _cells(rng, int(rng.integers(20, 150))) + 0.2 * fine
    elif kind == SPECKLE:
        value = _spectral(rng, rng.uniform(0.0, 0.5))
    elif kind == POSTER:
        return _patches(rng, int(rng.integers(20, 160)), rng.uniform(0.1, 0.6))
    elif kind == LEAVES:
        value = _leaves(rng)
    elif kind == CHECKER:
        cells = (np.arange(SIZE_PX) * CHECKER_COUNT // SIZE_PX) % 2
        value = (cells[:, None] ^ cells[None, :]).astype(float)
    elif kind == WINDOWS:
        value = _facade(rng)
    elif kind == GRAIN:
        value = 0.8 * _spectral(rng, rng.uniform(1.0, 1.6), rng.uniform(0.04, 0.12)) + 0.2 * fine
    elif kind == TEXT:
        value = _page(rng)
    else:
        value = 0.5 * _waves(rng, 4 * count, 0.2) + 0.5 * _waves(rng, 4 * count, 0.2).T
    return np.repeat(value[..., None], 3, -1)


@cache
def bank(device: torch.device) -> Tensor:
    """All textures and their halved copies: (ids, texels of all levels, 4) uint8, level 0 first; channel 3 is unused.

    A texel is one 32-bit word, so that a lookup fetches it at once.
    """
    rng = np.random.default_rng(20260101)
    maps = np.stack([_make(kind, rng) for kind in range(KINDS) for _ in range(VARIANTS)])
    level = torch.from_numpy(maps).float().permute(0, 3, 1, 2)
    flat = []
    for _ in range(_LEVELS):
        flat.append(level.flatten(2))
        level = torch.nn.functional.avg_pool2d(level, 2)
    rgb = (torch.cat(flat, 2).permute(0, 2, 1).clamp(0, 1) * 255 + 0.5).to(torch.uint8)
    return torch.nn.functional.pad(rgb, (0, 1)).contiguous().to(device)


def sample(
    ids: Tensor, u: Tensor, v: Tensor, texels_per_px: Tensor, channels: int = 3, *, crisp: bool = False
) -> Tensor:
    """Look textures `ids` (N,) up at `u`, `v` (N,) in repeats, bilinearly, at the mip level of the footprint.

    Returns (channels, N) in [0, 1]; one channel is enough for grey textures. Where a texel covers more than a pixel,
    the edges of what is printed (`PRINTED`) stay a pixel wide if `crisp`, and are a texel wide else.
    """
    table = bank(u.device)
    level = texels_per_px.clamp(min=1.0).log2().round().clamp(max=_LEVELS - 1).int()
    size = SIZE_PX >> level
    # Levels 0 to k - 1 hold 4/3 (S^2 - s^2) texels, where s is the edge of level k.
    start = (SIZE_PX * SIZE_PX - size * size) // 3 * 4
    x, y = u * size - 0.5, v * size - 0.5
    x0, y0 = x.floor(), y.floor()
    ax, ay = x - x0, y - y0
    if crisp:
        printed = torch.isin(ids // VARIANTS, torch.tensor(PRINTED, device=ids.device))
        ramp = torch.where(printed, texels_per_px.clamp(1e-3, 1.0), 1.0)
        ax, ay = (((a - 0.5) / ramp + 0.5).clamp_(0, 1) for a in (ax, ay))
    last = size - 1
    x0, y0 = x0.int(), y0.int()
    left, right = x0 & last, (x0 + 1) & last
    base = ids.int() * table.shape[1] + start
    upper, lower = base + (y0 & last) * size, base + ((y0 + 1) & last) * size
    flat = table.view(torch.int32).view(-1)
    words = [flat.index_select(0, at) for at in (upper + left, upper + right, lower + left, lower + right)]
    out = u.new_empty(channels, len(u))
    for channel in range(channels):
        a, b, c, d = (((word >> 8 * channel) & 255).float() for word in words)
        out[channel] = torch.lerp(torch.lerp(a, b, ax), torch.lerp(c, d, ax), ay)
    return out.div_(255)
