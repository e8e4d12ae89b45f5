"""Work of one frame, counted without doing it.

By torch's flop counter on tensors without memory, a multiply-add as two: matrix products, convolutions and attention;
what is done element by element is left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from prv2_ros.geometry.patches import PatchLayout
from prv2_ros.geometry.tiles import tile_grid
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.wide import wide_part
from prv2_ros.network.coarse_transformers import build_depth_anything
from prv2_ros.network.far_look import far_looks, has_closer, with_far_looks
from prv2_ros.network.looks import predict_looks
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.network.refiner_published import build_published_refiner
from prv2_ros.network.refiner_realtime import DEPTH_STRIDE, FEATURE_STRIDE

FRAME_HW = (2160, 3840)
"""The frame that figures are stated for."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a model costs for one frame."""

    coarse_millions: float
    """Numbers that a checkpoint of the coarse network holds, in millions."""

    refiner_millions: float

    coarse_gflop: float
    """GFLOP of the coarse network for the frame, its look at what is far included."""

    refiner_gflop: float
    """GFLOP of the refiner for all tiles or patches of the frame, and of what is done with them together."""

    network_hw: tuple[int, int]
    """Input of the coarse network (px)."""

    tile_hw: tuple[int, int]
    tiles: int

    @property
    def gflop(self) -> float:
        """GFLOP of the frame."""
        return self.coarse_gflop + self.refiner_gflop


def own_work(spec: ModelSpec, frame_hw: tuple[int, int] = FRAME_HW, config: EngineConfig | None = None) -> Work:
    """Count one of our own models on a frame of (height, width) px."""
    config = config or EngineConfig()
    with torch.device("meta"):
        model = DepthModel(spec).eval()
        size = model.network_size(frame_hw[1], frame_hw[0])
        grid = tile_grid(*frame_hw, max_tile=config.max_tile_px, overlap=config.overlap_px)
        h, w = grid.y.tile, grid.x.tile
        with FlopCounterMode(display=False) as coarse_work:
            coarse = predict_looks(model, torch.empty(1, 3, *size), 1.0, 1.0, size)
            closer_too = has_closer(model, frame_hw[1], frame_hw[0])
            if config.far_look and not math.isinf(config.metric_from_m) and closer_too:
                looks = far_looks(model, torch.empty(1, 3, *size), 1.0, 1.0, config.far_look)
                closer = [model.predict_far(look.image_B3hw, look.f_px_B).log_depth_B1hw for look in looks]
                with_far_looks(coarse, closer, 1.0)
        features = torch.empty(1, coarse.features_BChw.shape[1], h // FEATURE_STRIDE, w // FEATURE_STRIDE)
        known = torch.empty(1, 1, h // DEPTH_STRIDE, w // DEPTH_STRIDE)
        with FlopCounterMode(display=False) as tile_work:
            model.refine(torch.empty(1, 3, h, w), known, features, known)
        with FlopCounterMode(display=False) as whole_work:
            if config.wide_cells:
                cells = (coarse.features_BChw.shape[-2], coarse.features_BChw.shape[-1])
                wide_part(torch.empty(frame_hw), cells, config.wide_cells)
    tiles_flops = len(grid) * tile_work.get_total_flops()
    return Work(
        coarse_millions=millions(model.coarse) + (0 if model.far is None else millions(model.far)),
        refiner_millions=millions(model.refiner),
        coarse_gflop=coarse_work.get_total_flops() / 1e9,
        refiner_gflop=(tiles_flops + whole_work.get_total_flops()) / 1e9,
        network_hw=size,
        tile_hw=(h, w),
        tiles=len(grid),
    )


def published_work(encoder: str, coarse_size: str = "large", patch_px: int = 448) -> Work:
    """Count a published model over Depth Anything V2, mode m1; the frame's size does not matter to it."""
    patches = len(PatchLayout().patches(patch_px)[0])
    with torch.device("meta"):
        coarse = build_depth_anything(coarse_size)
        with FlopCounterMode(display=False) as coarse_work:
            maps = coarse(torch.empty(1, 3, patch_px, patch_px))
        refiner = build_published_refiner(encoder, coarse.feature_channels).eval()
        with FlopCounterMode(display=False) as patch_work:
            refiner(torch.empty(1, 3, patch_px, patch_px), torch.empty(1, 1, patch_px, patch_px), maps.features)
    return Work(
        coarse_millions=millions(coarse),
        refiner_millions=millions(refiner),
        coarse_gflop=coarse_work.get_total_flops() / 1e9,
        refiner_gflop=patches * patch_work.get_total_flops() / 1e9,
        network_hw=(patch_px, patch_px),
        tile_hw=(patch_px, patch_px),
        tiles=patches,
    )


def millions(module: nn.Module) -> float:
    """Numbers that a checkpoint of the module holds, in millions."""
    count: int = sum(value.numel() for value in module.state_dict().values())
    return count / 1e6
