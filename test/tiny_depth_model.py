"""A model of the project's own kind that trains in a test, with random weights."""

from __future__ import annotations

import torch

from prv2_ros.network.model import DepthModel, ModelSpec

SPEC = ModelSpec(
    name="small",
    coarse_encoder="mobilenetv4_conv_small",
    coarse_widths=(16, 16, 24, 32),
    refiner_encoder="mobilenetv4_conv_small",
    refiner_widths=(16, 16, 24, 32),
)


def small_model(seed: int = 0) -> DepthModel:
    """Build the model; the seed decides its weights."""
    torch.manual_seed(seed)
    return DepthModel(SPEC)
