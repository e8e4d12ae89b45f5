"""Files of networks of the `transformers` package: found, read and filled in, with errors that say what is wrong.

Nothing is downloaded unless the caller allows it, and no code from a weights file is ever run.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prv2_ros.errors import ConfigError, WeightsError
from prv2_ros.network.checkpoint import read_tensors

CONFIG, WEIGHTS = "config.json", "model.safetensors"
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_FILE_ENDINGS = (".safetensors", ".pth", ".pt", ".bin", ".json")
_UNREAD = {"backbone.embeddings.mask_token"}
"""Tensors that only pretraining reads, so that a file may lack them."""


def transformers_package() -> Any:
    """Import `transformers`, which takes seconds and is therefore left until it is needed.

    Raises:
        ConfigError: it is not installed.

    """
    try:
        return importlib.import_module("transformers")
    except ImportError as error:
        raise ConfigError(
            f"Depth Anything and ZoeDepth need the package transformers ({error}): pip install 'prv2_ros[transformers]'"
        ) from error


def folder_values(folder: Path) -> dict[str, Any]:
    """Read a folder's config.json.

    Raises:
        WeightsError: it is missing or no settings.

    """
    try:
        values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise WeightsError(
            f"{folder} has no {CONFIG}: expected the Hugging Face layout, {CONFIG} beside {WEIGHTS}"
        ) from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{folder}: {CONFIG} cannot be read ({error}); fetch it again") from error
    if not isinstance(values, dict):
        raise WeightsError(f"{folder}: {CONFIG} holds no settings; fetch it again")
    return values


def network_config(network: str, kind: str, backbone: str, values: dict[str, Any], folder: Path) -> Any:
    """Turn settings into those of transformers, if they are of this kind of network on this kind of backbone.

    Raises:
        WeightsError: they are of another network, or have unknown or wrong values.

    """
    part = values.get("backbone_config")
    found = (values.get("model_type"), part.get("model_type") if isinstance(part, dict) else None)
    if found != (kind, backbone):
        raise WeightsError(f"{folder}: a network {found[0]} on {found[1]}, expected {kind} on {backbone}")
    problem = importlib.import_module("huggingface_hub.errors").StrictDataclassError
    try:
        return getattr(transformers_package(), f"{network}Config").from_dict(values)
    except (problem, ValueError, TypeError, KeyError) as error:
        raise WeightsError(f"{folder}: {CONFIG} has settings that do not fit {network} ({error})") from error


def folder_weights(folder: Path) -> dict[str, Tensor]:
    """Read a folder's model.safetensors.

    Raises:
        WeightsError: it is missing or truncated.

    """
    if not (folder / WEIGHTS).is_file():
        raise WeightsError(
            f"{folder} has no {WEIGHTS}; other layouts are not read: save the network again with save_pretrained"
        )
    return read_tensors(folder / WEIGHTS)


def filled(network: str, config: Any, state: dict[str, Tensor], source: Path) -> Any:
    """Build a network with these tensors, all of them and no others (float32, CPU).

    Args:
        network: beginning of the names of its classes, for example "ZoeDepth".
        config: its settings, as transformers has them.
        state: tensors under the names of any release of transformers, which knows what it has renamed.
        source: what an error names.

    Raises:
        WeightsError: lists what is missing, unexpected or of another shape.

    """
    library = transformers_package()
    with _quiet(library):
        body, told = getattr(library, f"{network}ForDepthEstimation").from_pretrained(
            None,
            config=config,
            state_dict=state,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # it would raise without names; they are in the error below
        )
    faults = {
        "missing": sorted(set(told["missing_keys"]) - _UNREAD),
        "unexpected": sorted(told["unexpected_keys"]),
        "of other shapes": sorted(f"{n} {tuple(a)} for {tuple(b)}" for n, a, b in told["mismatched_keys"]),
    }
    if any(faults.values()):
        text = "; ".join(
            f"{len(names)} {fault}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
            for fault, names in faults.items()
            if names
        )
        raise WeightsError(f"{source}: the weights are not {network}'s of this size ({text})")
    return body


@contextmanager
def _quiet(library: Any) -> Iterator[None]:
    """Keep progress bars and reports of transformers off the terminal; errors say what is wrong."""
    log = library.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity(log.CRITICAL)
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()


def locate(source: str | Path, allow_download: bool) -> Path:
    """Find the folder or file of the weights, downloaded first where the source is a hub name and that is allowed.

    Raises:
        WeightsError: there is none, or the download is not permitted or fails.

    """
    path = Path(source).expanduser()
    if path.exists():
        return path
    if not isinstance(source, str) or path.suffix in _FILE_ENDINGS or not _HUB_NAME.fullmatch(source):
        raise WeightsError(f"no weights at {source}: give a folder with {CONFIG} and {WEIGHTS}, or a weights file")
    if not allow_download:
        raise WeightsError(
            f"no weights at {source}; if that is a name on the Hugging Face hub, permit the download with "
            "allow_download=True, or download it yourself and give the folder"
        )
    hub = importlib.import_module("huggingface_hub")
    try:
        return Path(hub.snapshot_download(source, allow_patterns=[CONFIG, WEIGHTS]))
    except (OSError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise WeightsError(
            f"{source} could not be downloaded ({reason}): check the name and the network, or "
            "download it yourself and give the folder"
        ) from error
