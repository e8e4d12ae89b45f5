"""Coarse networks as a refiner sees them: metric depth of the whole image and six feature maps.

Both wrap a network of the `transformers` package and call its parts one by one, because its own forward pass gives the
depth alone. The modules here need nothing of that package but the network they are given.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from prv2_ros.errors import InputError
from prv2_ros.network.layers import full_precision

_POSITION_OFFSET = 0.1
"""Added to the number of patches a side before the scale of the position embeddings is taken, as DINOv2 does."""


@dataclass(frozen=True, kw_only=True)
class CoarseMaps:
    """What a coarse network says of images at network size (h, w)."""

    depth_m_B1hw: Tensor
    """Depth in metres, float32."""

    features: tuple[Tensor, ...]
    """Six maps (B, C_k, h_k, w_k), lowest resolution first; the last one has the network size."""


class DepthAnythingCoarse(nn.Module):
    """Depth Anything V2 (Yang et al., arXiv 2406.09414), metric: depth = sigmoid * max_depth_m.

    The features are, for images of h x w and F channels in the decoder: the deepest map after the neck's last 3x3
    (h/28), the four fusion stages (h/14, h/7, 2h/7, 4h/7), all with F channels; and the head's first 3x3 resized to
    h x w (F/2 channels). Where h/14 is odd, the lowest map is rounded up.

    Attributes:
        feature_channels: channels of the six features, highest resolution first.
        max_depth_m: greatest depth that can be answered, metres.
        stride: what both sides of an image must be a multiple of (px).

    """

    mean: Tensor
    std: Tensor

    def __init__(self, body: Any, max_depth_m: float) -> None:
        """Wrap a `DepthAnythingForDepthEstimation` on a DINOv2 backbone; it is changed, see `_official_positions`."""
        super().__init__()
        self.body = body
        self.max_depth_m = float(max_depth_m)
        self.stride = int(self.body.config.patch_size)
        width = int(self.body.config.fusion_hidden_size)
        self.feature_channels = (width // 2, *[width] * 5)
        embeddings = self.body.backbone.embeddings
        assert callable(embeddings.interpolate_pos_encoding), "transformers has renamed it: ours would be ignored"
        embeddings.interpolate_pos_encoding = functools.partial(_official_positions, embeddings)
        self.register_buffer("mean", torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1), persistent=False)

    def forward(self, image_B3hw: Tensor) -> CoarseMaps:
        """Predict from RGB in 0..1, (B, 3, h, w).

        Raises:
            InputError: another shape, or sides that are no multiples of `stride`.

        """
        _check_image(image_B3hw, self.stride)
        height, width = image_B3hw.shape[-2:]
        neck, head = self.body.neck, self.body.head
        tokens = self.body.backbone((image_B3hw - self.mean) / self.std).feature_maps
        levels = neck.reassemble_stage(tokens, height // self.stride, width // self.stride)
        levels = [conv(level) for conv, level in zip(neck.convs, levels, strict=True)]
        fused = neck.fusion_stage(levels)
        top = F.interpolate(head.conv1(fused[-1]), (height, width), mode="bilinear", align_corners=True)
        hidden = F.relu(head.conv2(top))
        with full_precision(hidden):  # bfloat16 would round the depth to 1%
            depth_m = torch.sigmoid(head.conv3(hidden.to(head.conv3.weight.dtype)).float()) * self.max_depth_m
        return CoarseMaps(depth_m_B1hw=depth_m, features=(levels[-1], *fused, top))


class ZoeDepthCoarse(nn.Module):
    """ZoeDepth (Bhat et al., arXiv 2302.12288): one pass, without the mirrored second one and the padding of its demo.

    The features are, for images of h x w: the deepest map after the neck's last 3x3 (h/32), the four fusion stages
    (h/16, h/8, h/4, h/2), 256 channels each in the published networks; and the relative head's second 3x3 + ReLU at
    h x w, 32 channels, which ZoeDepth's own metric head reads. Unlike Depth Anything's, that last one is no half of the
    others.

    A network with several metric heads (indoor, outdoor) lets the whole batch vote for one of them.

    Attributes:
        feature_channels: channels of the six features, highest resolution first.
        max_depth_m: greatest depth that a metric head was made for, metres; "softplus" bins may go beyond.
        stride: what both sides of an image must be a multiple of (px).

    """

    def __init__(self, body: Any) -> None:
        """Wrap a `ZoeDepthForDepthEstimation` on a BEiT backbone."""
        super().__init__()
        self.body = body
        config = self.body.config
        self.max_depth_m = max(float(head["max_depth"]) for head in config.bin_configurations)
        self.patch_px = int(self.body.patch_size)
        self.stride = 2 * self.patch_px  # the deepest map has half the patches, and doubling it must fit again
        self.feature_channels = (int(config.num_relative_features), *[int(config.fusion_hidden_size)] * 5)

    def forward(self, image_B3hw: Tensor) -> CoarseMaps:
        """Predict from RGB in 0..1, (B, 3, h, w).

        Raises:
            InputError: another shape, or sides that are no multiples of `stride`.

        """
        _check_image(image_B3hw, self.stride)
        height, width = image_B3hw.shape[-2:]
        tokens = self.body.backbone(image_B3hw * 2 - 1).feature_maps
        fused, lowest = self.body.neck(tokens, height // self.patch_px, width // self.patch_px)
        relative, top = self.body.relative_head(fused)
        with full_precision(top):  # as above
            dtype = self.body.metric_head.conv2.weight.dtype
            depth_m, _ = self.body.metric_head(
                outconv_activation=top.to(dtype),
                bottleneck=lowest.to(dtype),
                feature_blocks=[level.to(dtype) for level in fused],
                relative_depth=relative.to(dtype),
            )
        return CoarseMaps(depth_m_B1hw=depth_m.float(), features=(lowest, *fused, top))


def _official_positions(embeddings: Any, tokens_BNC: Tensor, height: int, width: int) -> Tensor:
    """Position embeddings (1, N, C) for images of height x width px, resampled as the authors of DINOv2 do.

    They give the scale of the resampling, a tenth of a patch too large, where `transformers` gives the size: other
    samples, and so another depth.
    """
    positions: Tensor = embeddings.position_embeddings
    count = positions.shape[1] - 1
    if tokens_BNC.shape[1] - 1 == count and height == width:
        return positions
    patch_h, patch_w = embeddings.patch_embeddings.patch_size
    side = round(count**0.5)
    scale = [(height // patch_h + _POSITION_OFFSET) / side, (width // patch_w + _POSITION_OFFSET) / side]
    grid = positions[:, 1:].unflatten(1, (side, side)).permute(0, 3, 1, 2)
    resampled = F.interpolate(grid.float(), scale_factor=scale, mode="bicubic", align_corners=False)
    return torch.cat([positions[:, :1], resampled.flatten(2).transpose(1, 2).to(positions.dtype)], 1)


def _check_image(image_B3hw: Tensor, stride: int) -> None:
    if image_B3hw.ndim != 4 or image_B3hw.shape[1] != 3:
        raise InputError(f"image of shape {tuple(image_B3hw.shape)}: expected (B, 3, h, w)")
    height, width = image_B3hw.shape[-2:]
    if height % stride or width % stride or not min(height, width):
        fit_h, fit_w = (max(stride, round(side / stride) * stride) for side in (height, width))
        raise InputError(
            f"image {width}x{height} px: both sides must be multiples of {stride}; {fit_w}x{fit_h} is the nearest"
        )
