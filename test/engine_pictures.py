"""A small network with random weights and pictures that it answers to with varied depth."""

from __future__ import annotations

import numpy as np
import torch

from prv2_ros.network.model import DepthModel, ModelSpec


def small_model(*, refines: bool, second_look: float = 1.5) -> DepthModel:
    """The network itself with random weights and a small coarse input; without `refines` each pixel keeps its depth."""
    torch.manual_seed(7)
    # Untrained, the lens tells nothing; without it these are the random weights that tolerances were set for.
    model = DepthModel(ModelSpec(coarse_area_px=96 * 160, second_look=second_look, coarse_lens=False))
    if refines:
        for head in (model.refiner.offset, model.refiner.upsample, model.refiner.scale_head[2]):
            torch.nn.init.normal_(head.weight, std=0.05)
    else:
        keep_depth(model)
    return model.eval()


def keep_depth(model: DepthModel) -> None:
    """Set the refiner's heads so that each cell keeps its own depth, upsampled bilinearly."""
    with torch.no_grad():
        for head in (model.refiner.offset, model.refiner.upsample, model.refiner.scale_head[2]):
            head.weight.zero_()
        model.refiner.offset.bias.zero_()
        model.refiner.offset.bias[1] = 50.0


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth blobs with a little noise: the network answers to it with varied depth."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(0, 255, (1, 3, 6, 8))).float()
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic")[0].permute(1, 2, 0).numpy()
    return np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255).astype(np.uint8)
