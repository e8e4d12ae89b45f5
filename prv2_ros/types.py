"""Result types shared by the layers above the geometry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class DepthResult:
    """Metric depth of one image, in the camera's optical frame (z forward, REP-103/118)."""

    depth_m: NDArray[np.float32]
    """(H, W) refined depth along z in metres, at the image's own resolution; NaN where invalid."""

    coarse_depth_m: NDArray[np.float32]
    """(H, W) depth of the coarse network alone in metres, upsampled to the image; NaN where invalid."""

    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Wall-clock milliseconds by stage (`preprocess`, `coarse`, `refine`, `postprocess`, `total`)."""
