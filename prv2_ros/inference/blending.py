"""The maps of one image at its own resolution, into which refined tiles are blended."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from prv2_ros.geometry.tiles import Tile, TileGrid
from prv2_ros.inference.farthest import farthest_around
from prv2_ros.inference.wide import wide_part
from prv2_ros.network.align import upsample_to
from prv2_ros.network.coarse_lite import CoarseOutput


class ImageMaps:
    """Log depth of an (H, W) image: the coarse one, and changed tile by tile where it was refined.

    Tiles add what they change, weighted so that the weights of all tiles sum to one: where a tile is left out, its
    share of the coarse depth stays, and its neighbours fade into it.
    """

    def __init__(
        self,
        coarse: CoarseOutput,
        size_hw: tuple[int, int],
        *,
        scale: bool,
        keep_tiles: bool = False,
        partial: bool = False,
    ) -> None:
        """Start from the coarse depth.

        Args:
            coarse: what the coarse network says of the image.
            size_hw: height and width of the image (px).
            scale: whether the expected error is kept, too.
            keep_tiles: whether the tiles are kept as they came.
            partial: whether some tiles may be left out.

        """
        self.tiles: list[tuple[Tile, Tensor]] = []
        """Each tile and its log depth inside the image, where they are kept."""

        self._keep_tiles = keep_tiles
        self._cells_hw = (coarse.features_BChw.shape[-2], coarse.features_BChw.shape[-1])
        self._log_coarse_11hw = coarse.log_depth_B1hw.float()
        self.log_coarse_HW = upsample_to(self._log_coarse_11hw, size_hw)[0, 0]
        self.log_depth_HW = self.log_coarse_HW.clone()
        self._refined_HW = torch.zeros_like(self.log_depth_HW) if partial else None
        self.log_scale_HW: Tensor | None = None
        if scale:
            self._coarse_scale_HW = upsample_to(coarse.log_scale_B1hw.float(), size_hw)[0, 0]
            self.log_scale_HW = self._coarse_scale_HW.clone()

    def blend(self, tile: Tile, grid: TileGrid, log_depth_hw: Tensor, log_scale_hw: Tensor) -> None:
        """Take a refined tile: log depth at the tile's resolution, log of its expected error at a lower one."""
        _add(self.log_depth_HW, self.log_coarse_HW, tile, grid, log_depth_hw)
        if self._refined_HW is not None:
            where, rows, columns = _weights(tile, grid, self._refined_HW)
            self._refined_HW[where].addcmul_(rows, columns)
        if self._keep_tiles:
            height, width = self.log_depth_HW.shape
            self.tiles.append((tile, log_depth_hw[: height - tile.y, : width - tile.x].clone()))
        if self.log_scale_HW is not None:
            full_hw = upsample_to(log_scale_hw[None, None], (grid.y.tile, grid.x.tile))[0, 0]
            _add(self.log_scale_HW, self._coarse_scale_HW, tile, grid, full_hw)

    def leave_out_wide_changes(self, sigma_cells: float) -> None:
        """Take back the smooth part of what the tiles changed, once all are blended; where none was, nothing happens.

        Args:
            sigma_cells: width of what is smooth, in cells of the coarse map; 0 takes nothing back.

        """
        if not sigma_cells:
            return
        wide_HW = wide_part(self.log_depth_HW - self.log_coarse_HW, self._cells_hw, sigma_cells)
        self.log_depth_HW -= wide_HW if self._refined_HW is None else wide_HW.mul_(self._refined_HW)

    def leave_out_farther(self, share: float) -> None:
        """Bring nearer what was refined to farther than the coarse depth reaches around a pixel.

        Args:
            share: how much farther it may be; infinity for no bound.

        """
        if math.isinf(share):
            return
        size_hw = (self.log_depth_HW.shape[-2], self.log_depth_HW.shape[-1])
        most_HW = farthest_around(self._log_coarse_11hw, size_hw).add_(math.log1p(share))
        torch.minimum(self.log_depth_HW, most_HW, out=self.log_depth_HW)


def _add(sum_HW: Tensor, base_HW: Tensor, tile: Tile, grid: TileGrid, value_hw: Tensor) -> None:
    """Add a tile's weighted difference from the base, over the stretch where its weight is above zero."""
    where, rows, columns = _weights(tile, grid, sum_HW)
    inner = value_hw[where[0].start - tile.y : where[0].stop - tile.y, where[1].start - tile.x : where[1].stop - tile.x]
    sum_HW[where].addcmul_((inner - base_HW[where]).mul_(rows), columns)


def _weights(tile: Tile, grid: TileGrid, like: Tensor) -> tuple[tuple[slice, slice], Tensor, Tensor]:
    """Where in the image a tile's weight is above zero, and its factors there, (h, 1) and (1, w)."""
    (top, bottom), (left, right) = grid.y.used(tile.row), grid.x.used(tile.column)
    rows = torch.from_numpy(grid.y.weights[tile.row][top - tile.y : bottom - tile.y]).to(like.device)
    columns = torch.from_numpy(grid.x.weights[tile.column][left - tile.x : right - tile.x]).to(like.device)
    return (slice(top, bottom), slice(left, right)), rows[:, None], columns[None, :]
