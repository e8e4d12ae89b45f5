"""The table of models in the README: parameters, and the work of one 3840x2160 frame.

    python benchmarks/models.py

Counted by torch's flop counter on tensors without memory (multiply-add = 2): matrix products, convolutions and
attention; what is done element by element is left out. Nothing is loaded, nothing is run.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from prv2_ros.geometry.tiles import tile_grid
from prv2_ros.inference.config import EngineConfig
from prv2_ros.network.coarse_transformers import build_depth_anything
from prv2_ros.network.model import DepthModel
from prv2_ros.network.refiner_published import PUBLISHED_ENCODERS, build_published_refiner
from prv2_ros.network.refiner_realtime import DEPTH_STRIDE, FEATURE_STRIDE

FRAME_HW = (2160, 3840)
PATCH_PX, PATCHES = 448, 16
HEADER = (
    "| model | coarse network | refiner | parameters (M) | GFLOP a 4K frame | licence of the weights |\n"
    "| --- | --- | --- | --- | --- | --- |"
)
PUBLISHED_LICENCE = "none released; the coarse network's CC-BY-NC-4.0"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One model."""

    model: str
    coarse: str
    refiner: str
    coarse_m: float
    refiner_m: float
    coarse_gflop: float
    refiner_gflop: float
    licence: str

    def __str__(self) -> str:
        work = self.coarse_gflop + self.refiner_gflop
        return (
            f"| `{self.model}` | {self.coarse} | {self.refiner} | {self.coarse_m:.1f} + {self.refiner_m:.1f} | "
            f"{work:,.0f} ({self.coarse_gflop:,.0f} + {self.refiner_gflop:,.0f}) | {self.licence} |"
        )


def main() -> int:
    print(HEADER)
    for row in (own_row(), *published_rows()):
        print(row)
    return 0


def own_row() -> Row:
    with torch.device("meta"):
        model = DepthModel().eval()
        size = model.network_size(FRAME_HW[1], FRAME_HW[0])
        grid = tile_grid(*FRAME_HW, max_tile=EngineConfig().max_tile_px, overlap=EngineConfig().overlap_px)
        h, w = grid.y.tile, grid.x.tile
        with FlopCounterMode(display=False) as coarse_work:
            coarse = model.predict_coarse(torch.empty(1, 3, *size), torch.ones(1))
        features = torch.empty(1, coarse.features_BChw.shape[1], h // FEATURE_STRIDE, w // FEATURE_STRIDE)
        known = torch.empty(1, 1, h // DEPTH_STRIDE, w // DEPTH_STRIDE)
        with FlopCounterMode(display=False) as tile_work:
            model.refine(torch.empty(1, 3, h, w), known, features, known)
    return Row(
        model="default",
        coarse=f"`coarse_lite`, {size[1]}x{size[0]}",
        refiner=f"`refiner_realtime`, {len(grid)} tiles of {w}x{h}",
        coarse_m=millions(model.coarse),
        refiner_m=millions(model.refiner),
        coarse_gflop=coarse_work.get_total_flops() / 1e9,
        refiner_gflop=len(grid) * tile_work.get_total_flops() / 1e9,
        licence="Apache-2.0",
    )


def published_rows() -> list[Row]:
    rows = []
    with torch.device("meta"):
        coarse = build_depth_anything("large")
        with FlopCounterMode(display=False) as coarse_work:
            maps = coarse(torch.empty(1, 3, PATCH_PX, PATCH_PX))
        for name, encoder in PUBLISHED_ENCODERS.items():
            refiner = build_published_refiner(encoder, coarse.feature_channels).eval()
            depth = torch.empty(1, 1, PATCH_PX, PATCH_PX)
            with FlopCounterMode(display=False) as patch_work:
                refiner(torch.empty(1, 3, PATCH_PX, PATCH_PX), depth, maps.features)
            rows.append(
                Row(
                    model=name.lower().replace("-", "_"),
                    coarse="Depth Anything V2 metric, ViT-L, 448x448",
                    refiner=f"published, `{encoder}`, {PATCHES} patches of {PATCH_PX}x{PATCH_PX}",
                    coarse_m=millions(coarse),
                    refiner_m=millions(refiner),
                    coarse_gflop=coarse_work.get_total_flops() / 1e9,
                    refiner_gflop=PATCHES * patch_work.get_total_flops() / 1e9,
                    licence=PUBLISHED_LICENCE,
                )
            )
    return rows


def millions(module: nn.Module) -> float:
    """Numbers that a checkpoint of the module holds."""
    return sum(value.numel() for value in module.state_dict().values()) / 1e6


if __name__ == "__main__":
    raise SystemExit(main())
