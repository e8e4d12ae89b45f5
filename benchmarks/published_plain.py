"""The published refiner's forward pass, written down step by step as the paper and the authors' code order it.

It shares the weights of `PublishedRefiner` and nothing of its order, layout or helpers: their gain is measured by it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prv2_ros.network.refiner_published import GuidedDenoisingUnit, GuidedFusion, PublishedRefiner


def plain_forward(refiner: PublishedRefiner, image: Tensor, depth: Tensor, coarse: Sequence[Tensor]) -> Tensor:
    fine = fine_maps(refiner, image, depth)
    guides = [stretch(c, f) for c, f in zip(reversed(coarse), fine, strict=True)]
    fine_depth, features = coarse_to_fine(refiner, fine, guides)
    x = None
    for k in reversed(range(6)):
        level = norm_conv(refiner.f2c.mix[k], torch.cat([guides[k], features[k]], 1))
        depths = torch.cat([stretch(depth, level), stretch(fine_depth, level)], 1)
        level = norm_conv(refiner.f2c.mix_depth[k], torch.cat([level, depths], 1))
        x = level if x is None else refiner.f2c.climb[k](torch.cat([stretch(x, level), level, depths], 1))
    return torch.clamp(depth + refiner.f2c.offset(x), min=0)


def fine_maps(refiner: PublishedRefiner, image: Tensor, depth: Tensor) -> list[Tensor]:
    encoder = refiner.encoder
    maps = encoder.body(torch.cat([(image - encoder.mean) / encoder.std, depth], 1))
    if encoder.raise_stride is not None:
        maps = [encoder.raise_stride(maps[0]), *maps]
    return [F.interpolate(maps[0], image.shape[-2:], mode="bilinear", align_corners=True), *maps]


def coarse_to_fine(
    refiner: PublishedRefiner, fine: Sequence[Tensor], guides: Sequence[Tensor]
) -> tuple[Tensor, list[Tensor]]:
    c2f = refiner.c2f
    projected = [conv(f) for conv, f in zip(c2f.project, fine[1:], strict=True)]
    features, x = [projected[4]], projected[4]
    for k in reversed(range(5)):
        size = guides[k].shape[-2:]
        x = fuse(c2f.fuse[k], x, None if k == 4 else projected[k], guides[k + 1], size)
        features.insert(0, x)
    head = torch.relu(c2f.match(c2f.narrow(features.pop(0))))
    head = fuse(c2f.denoise, head, None, guides[0], guides[0].shape[-2:])
    return c2f.depth(head), [head, *features]


def fuse(block: GuidedFusion, x: Tensor, skip: Tensor | None, guide: Tensor, size: Sequence[int]) -> Tensor:
    if skip is not None:
        x = x + denoise(block.skip_unit, skip, guide)
    x = denoise(block.unit, x, guide)
    return block.out(F.interpolate(x, tuple(size), mode="bilinear", align_corners=True))


def denoise(unit: GuidedDenoisingUnit, x: Tensor, guide: Tensor) -> Tensor:
    y = x + unit.residual(torch.relu(x))
    mixed = layer_norm(unit.norm, unit.mix(torch.cat([y, guide], 1)))
    return y * torch.sigmoid(unit.gate(torch.relu(mixed)))


def norm_conv(block: nn.Sequential, x: Tensor) -> Tensor:
    return F.gelu(layer_norm(block[1], block[0](x)))


def layer_norm(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """Over channels, from its definition."""
    mean = x.mean(1, keepdim=True)
    variance = (x - mean).pow(2).mean(1, keepdim=True)
    scaled = (x - mean) / torch.sqrt(variance + norm.eps)
    return scaled * norm.weight[:, None, None] + norm.bias[:, None, None]


def stretch(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=True)
