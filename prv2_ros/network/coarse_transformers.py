"""Depth Anything V2 (metric) and ZoeDepth as coarse networks, from the `transformers` package.

That package is imported only when a network is built or loaded.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from prv2_ros.errors import ConfigError, WeightsError
from prv2_ros.network.checkpoint import read_tensors
from prv2_ros.network.coarse_features import CoarseMaps, DepthAnythingCoarse, ZoeDepthCoarse
from prv2_ros.network.depth_anything_keys import hub_state, is_official
from prv2_ros.network.transformers_files import (
    CONFIG,
    WEIGHTS,
    filled,
    folder_values,
    folder_weights,
    locate,
    network_config,
    transformers_package,
)

__all__ = [
    "SIZES",
    "CoarseMaps",
    "DepthAnythingCoarse",
    "ZoeDepthCoarse",
    "build_depth_anything",
    "load_depth_anything",
    "load_zoedepth",
]


@dataclass(frozen=True, kw_only=True)
class _Size:
    """One of the published sizes of Depth Anything V2."""

    width: int
    layers: int
    heads: int
    taps: tuple[int, ...]
    """Layers, counted from 1, whose tokens the decoder reads."""
    neck: tuple[int, ...]
    """Channels of the four levels before the neck's 3x3, highest resolution first."""
    fusion: int
    """Channels of the decoder."""


_SIZES = {
    "small": _Size(width=384, layers=12, heads=6, taps=(3, 6, 9, 12), neck=(48, 96, 192, 384), fusion=64),
    "base": _Size(width=768, layers=12, heads=12, taps=(3, 6, 9, 12), neck=(96, 192, 384, 768), fusion=128),
    "large": _Size(width=1024, layers=24, heads=16, taps=(5, 12, 18, 24), neck=(256, 512, 1024, 1024), fusion=256),
}
SIZES = tuple(_SIZES)
"""Names of the sizes of Depth Anything V2: ViT-S, ViT-B and ViT-L."""


def build_depth_anything(size: str, max_depth_m: float = 80.0) -> DepthAnythingCoarse:
    """Build Depth Anything V2 with random weights, in evaluation mode.

    Args:
        size: "small", "base" or "large".
        max_depth_m: greatest depth that can be answered, metres.

    Raises:
        ConfigError: an unknown size, a depth that is no positive number, or no `transformers` installed.

    """
    config = _depth_anything_config(size, _checked_depth(max_depth_m))
    body = transformers_package().DepthAnythingForDepthEstimation(config)
    return DepthAnythingCoarse(body, max_depth_m).eval()


def load_depth_anything(
    source: str | Path, size: str | None = None, max_depth_m: float | None = None, allow_download: bool = False
) -> DepthAnythingCoarse:
    """Load Depth Anything V2 for metric depth (float32, CPU, evaluation mode).

    Args:
        source: a folder in the Hugging Face layout (config.json and model.safetensors), a file with the authors' or
            Hugging Face's names (.pth or .safetensors), or a name on the hub.
        size: "small", "base" or "large"; None takes what the source holds.
        max_depth_m: greatest depth, metres, that the weights were trained for: 20 for the authors' indoor weights
            (Hypersim), 80 for the outdoor ones (Virtual KITTI). None takes what config.json says. A file says nothing
            of it, nor whether it answers metric depth at all: the relative network has the very same tensors.
        allow_download: whether a hub name may be downloaded.

    Raises:
        ConfigError: an unknown or other size or depth, a file without `max_depth_m`, or no `transformers` installed.
        WeightsError: weights that are missing, truncated, for another network, or that would run code.

    """
    if size is not None:
        _checked_size(size)
    path = locate(source, allow_download)
    if path.is_dir():
        config, found = _depth_anything_folder(path)
        if size is not None and config.backbone_config.hidden_size != _SIZES[size].width:
            raise ConfigError(f"{path}: its network is {_size_of(config.backbone_config.hidden_size)}, not {size!r}")
        if max_depth_m is not None and max_depth_m != found:
            raise ConfigError(f"{path}: trained for {found:g} m, max_depth_m is {max_depth_m:g}: give {found:g}")
        return DepthAnythingCoarse(filled("DepthAnything", config, folder_weights(path), path), found).eval()
    if max_depth_m is None:
        raise ConfigError(
            f"{path}: a file does not say its greatest depth: give max_depth_m, 20 for the authors' indoor weights "
            "(hypersim), 80 for the outdoor ones (vkitti)"
        )
    depth_m = _checked_depth(max_depth_m)
    state = {name.removeprefix("module."): value for name, value in read_tensors(path).items()}
    state = hub_state(state) if is_official(state) else state
    config = _depth_anything_config(_size_in(state, size, path), depth_m)
    return DepthAnythingCoarse(filled("DepthAnything", config, state, path), depth_m).eval()


def load_zoedepth(source: str | Path, allow_download: bool = False) -> ZoeDepthCoarse:
    """Load ZoeDepth (float32, CPU, evaluation mode).

    Args:
        source: a folder in the Hugging Face layout (config.json and model.safetensors), or a name on the hub.
        allow_download: whether a hub name may be downloaded.

    Raises:
        ConfigError: no `transformers` installed.
        WeightsError: weights that are missing, truncated, or for another network.

    """
    path = locate(source, allow_download)
    if not path.is_dir():
        raise WeightsError(f"{path}: ZoeDepth is loaded from a folder with {CONFIG} and {WEIGHTS}, not from a file")
    config = network_config("ZoeDepth", "zoedepth", "beit", folder_values(path), path)
    return ZoeDepthCoarse(filled("ZoeDepth", config, folder_weights(path), path)).eval()


def _checked_size(size: str) -> _Size:
    if size not in _SIZES:
        raise ConfigError(f"Depth Anything size {size!r}: expected one of {', '.join(SIZES)}")
    return _SIZES[size]


def _checked_depth(max_depth_m: float) -> float:
    if not (math.isfinite(max_depth_m) and max_depth_m > 0):
        raise ConfigError(f"max_depth_m is {max_depth_m:g}: expected a positive number of metres, for example 80")
    return float(max_depth_m)


def _size_of(width: int) -> str:
    return next((repr(name) for name, size in _SIZES.items() if size.width == width), f"of width {width}")


def _size_in(state: dict[str, Tensor], size: str | None, path: Path) -> str:
    """Name of the size that the tensors have, which must be `size` where that is given."""
    token = state.get("backbone.embeddings.cls_token")
    width = token.shape[-1] if token is not None and token.ndim else None
    found = next((name for name, known in _SIZES.items() if known.width == width), None)
    if found is None:
        told = "no class token" if width is None else f"tokens of width {width}"
        raise WeightsError(f"{path}: {told}: these are no weights of Depth Anything V2 {', '.join(SIZES)}")
    if size not in (None, found):
        raise ConfigError(f"{path}: its network is {found!r}, not {size!r}")
    return found


def _depth_anything_config(size: str, max_depth_m: float) -> Any:
    """Settings of a size, as transformers wants them."""
    part, library = _checked_size(size), transformers_package()
    backbone = library.Dinov2Config(
        hidden_size=part.width,
        num_hidden_layers=part.layers,
        num_attention_heads=part.heads,
        image_size=518,
        patch_size=14,
        out_indices=list(part.taps),
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    return library.DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=part.width,
        neck_hidden_sizes=list(part.neck),
        fusion_hidden_size=part.fusion,
        depth_estimation_type="metric",
        # It takes whole metres only. Where ours are not whole, nothing is stored rather than something wrong.
        max_depth=int(max_depth_m) if max_depth_m.is_integer() else None,
    )


def _depth_anything_folder(folder: Path) -> tuple[Any, float]:
    """Settings in a folder, and the greatest depth in metres."""
    values = folder_values(folder)
    depth_m = values.get("max_depth")
    if values.get("depth_estimation_type") != "metric":
        raise WeightsError(f"{folder}: its network answers relative depth, not metres; take one of the Metric weights")
    if isinstance(depth_m, bool) or not isinstance(depth_m, int | float) or not 0 < depth_m < math.inf:
        raise WeightsError(f"{folder}: {CONFIG} has max_depth {depth_m!r}: correct it there, to metres")
    values["max_depth"] = int(depth_m) if float(depth_m).is_integer() else None
    return network_config("DepthAnything", "depth_anything", "dinov2", values, folder), float(depth_m)
