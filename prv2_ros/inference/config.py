"""Settings of the engine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from prv2_ros.errors import ConfigError
from prv2_ros.geometry.tiles import MULTIPLE_PX
from prv2_ros.inference.regions import Region, check_region

ALL_FAR_M = 1e-3
"""For `metric_from_m` where a frame's time is measured: the look at what is far belongs to it, whatever it shows."""

_WIDEST_CELLS = 32
_LEAST, _CLOSEST = 3, 24  # at the least, the upright third is as large as the first look


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """How images are tiled and what counts as a valid depth.

    Raises:
        ConfigError: a value out of its range.

    """

    assumed_fov_deg: float = 60.0
    """Horizontal field of view (degrees) taken for an image that comes without a camera; depth is then metric only
    as far as this guess holds (it grows with the true focal length in proportion)."""

    max_depth_m: float = 200.0
    """Depths beyond this (m), the sky among them, become NaN."""

    max_tile_px: int = 768
    """Largest side of a tile that is refined at once (px), a multiple of 32. Bounds memory; smaller is slower."""

    overlap_px: int = 64
    """Least overlap of neighbouring tiles (px), half of which is crossfaded."""

    max_latency_ms: float = 0.0
    """Time (ms) after which the answer should be there, 0 for no limit: after the look at what is far, if there is time
    for it, tiles are refined best first until it is spent, and the rest keeps the coarse depth."""

    regions: tuple[Region, ...] = ()
    """Regions of interest (left, top, width, height in px), refined first where time is limited."""

    wide_cells: float = 3.0
    """Changes of the refiner that are smoother than this (standard deviation, in cells of the coarse map) are left out;
    0 keeps them. 3 cells are 45 px of a 1920x1080 image. What is wide is the coarse network's matter."""

    farther: float = 0.5
    """How much farther (share) refined depth may be than the coarse depth is anywhere in the same cell of its map, of
    3.75 px in a 1920x1080 image; inf for no bound. A refiner that errs about what is far takes walls for the sky."""

    metric_from_m: float = 36.0
    """Coarse depth (m) from which on the refiner's wide changes are kept and twice as much of `farther` is allowed, in
    part from half of it on; inf for nowhere. What is far is small, and the native pixels tell more of it."""

    far_look: float = 12.0
    """Area, relative to the coarse network's first look, of a closer look that is taken where the coarse depth is
    beyond `metric_from_m`, in part from half of it on; 0 for none. A third of it is the picture's, the rest its mirror
    image's. It takes this many times as long as the first look, in pictures that show something far."""

    tile_batch: int = 0
    """Tiles refined together; 0 chooses 1 on a CPU, 4 on a GPU. Halved for good when the GPU's memory runs out."""

    compile: str = "off"
    """`off`, or a mode of `compiled.compiled`: `default`, `cuda-graphs`. Each number of tiles at once is compiled by
    itself, and in limited time any number up to `tile_batch` may come: with 1 the first frame settles it."""

    def __post_init__(self) -> None:
        """Refuse values that no engine can run with."""
        if not 0 < self.assumed_fov_deg < 180:
            raise ConfigError(f"assumed_fov_deg = {self.assumed_fov_deg}: must lie between 0 and 180 degrees")
        if not self.max_depth_m > 0 or math.isnan(self.max_depth_m):
            raise ConfigError(f"max_depth_m = {self.max_depth_m}: must be positive (inf for no limit)")
        if self.max_tile_px < 128 or self.max_tile_px % MULTIPLE_PX:
            raise ConfigError(
                f"max_tile_px = {self.max_tile_px}: must be a multiple of {MULTIPLE_PX} and at least 128; 768 is usual"
            )
        if not 0 <= self.overlap_px <= self.max_tile_px // 4:
            raise ConfigError(
                f"overlap_px = {self.overlap_px}: must lie between 0 and a quarter of max_tile_px "
                f"({self.max_tile_px // 4})"
            )
        check_latency(self.max_latency_ms)
        if not 0 <= self.wide_cells <= _WIDEST_CELLS:
            raise ConfigError(f"wide_cells = {self.wide_cells}: must lie between 0 (off) and {_WIDEST_CELLS}")
        if not self.farther >= 0:
            raise ConfigError(f"farther = {self.farther}: must be 0 or more (inf for no bound)")
        if not self.metric_from_m > 0:
            raise ConfigError(f"metric_from_m = {self.metric_from_m}: must be positive (inf for nowhere)")
        if self.far_look and not _LEAST <= self.far_look <= _CLOSEST:
            raise ConfigError(f"far_look = {self.far_look}: must be 0 (off), or from {_LEAST} to {_CLOSEST}")
        for region in self.regions:
            check_region(region)
        if self.tile_batch < 0:
            raise ConfigError(f"tile_batch = {self.tile_batch}: must be 0 (chosen by the device) or more")


def check_latency(max_latency_ms: float) -> None:
    """Refuse a limit on the time (ms) that is none.

    Raises:
        ConfigError: negative, infinite or NaN.

    """
    if not 0 <= max_latency_ms < math.inf:
        raise ConfigError(f"max_latency_ms = {max_latency_ms}: must be 0 (no limit) or a time in milliseconds")
