"""The maps of one image at its own resolution, into which refined tiles are blended."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from prv2_ros.geometry.tiles import Tile, TileAxis, TileGrid
from prv2_ros.inference.farthest import farthest_around
from prv2_ros.inference.wide import wide_part
from prv2_ros.network.align import upsample_to
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.near_share import share_within


class BlendWeights:
    """Weights of a grid's tiles as factors on a device: copying them for every tile would wait for a GPU every time."""

    def __init__(self, grid: TileGrid, device: torch.device) -> None:
        """Copy the profiles of both axes."""
        self.grid = grid
        self._rows = [_profile(grid.y, k, device)[:, None] for k in range(len(grid.y.starts))]
        self._columns = [_profile(grid.x, k, device)[None, :] for k in range(len(grid.x.starts))]

    def of(self, tile: Tile) -> tuple[tuple[slice, slice], Tensor, Tensor]:
        """Where in the image a tile's weight is above zero, and its factors there, (h, 1) and (1, w)."""
        where = (slice(*self.grid.y.used(tile.row)), slice(*self.grid.x.used(tile.column)))
        return where, self._rows[tile.row], self._columns[tile.column]


def _profile(axis: TileAxis, index: int, device: torch.device) -> Tensor:
    start, end = axis.used(index)
    first = axis.starts[index]
    return torch.from_numpy(axis.weights[index][start - first : end - first]).to(device)


class ImageMaps:
    """Log depth of an (H, W) image: the coarse one, and changed tile by tile where it was refined.

    Tiles add what they change, weighted so that the weights of all tiles sum to one: where a tile is left out, its
    share of the coarse depth stays, and its neighbours fade into it.
    """

    def __init__(
        self,
        coarse: CoarseOutput,
        size_hw: tuple[int, int],
        weights: BlendWeights,
        *,
        overview: CoarseOutput | None = None,
        scale: bool,
        keep_tiles: bool = False,
        partial: bool = False,
    ) -> None:
        """Start from the coarse depth.

        Args:
            coarse: what the coarse network says of the image; tiles refine this.
            size_hw: height and width of the image (px).
            weights: of the tiles that come, on the device of the coarse depth.
            overview: the same before a closer look at what is far (default: there was none).
            scale: whether the expected error is kept, too.
            keep_tiles: whether the tiles are kept as they came.
            partial: whether some tiles may be left out.

        """
        self.tiles: list[tuple[Tile, Tensor]] = []
        """Each tile and its log depth inside the image, where they are kept."""

        self._weights = weights
        self._keep_tiles = keep_tiles
        self._cells_hw = (coarse.features_BChw.shape[-2], coarse.features_BChw.shape[-1])
        self._log_overview_11hw = (overview or coarse).log_depth_B1hw.float()
        self._same = overview is None or overview is coarse
        self.log_coarse_HW = upsample_to(coarse.log_depth_B1hw.float(), size_hw)[0, 0]
        self.log_depth_HW = self.log_coarse_HW.clone()
        self._refined_HW = torch.zeros_like(self.log_depth_HW) if partial else None
        self.log_scale_HW: Tensor | None = None
        if scale:
            self._coarse_scale_HW = upsample_to(coarse.log_scale_B1hw.float(), size_hw)[0, 0]
            self.log_scale_HW = self._coarse_scale_HW.clone()

    def blend(self, tile: Tile, log_depth_hw: Tensor, log_scale_hw: Tensor) -> None:
        """Take a refined tile: log depth at the tile's resolution, log of its expected error at a lower one."""
        self._add(self.log_depth_HW, self.log_coarse_HW, tile, log_depth_hw)
        if self._refined_HW is not None:
            where, rows, columns = self._weights.of(tile)
            self._refined_HW[where].addcmul_(rows, columns)
        if self._keep_tiles:
            height, width = self.log_depth_HW.shape
            self.tiles.append((tile, log_depth_hw[: height - tile.y, : width - tile.x].clone()))
        if self.log_scale_HW is not None:
            grid = self._weights.grid
            full_hw = upsample_to(log_scale_hw[None, None], (grid.y.tile, grid.x.tile))[0, 0]
            self._add(self.log_scale_HW, self._coarse_scale_HW, tile, full_hw)

    def _add(self, sum_HW: Tensor, base_HW: Tensor, tile: Tile, value_hw: Tensor) -> None:
        """Add a tile's weighted difference from the base, over the stretch where its weight is above zero."""
        where, rows, columns = self._weights.of(tile)
        y, x = where
        inner = value_hw[y.start - tile.y : y.stop - tile.y, x.start - tile.x : x.stop - tile.x]
        sum_HW[where].addcmul_((inner - base_HW[where]).mul_(rows), columns)

    def log_overview_HW(self) -> Tensor:
        """Log depth (H, W) before any closer look."""
        size_hw = (self.log_coarse_HW.shape[-2], self.log_coarse_HW.shape[-1])
        return self.log_coarse_HW if self._same else upsample_to(self._log_overview_11hw, size_hw)[0, 0]

    def near(self, far_m: float) -> Tensor | None:
        """Share of each pixel (H, W) that `share_within` gives for the coarse depth; None where all is near."""
        if math.isinf(far_m):
            return None
        # A bilinear map exceeds none of its cells. To look at them would have the CPU wait for a GPU.
        on_cpu = self._log_overview_11hw.device.type == "cpu"
        if on_cpu and self._same and float(self._log_overview_11hw.max()) <= math.log(far_m / 2):
            return None
        return share_within(self.log_coarse_HW, far_m)

    def leave_out_wide_changes(self, sigma_cells: float, near_HW: Tensor | None = None) -> None:
        """Take back the smooth part of what the tiles changed, once all are blended; where none was, nothing happens.

        Args:
            sigma_cells: width of what is smooth, in cells of the coarse map; 0 takes nothing back.
            near_HW: share of it that is taken back at each pixel.

        """
        if not sigma_cells:
            return
        wide_HW = wide_part(self.log_depth_HW - self.log_coarse_HW, self._cells_hw, sigma_cells)
        if self._refined_HW is not None:
            wide_HW.mul_(self._refined_HW)
        if near_HW is None:
            self.log_depth_HW.sub_(wide_HW)
        else:
            self.log_depth_HW.addcmul_(wide_HW, near_HW, value=-1)

    def leave_out_farther(self, share: float, near_HW: Tensor | None = None) -> None:
        """Bring nearer what was refined to farther than the coarse depth reaches around a pixel.

        Args:
            share: how much farther it may be, twice as much where `near_HW` is 0; infinity for no bound.
            near_HW: how near each pixel is, 0 to 1.

        """
        if math.isinf(share):
            return
        size_hw = (self.log_depth_HW.shape[-2], self.log_depth_HW.shape[-1])
        reach, beyond = math.log1p(share), math.log1p(2 * share)
        # What all pixels share is added to the cells, of which there are few.
        if near_HW is None:
            most_HW = farthest_around(self._log_overview_11hw + reach, size_hw)
        else:
            most_HW = farthest_around(self._log_overview_11hw + beyond, size_hw).add_(near_HW, alpha=reach - beyond)
        torch.minimum(self.log_depth_HW, most_HW, out=self.log_depth_HW)
