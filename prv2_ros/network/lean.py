"""A model as inference wants it: the same function of its input, in fewer steps.

Batch norms are a scale and a shift then, which the convolution before them can do itself; and weights that automatic
mixed precision would round at every call are rounded once (it remembers them for training alone).
"""

from __future__ import annotations

import copy
from typing import cast

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from prv2_ros.network.layers import ContextBlock, ConvBlock
from prv2_ros.network.model import DepthModel


def lean_model(model: DepthModel, device: torch.device, dtype: torch.dtype) -> DepthModel:
    """Copy a model onto a device for inference.

    Args:
        model: stays as it is.
        device: where the copy lies.
        dtype: in which its convolutions are computed, under torch.autocast of this type; float32 for none.

    Returns:
        A model in evaluation mode and channels-last memory that needs no gradient. Its state is not that of a
        checkpoint: norms are gone, and weights of another type.

    """
    lean = copy.deepcopy(model).eval().requires_grad_(False)
    for module in lean.modules():
        if isinstance(module, ConvBlock):
            _fold(module, "0", "1")
        elif isinstance(module, ContextBlock):
            _fold(module, "depthwise", "norm")
    lean = lean.to(device).to(memory_format=torch.channels_last)
    if dtype != torch.float32:
        exact = _exact_convolutions(lean)
        for module in lean.modules():
            if isinstance(module, nn.Conv2d) and module not in exact:
                module.to(dtype)
    return lean.requires_grad_(False)


def _fold(block: nn.Module, convolution: str, norm: str) -> None:
    """Let a block's convolution do what its batch norm does."""
    plain, normed = cast(nn.Conv2d, block.get_submodule(convolution)), cast(nn.BatchNorm2d, block.get_submodule(norm))
    fused = fuse_conv_bn_eval(plain, normed)
    setattr(block, convolution, fused)
    setattr(block, norm, nn.Identity())


def _exact_convolutions(model: DepthModel) -> set[nn.Module]:
    """Convolutions that run in float32 whatever the precision (`layers.full_precision`)."""
    refiner = model.refiner
    coarse = [network for network in (model.coarse, model.far) if network is not None]
    heads = [head for network in coarse for head in (network.head, network.scale_head)]
    heads += [refiner.offset, refiner.upsample, refiner.scale_head]
    contexts = [block.depthwise for block in model.modules() if isinstance(block, ContextBlock)]
    return {module for part in [*heads, *contexts] for module in part.modules()}
