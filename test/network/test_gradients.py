"""Gradients from the refined depth back to every part of the published model."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from prv2_ros.inference.reference import crop_map
from prv2_ros.network.coarse_transformers import build_depth_anything
from prv2_ros.network.refiner_published import build_published_refiner

UNUSED = (
    "body.backbone.embeddings.mask_token",  # DINOv2's pretraining alone
    "body.neck.fusion_stage.layers.0.residual_layer1.",  # the deepest stage has no skip
    "c2f.fuse.4.skip_unit.",
    "c2f.denoise.skip_unit.",
)
"""Tensors that the published checkpoints hold and their forward pass does not use."""


def test_every_parameter_gets_a_finite_gradient_end_to_end() -> None:
    torch.manual_seed(0)
    patch_px = 224
    coarse = build_depth_anything("small")
    refiner = build_published_refiner("mobilenetv4_conv_small", coarse.feature_channels)
    image = torch.rand(1, 3, patch_px, patch_px)
    maps = coarse.train()(image)
    boxes = torch.tensor([[0.0, 0.0, 0.0, 112.0, 112.0], [0.0, 90.0, 60.0, 202.0, 172.0]])
    depth = crop_map(maps.depth_m_B1hw, boxes, patch_px)
    features = [crop_map(feature, boxes, patch_px) for feature in maps.features]
    crops = torch.cat([F.interpolate(image[..., :112, :112], (patch_px, patch_px))] * 2)
    refined, fine = refiner.train().stages(crops, depth, features)
    (refined.log1p().mean() + fine.abs().mean()).backward()
    for module in (coarse, refiner):
        for name, parameter in module.named_parameters():
            if name.startswith(UNUSED):
                assert parameter.grad is None, f"{name} is used after all"
                continue
            assert parameter.grad is not None, f"{name} gets no gradient"
            assert torch.isfinite(parameter.grad).all(), f"{name} gets a gradient that is not finite"
            assert parameter.grad.abs().max() > 0, f"{name} gets a gradient of zero"
