"""Image encoders from timm as multi-scale feature extractors, their batch norms folded into the convolutions.

Batches on the machines that fine-tune here are too small for batch statistics, so ImageNet's would stay as they are;
a fixed affine map after a convolution is part of the convolution, and folding it saves a quarter of a training step.
"""

from __future__ import annotations

from typing import Any, cast

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

    mean: Tensor
    std: Tensor

    def __init__(self, name: str, levels: int, extra_channels: int = 0) -> None:
        """Build without weights; `levels` maps from stride 2 on; `extra_channels` beside RGB start at zero weight.

        Raises:
            ConfigError: timm knows no such model, or it has fewer maps.

        """
        super().__init__()
        self.body = _timm_network(name, levels)
        if extra_channels:
            _widen_stem(self.body, extra_channels)
        _drop_unused_blocks(self.body)
        _fold_norms(self.body)
        info: Any = self.body.feature_info
        self.channels = tuple(int(c) for c in info.channels())
        self.strides = tuple(int(r) for r in info.reduction())
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, image_B3HW: Tensor, extra_BCHW: Tensor | None = None) -> list[Tensor]:
        """Encode RGB in 0..1 and the extra channels as they are; maps highest resolution first."""
        x = (image_B3HW - self.mean) / self.std
        if extra_BCHW is not None:
            x = torch.cat([x, extra_BCHW], 1)
        maps: list[Tensor] = self.body(x)
        return maps


def encoder_strides(name: str) -> tuple[int, ...]:
    """Stride (px) of each map of a timm `features_only` network, highest resolution first.

    Raises:
        ConfigError: timm knows no such model.

    """
    with torch.device("meta"):
        info: Any = _timm_network(name).feature_info
    return tuple(int(stride) for stride in info.reduction())


def _timm_network(name: str, levels: int | None = None) -> Any:
    if ":" in name:  # `hf-hub:...`: timm would ask the network, though no weights are wanted
        raise ConfigError(f"encoder {name!r} is none of timm's own: nothing is downloaded for a model")
    wanted: dict[str, Any] = {} if levels is None else {"out_indices": tuple(range(levels))}
    try:
        return timm.create_model(name, pretrained=False, features_only=True, **wanted)
    except RuntimeError as error:
        if not timm.is_model(name):
            raise ConfigError(f"encoder {name!r}: timm knows no such model ({timm.__version__})") from error
        raise ConfigError(f"encoder {name!r}: timm {timm.__version__} cannot build it: {error}") from error
    except (IndexError, AssertionError) as error:
        raise ConfigError(f"encoder {name!r} has fewer than {levels} maps: use another one") from error


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


def _drop_unused_blocks(body: nn.Module) -> None:
    """Remove the stages behind the last map; timm's EfficientNets and MobileNets keep them, and compute them."""
    blocks, last = getattr(body, "blocks", None), str(cast(Any, body).feature_info.module_name()[-1])
    if isinstance(blocks, nn.Sequential) and last.startswith("blocks."):
        del blocks[int(last.split(".")[1]) + 1 :]


def _norm_of_convolutions(body: nn.Module) -> list[tuple[nn.Conv2d, str, nn.BatchNorm2d]]:
    """Pair each convolution with the name and module of the batch norm that follows it."""
    pairs, last = [], None
    for name, module in body.named_modules():
        if isinstance(module, nn.Conv2d):
            last = module
        elif isinstance(module, nn.BatchNorm2d):
            if last is None or last.out_channels != module.num_features:
                raise ConfigError(f"batch norm {name} follows no convolution: this encoder cannot be folded")
            pairs.append((last, name, module))
    return pairs


def _fold_norms(body: nn.Module) -> None:
    """Replace every batch norm by a bias of its convolution, keeping what the network computes in evaluation mode."""
    for convolution, name, norm in _norm_of_convolutions(body):
        with torch.no_grad():
            mean, variance = norm.running_mean, norm.running_var
            assert mean is not None, f"{name} keeps no statistics"
            assert variance is not None, f"{name} keeps no statistics"
            gain = norm.weight / torch.sqrt(variance + norm.eps)
            convolution.weight.mul_(gain.view(-1, 1, 1, 1))
            old = convolution.bias if convolution.bias is not None else 0.0
            convolution.bias = nn.Parameter((old - mean) * gain + norm.bias)
        parent = body.get_submodule(name.rpartition(".")[0])
        setattr(
            parent, name.rpartition(".")[2], getattr(norm, "act", nn.Identity())
        )  # timm's norm holds its activation


def load_imagenet(encoder: ImageEncoder, name: str, state: dict[str, Tensor]) -> None:
    """Fill the encoder from ImageNet weights whose tensors stand in timm's order under other names.

    Raises:
        ConfigError: tensors are missing, or one has another shape than the encoder's at the same place.

    """
    levels = len(encoder.channels)
    plain = timm.create_model(name, pretrained=False, features_only=True, out_indices=tuple(range(levels)))
    target = plain.state_dict()
    wanted = [key for key in target if not key.endswith("num_batches_tracked")]
    given = [(key, value) for key, value in state.items() if not key.endswith("num_batches_tracked")]
    if len(given) < len(wanted):
        raise ConfigError(f"ImageNet weights hold {len(given)} tensors, encoder {name} needs {len(wanted)}")
    for key, (source, value) in zip(wanted, given, strict=False):
        if target[key].shape != value.shape:
            raise ConfigError(
                f"ImageNet tensor {source} of {tuple(value.shape)} does not fit {key} of {tuple(target[key].shape)}"
            )
        target[key] = value
    plain.load_state_dict(target)
    _drop_unused_blocks(plain)
    _fold_norms(plain)
    folded = plain.state_dict()
    for key, value in encoder.body.state_dict().items():
        if value.shape != folded[key].shape:  # a widened stem: the extra inputs keep their zeros
            value[:, : folded[key].shape[1]] = folded[key]
        else:
            value.copy_(folded[key])
