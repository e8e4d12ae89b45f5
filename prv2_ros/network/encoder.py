"""Image encoders from timm as multi-scale feature extractors."""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn

from prv2_ros.errors import ConfigError

_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class ImageEncoder(nn.Module):
    """A timm `features_only` network behind its own normalisation.

    Attributes:
        channels: channels of each map, highest resolution first.
        strides: stride (px) of each map.

    """

    def __init__(self, name: str, levels: int, extra_channels: int = 0) -> None:
        """Build without weights; `levels` maps from stride 2 on; `extra_channels` beside RGB start at zero weight."""
        super().__init__()
        try:
            self.body = timm.create_model(
                name, pretrained=False, features_only=True, out_indices=tuple(range(levels)), in_chans=3
            )
        except RuntimeError as error:
            raise ConfigError(f"encoder {name!r}: timm knows no such model ({error})") from error
        if extra_channels:
            _widen_stem(self.body, extra_channels)
        self.channels = tuple(int(c) for c in self.body.feature_info.channels())
        self.strides = tuple(int(r) for r in self.body.feature_info.reduction())
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image_B3HW: Tensor, extra_BCHW: Tensor | None = None) -> list[Tensor]:
        """Encode RGB in 0..1 and the extra channels as they are; maps highest resolution first."""
        x = (image_B3HW - self.mean) / self.std
        if extra_BCHW is not None:
            x = torch.cat([x, extra_BCHW], 1)
        maps: list[Tensor] = self.body(x)
        return maps


def _widen_stem(body: nn.Module, extra: int) -> None:
    """Give the first convolution more inputs whose weights start at zero, so that the rest keeps its training."""
    name, stem = next((n, m) for n, m in body.named_modules() if isinstance(m, nn.Conv2d))
    parent = body.get_submodule(name.rpartition(".")[0])
    wide = type(stem)(
        stem.in_channels + extra,
        stem.out_channels,
        kernel_size=stem.kernel_size,  # type: ignore[arg-type]
        stride=stem.stride,  # type: ignore[arg-type]
        padding=stem.padding,  # type: ignore[arg-type]
        bias=stem.bias is not None,
    )
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, : stem.in_channels] = stem.weight
    setattr(parent, name.rpartition(".")[2], wide)


def load_imagenet(encoder: ImageEncoder, state: dict[str, Tensor]) -> None:
    """Fill the encoder from ImageNet weights whose tensors stand in timm's order under other names.

    Raises:
        ConfigError: a tensor has another shape than the encoder's at the same place.

    """
    target = encoder.body.state_dict()
    wanted = [key for key in target if not key.endswith("num_batches_tracked")]
    given = [(key, value) for key, value in state.items() if not key.endswith("num_batches_tracked")]
    filled = {}
    for key, (name, value) in zip(wanted, given, strict=False):
        shape = target[key].shape
        if shape != value.shape and (value.ndim != 4 or shape[0] != value.shape[0] or shape[2:] != value.shape[2:]):
            raise ConfigError(f"ImageNet tensor {name} of {tuple(value.shape)} does not fit {key} of {tuple(shape)}")
        if shape == value.shape:
            filled[key] = value
        else:  # a widened stem: the extra inputs keep their zeros
            filled[key] = target[key].clone()
            filled[key][:, : value.shape[1]] = value
    encoder.body.load_state_dict(filled, strict=False)
