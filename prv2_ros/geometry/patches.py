"""Patches as PatchRefiner V2 lays them out, and how it merges them (arXiv 2501.01121; PatchFusion, arXiv 2312.02284).

An image is cut into a grid of equal patches; shifted grids and random patches see what lies on the first grid's
borders. Every patch is resampled to P x P px, so that the merged map has `rows * P` x `columns * P` px.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.config_fields import fit_own_fields
from prv2_ros.errors import ConfigError, InputError
from prv2_ros.geometry.tiles import TileGrid, tile_grid

_BORDER = 0.15
"""Share of a patch at each side that counts for nothing where patches overlap (before blurring)."""


@dataclass(frozen=True, kw_only=True)
class PatchLayout:
    """Which patches of an image are refined."""

    rows: int = 4
    columns: int = 4
    mode: str = "m1"
    """`m1`: the grid; `m2`: also the grids shifted by half a patch in x, in y and in both; `rN`: also N random ones.

    `blend`, not in the paper: as many patches as overlap by `overlap_px` at least, crossfaded, so that no seam is left.
    """

    seed: int = 0
    """Decides the random patches."""

    overlap_px: int = 64
    """Least overlap of neighbouring patches of `blend`, in pixels of the merged map."""

    def __post_init__(self) -> None:
        """Refuse values of other types, and grids and modes that do not exist."""
        fit_own_fields(self)
        if self.rows < 1 or self.columns < 1:
            raise ConfigError(f"patch grid {self.rows}x{self.columns}: both numbers must be at least 1")
        if not re.fullmatch(r"m1|m2|r\d+|blend", self.mode):
            raise ConfigError(
                f"patch mode {self.mode!r}: expected m1, m2, blend or rN (r and a number, for example r64)"
            )
        if self.seed < 0 or self.overlap_px < 0:
            raise ConfigError(f"seed {self.seed}, overlap_px {self.overlap_px}: neither may be negative")

    def patches(self, patch_px: int) -> tuple[list[Patch], list[Patch]]:
        """Patches of the first grid, and those that are averaged in after it, on a merged map of `patch_px` patches."""
        assert self.mode != "blend", "blended patches come from blend_grid"
        first = self._grid(patch_px, 0, 0)
        if self.mode == "m1":
            return first, []
        half = patch_px // 2
        later = [p for y, x in ((0, half), (half, 0), (half, half)) for p in self._grid(patch_px, y, x)]
        if self.mode != "m2":
            rng = np.random.default_rng(self.seed)
            ends = (self.rows - 1) * patch_px + 1, (self.columns - 1) * patch_px + 1
            tops, lefts = (rng.integers(0, end, int(self.mode[1:])) for end in ends)
            later += [Patch(top=int(y), left=int(x)) for y, x in zip(tops, lefts, strict=True)]
        return first, later

    def blend_grid(self, patch_px: int) -> TileGrid:
        """Overlapping patches of `blend` on the merged map, with weights that sum to one.

        Raises:
            ConfigError: an overlap that these patches cannot have.

        """
        try:
            return tile_grid(
                self.rows * patch_px, self.columns * patch_px, max_tile=patch_px, overlap=self.overlap_px, shrink=False
            )
        except ValueError as error:
            raise ConfigError(f"patches of {patch_px} px: {error}") from error

    def _grid(self, patch_px: int, top: int, left: int) -> list[Patch]:
        rows, columns = self.rows - (top > 0), self.columns - (left > 0)
        return [Patch(top=top + r * patch_px, left=left + c * patch_px) for r in range(rows) for c in range(columns)]

    def check_image(self, height: int, width: int, *, least_px: int = 32) -> None:
        """Refuse an image whose patches would be smaller than `least_px`.

        Raises:
            InputError: the grid does not fit the image.

        """
        if height < self.rows * least_px or width < self.columns * least_px:
            raise InputError(
                f"a grid of {self.rows}x{self.columns} patches does not fit an image of {width}x{height} px: patches "
                f"would have fewer than {least_px} px a side; take fewer rows and columns"
            )


@dataclass(frozen=True, kw_only=True)
class Patch:
    """Top left corner of a patch on the merged map (px of that map)."""

    top: int
    left: int

    def box_xywh(self, patch_px: int, merged_hw: tuple[int, int], image_hw: tuple[int, int]) -> tuple[float, ...]:
        """Left, top, width and height of the patch in pixels of the image (edges)."""
        y, x = image_hw[0] / merged_hw[0], image_hw[1] / merged_hw[1]
        return self.left * x, self.top * y, patch_px * x, patch_px * y


def patch_weight(patch_px: int) -> NDArray[np.float32]:
    """Weight of a patch's pixels where patches overlap: a box with soft sides, (P, P) in 0..1.

    A box mask with 15% of zeros at each side, blurred with sigma P / 16 and stretched to 0..1, as in
    BoostingMonocularDepth (arXiv 2105.14021), from which PatchFusion took it.
    """
    sigma = patch_px // 16
    margin = int(_BORDER * patch_px)
    mask: NDArray[Any] = np.zeros((patch_px, patch_px), np.float32)
    mask[margin : patch_px - margin, margin : patch_px - margin] = 1
    side = 2 * math.ceil(2 * sigma) + 1
    mask = cv2.GaussianBlur(mask, (side, side), sigma)
    span = float(mask.max() - mask.min())
    weight: NDArray[np.float32] = ((mask - mask.min()) / span).astype(np.float32)
    return weight


class RunningMean:
    """The published merge: a weighted mean that takes one patch after the other.

    The first grid's values stand as they are, and count with their weight for what comes later.
    """

    def __init__(self, layout: PatchLayout, patch_px: int) -> None:
        shape = (layout.rows * patch_px, layout.columns * patch_px)
        self.depth_m = np.zeros(shape, np.float32)
        self._count = np.zeros(shape, np.float32)
        self._weight = patch_weight(patch_px)
        self._patch_px = patch_px

    def write(self, patch: Patch, depth_m: NDArray[np.float32]) -> None:
        """Take a patch of the first grid, (P, P) metres."""
        where = self._where(patch)
        self.depth_m[where] = depth_m
        self._count[where] = self._weight

    def add(self, patch: Patch, depth_m: NDArray[np.float32]) -> None:
        """Average a patch in, (P, P) metres."""
        where = self._where(patch)
        total = self._count[where] + self._weight
        share = np.divide(self._weight, total, out=np.zeros_like(total), where=total > 0)
        self.depth_m[where] += share * (depth_m - self.depth_m[where])
        self._count[where] = total

    def _where(self, patch: Patch) -> tuple[slice, slice]:
        p = self._patch_px
        return slice(patch.top, patch.top + p), slice(patch.left, patch.left + p)
