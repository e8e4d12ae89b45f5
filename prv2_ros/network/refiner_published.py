"""The refiner of PatchRefiner V2 as published (Li, Cui, Bhat, Wonka, arXiv 2501.01121, sections 3.2 and 3.3).

A timm encoder sees a patch's RGB and coarse depth; coarse features denoise its maps from the lowest resolution up
(coarse to fine, C2F), which gives a first fine depth; that, the coarse depth and both sets of features then predict an
offset to the coarse depth (fine to coarse, F2C).

Levels count from 0, the patch's own resolution, to 5, the lowest. Shapes: B patches, P pixels a side, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import timm
import torch
import torch.nn.functional as F
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

from prv2_ros.errors import ConfigError, InputError

COARSE_CHANNELS = (128, 256, 256, 256, 256, 256)
"""Channels of a ViT-L's features, highest resolution first; a ViT-B has half of them, a ViT-S a quarter."""

PUBLISHED_ENCODERS = {
    "PRV2-M": "mobilenetv4_conv_small",
    "PRV2-E": "tf_efficientnet_b5",
    "PRV2-C": "convnext_large",
}
"""The paper's models, and the timm names of their encoders."""

_F2C_WIDTHS = (32, 64, 64, 128, 256, 512)
_CLIMB_WIDTHS = (32, 64, 128, 256, 512)
_LEVELS = 6
_VARIANTS = {"tf_efficientnet_b5": "tf_efficientnet_b5.ap_in1k"}
"""The authors' EfficientNet-B5 is AdvProp's, whose images are normalised with 0.5, not with ImageNet's statistics."""


def build_published_refiner(encoder: str, coarse_channels: Sequence[int] = COARSE_CHANNELS) -> PublishedRefiner:
    """Build the published refiner with random weights.

    Args:
        encoder: a timm model with `features_only` maps at strides 2 to 32, or 4 to 32.
        coarse_channels: channels of the six coarse features, highest resolution first; the last five alike.

    Raises:
        ConfigError: timm knows no such model, its maps have other strides, or the channels are no such six.

    """
    return PublishedRefiner(encoder, coarse_channels)


class PublishedRefiner(nn.Module):
    """Encoder, C2F and F2C; `coarse_depth + offset`, never below zero."""

    def __init__(self, encoder: str, coarse_channels: Sequence[int] = COARSE_CHANNELS) -> None:
        super().__init__()
        channels = tuple(int(c) for c in coarse_channels)
        if len(channels) != _LEVELS or len(set(channels[1:])) != 1 or min(channels) < 1:
            raise ConfigError(
                f"coarse channels {channels}: expected six, highest resolution first, the last five alike, "
                f"for example {COARSE_CHANNELS}"
            )
        self.encoder = PatchEncoder(encoder)
        self.c2f = CoarseToFine(self.encoder.channels[1:], channels)
        self.f2c = FineToCoarse(channels)

    def forward(self, image: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> Tensor:
        """Refine patches.

        Args:
            image: (B, 3, P, P) RGB in 0..1; P a multiple of 32.
            coarse_depth: (B, 1, P, P) metres.
            coarse_features: six maps (B, C_k, h_k, w_k), lowest resolution first, as the coarse network gives them.

        Returns:
            Depth (B, 1, P, P) in metres.

        Raises:
            InputError: sides that are no multiples of 32, or features of another number or width.

        """
        return self.stages(image, coarse_depth, coarse_features)[0]

    def stages(self, image: Tensor, coarse_depth: Tensor, coarse_features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Refined depth and C2F's first fine depth, both (B, 1, P, P) in metres."""
        self._check(image, coarse_features)
        fine = self.encoder(image, coarse_depth)
        guides = [resize(c, f.shape[-2:]) for c, f in zip(reversed(coarse_features), fine, strict=True)]
        fine_depth, features = self.c2f(fine[1:], guides)
        offset = self.f2c(guides, features, torch.cat([coarse_depth, fine_depth], 1))
        return F.relu(coarse_depth + offset), fine_depth

    def _check(self, image: Tensor, coarse_features: Sequence[Tensor]) -> None:
        height, width = image.shape[-2:]
        if height % 32 or width % 32 or min(height, width) < 32:
            raise InputError(f"patch {width}x{height} px: both sides must be multiples of 32")
        found = tuple(int(c.shape[1]) for c in reversed(coarse_features))
        if found != self.f2c.coarse_channels:
            raise InputError(
                f"coarse features have {found} channels (highest resolution first), the refiner was built for "
                f"{self.f2c.coarse_channels}"
            )


class PatchEncoder(nn.Module):
    """A timm network over RGB and coarse depth; six maps, highest resolution first.

    Attributes:
        channels: channels of the six maps.

    """

    mean: Tensor
    std: Tensor

    def __init__(self, name: str) -> None:
        super().__init__()
        try:
            self.body = timm.create_model(_VARIANTS.get(name, name), pretrained=False, features_only=True, in_chans=4)
        except RuntimeError as error:
            raise ConfigError(f"encoder {name!r}: timm knows no such model ({error})") from error
        info: Any = self.body.feature_info
        channels, strides = [int(c) for c in info.channels()], tuple(int(r) for r in info.reduction())
        if strides not in ((2, 4, 8, 16, 32), (4, 8, 16, 32)):
            raise ConfigError(f"encoder {name!r}: maps at strides {strides}, expected 2 or 4 to 32")
        self.raise_stride: nn.Module | None = None
        if strides[0] == 4:  # ConvNeXt: stride 2 is made from stride 4
            half = channels[0] // 2
            self.raise_stride = nn.Sequential(nn.ConvTranspose2d(channels[0], half, 2, 2), nn.ReLU())
            channels.insert(0, half)
        self.channels = (channels[0], *channels)
        config = cast(Any, self.body).default_cfg
        self.register_buffer("mean", torch.tensor(config["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(config["std"]).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor, coarse_depth: Tensor) -> list[Tensor]:
        """Encode (B, 3, P, P) RGB in 0..1 with (B, 1, P, P) metres; maps at strides 1, 2, 4, ... 32."""
        maps: list[Tensor] = self.body(torch.cat([(image - self.mean) / self.std, coarse_depth], 1))
        if self.raise_stride is not None:
            maps.insert(0, self.raise_stride(maps[0]))
        # Level 0 only says how large the patch is: nothing reads its values.
        return [maps[0].new_empty(()).expand(1, 1, *image.shape[-2:]), *maps]


class GuidedDenoisingUnit(nn.Module):
    """GDU: residual convolution, weighed channel by channel by a gate that sees the coarse guide (figure 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.residual = nn.Conv2d(channels, channels, 3, 1, 1)
        self.mix = nn.Conv2d(2 * channels, channels, 3, 1, 1)
        self.norm = LayerNorm2d(channels, eps=1e-6)
        self.gate = nn.Conv2d(channels, channels, 1, bias=False)

    def forward(self, x: Tensor, guide: Tensor) -> Tensor:
        """Keep the shape of `x`; the guide has the same."""
        y = x + self.residual(F.relu(x))
        gated: Tensor = y * torch.sigmoid(self.gate(F.relu(self.norm(self.mix(torch.cat([y, guide], 1))))))
        return gated


class GuidedFusion(nn.Module):
    """Adds a denoised skip, denoises the sum, and goes up to the next level."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.skip_unit = GuidedDenoisingUnit(channels)
        self.unit = GuidedDenoisingUnit(channels)
        self.out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, skip: Tensor | None, guide: Tensor, size: Sequence[int] | None) -> Tensor:
        """(B, C, h, w) to (B, C, *size)."""
        if skip is not None:
            x = x + self.skip_unit(skip, guide)
        x = self.out(self.unit(x, guide))  # the published order is resize, then 1x1: they commute, this is a quarter
        return x if size is None else resize(x, size)


class CoarseToFine(nn.Module):
    """C2F: coarse features guide the fine ones from the lowest level up, to a first fine depth."""

    def __init__(self, fine_channels: Sequence[int], coarse_channels: Sequence[int]) -> None:
        super().__init__()
        top, width = coarse_channels[0], coarse_channels[1]
        self.project = nn.ModuleList(nn.Conv2d(c, width, 3, 1, 1, bias=False) for c in fine_channels)
        self.fuse = nn.ModuleList(GuidedFusion(width) for _ in fine_channels)
        self.narrow = nn.Conv2d(width, 128, 3, 1, 1)
        self.match = nn.Conv2d(128, top, 3, 1, 1)
        self.denoise = GuidedFusion(top)
        self.depth = nn.Conv2d(top, 1, 1)

    def forward(self, fine: Sequence[Tensor], guides: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Fine maps of levels 1 to 5 and guides of 0 to 5; first fine depth and features of levels 0 to 5."""
        x: Tensor | None = None
        features: list[Tensor] = []
        for k in reversed(range(len(fine))):
            projected = self.project[k](fine[k])
            if x is None:
                features.append(projected)
            else:
                features.append(x)
            start, skip = (projected, None) if x is None else (x, projected)
            x = self.fuse[k](start, skip, guides[k + 1], guides[k].shape[-2:])
        head = F.relu(self.match(self.narrow(x)))
        head = self.denoise(head, None, guides[0], None)
        return self.depth(head), [head, *reversed(features)]


class FineToCoarse(nn.Module):
    """F2C: both sets of features and both depths give an offset to the coarse depth.

    Attributes:
        coarse_channels: channels of the guides, highest resolution first.

    """

    def __init__(self, coarse_channels: Sequence[int]) -> None:
        super().__init__()
        self.coarse_channels = tuple(coarse_channels)
        widths = _F2C_WIDTHS
        self.mix = nn.ModuleList(_mixer(2 * c, w) for c, w in zip(coarse_channels, widths, strict=True))
        self.mix_depth = nn.ModuleList(_mixer(w + 2, w) for w in widths)
        lower = (*_CLIMB_WIDTHS[1:], widths[-1])
        self.climb = nn.ModuleList(
            _climber(below + w + 2, out) for below, w, out in zip(lower, widths[:-1], _CLIMB_WIDTHS, strict=True)
        )
        self.offset = nn.Conv2d(widths[0], 1, 3, 1, 1, bias=False)

    def forward(self, guides: Sequence[Tensor], features: Sequence[Tensor], depths: Tensor) -> Tensor:
        """Levels 0 to 5 of both, and (B, 2, P, P) metres; the offset (B, 1, P, P) in metres."""
        x: Tensor | None = None
        for k in reversed(range(_LEVELS)):
            level = self.mix[k](torch.cat([guides[k], features[k]], 1))
            depths_k = resize(depths, level.shape[-2:])
            level = self.mix_depth[k](torch.cat([level, depths_k], 1))
            x = level if x is None else self.climb[k](torch.cat([resize(x, level.shape[-2:]), level, depths_k], 1))
        offset: Tensor = self.offset(x)
        return offset


def _mixer(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), LayerNorm2d(outputs, eps=1e-6), nn.GELU())


def _climber(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, inputs, 3, 1, 1, bias=False),
        nn.GELU(),
        nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
        nn.GELU(),
    )


def resize(x: Tensor, size: Sequence[int]) -> Tensor:
    """Resample (B, C, h, w) bilinearly, corners aligned as the authors do."""
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, tuple(size), mode="bilinear", align_corners=True)
