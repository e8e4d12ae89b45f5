"""Result types shared by the layers above the geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class TileDepth:
    """Depth that was predicted for one tile on its own, before tiles are blended."""

    y: int
    """Top pixel row, in a map that all tiles of an image share."""

    x: int
    """Left pixel column there."""

    depth_m: NDArray[np.floating[Any]]
    """(h, w) metres; NaN where invalid."""


@dataclass(frozen=True, kw_only=True)
class DepthResult:
    """Metric depth of one image, in the camera's optical frame (z forward, REP-103/118)."""

    depth_m: NDArray[np.float32]
    """(H, W) refined depth along z in metres, at the image's own resolution; NaN where invalid."""

    coarse_depth_m: NDArray[np.float32] | None = None
    """(H, W) depth of the coarse network's first looks in metres, upsampled to the image; NaN where invalid. None where
    the engine was told to leave it out (`coarse=False`)."""

    confidence: NDArray[np.float32] | None = None
    """(H, W) in 0..1, None where it was not asked for or the model has none: exp(-b), where b is the expected absolute
    error of the natural log of the depth. 0.9 says that about 10% of error are to be expected, 0.5 a factor of two."""

    refined_share: float = 1.0
    """Share of the tiles that were refined; below 1 where the time ran out. The rest has the coarse depth."""

    tiles: tuple[TileDepth, ...] = ()
    """Every refined tile, where they were asked for: how far neighbours disagree tells how far to trust seams."""

    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Wall-clock milliseconds by stage (`preprocess`, `coarse`, `refine`, `postprocess`, `total`)."""
