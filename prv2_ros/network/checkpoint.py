"""Models on disk: NAME.yaml (architecture, hash) beside NAME.safetensors (weights)."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pickle
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from prv2_ros.config_fields import fit_fields
from prv2_ros.errors import ConfigError, WeightsError
from prv2_ros.files import whole_file
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.network.paths import config_folder, models_folder
from prv2_ros.network.reference_keys import own_name
from prv2_ros.network.refiner_published import PublishedRefiner

_UNWRAP = re.compile(r"^(module\.|model\.)+")
_COARSE_PREFIXES = ("coarse_branch.",)
_BEFORE = {"coarse_lens": False}
"""What models were that do not say, as they are older than the choice."""

_TORCH_HEADS = (b"PK\x03\x04", b"\x80")  # an archive since torch 1.6, a pickle before


def model_path(name_or_path: str) -> Path:
    """Give the YAML file of a packaged model's name, or of a path to one, which may begin with `~`."""
    given = expanded(name_or_path)
    path = given if given.suffix in (".yaml", ".yml") else models_folder() / f"{name_or_path}.yaml"
    if not path.is_file():
        if (config_folder() / "models" / f"{name_or_path}.yaml").is_file():
            raise WeightsError(
                f"model {name_or_path!r} is a published network, which is none of ours: in Python "
                "prv2_ros.inference.load.load_engine loads it"
            )
        names = sorted(p.stem for p in models_folder().glob("*.yaml"))
        raise WeightsError(
            f"no model {name_or_path!r}: give the path of a .yaml or one of {', '.join(names) or 'none'}"
        )
    return path


def expanded(path: str) -> Path:
    """Path with the home folder for a leading `~`, which a shell leaves after `:=`; that of an unknown user stays."""
    return Path(os.path.expanduser(path))  # Path.expanduser raises where there is no such user


def load_model(name_or_path: str = "default") -> DepthModel:
    """Load a model for inference (float32, CPU).

    Raises:
        WeightsError: no such model, a description that cannot be read, or weights that are missing, altered,
            truncated or of another architecture.
        ConfigError: an architecture with unknown keys, or values of another type or out of range.

    """
    path = model_path(name_or_path)
    description = _description(path)
    weights, expected = path.parent / description["weights"], description["sha256"]
    try:
        model = DepthModel(ModelSpec(**fit_fields(ModelSpec, _BEFORE | description["model"])))
    except ConfigError as error:
        raise ConfigError(f"model {path}: {error}") from error
    try:
        data = weights.read_bytes()
    except OSError as error:
        raise WeightsError(f"model {path}: weights {weights.name} cannot be read ({error.strerror})") from error
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise WeightsError(
            f"model {path}: weights {weights.name} have sha256 {found[:12]}..., expected {expected[:12]}...: "
            "the file is truncated or altered; restore it (git checkout, or install the package again)"
        )
    try:
        state = load(data)
    except SafetensorError as error:
        raise WeightsError(f"model {path}: {weights.name} is no safetensors file ({error})") from error
    fill_strictly(model, state, f"model {path}")
    return model.eval()


def _description(path: Path) -> dict[str, Any]:
    """Content of a model's YAML: `weights` and `sha256` are text, `model` is a table."""
    try:
        values = yaml.safe_load(path.read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise WeightsError(f"model {path}: not a model description ({error})") from error
    if not isinstance(values, dict) or not values.keys() >= {"weights", "sha256", "model"}:
        raise WeightsError(f"model {path}: not a model description: holds no table with weights, sha256 and model")
    for key, kind, form in (("weights", str, "text"), ("sha256", str, "text"), ("model", dict, "a table")):
        if not isinstance(values[key], kind):
            raise WeightsError(f"model {path}: not a model description ({key} = {values[key]!r}: expected {form})")
    return values


def fill_strictly(module: nn.Module, state: Mapping[str, Tensor], what: str) -> None:
    """Load a state dict whose names and shapes are the module's own, all of them and no others.

    Raises:
        WeightsError: lists what is missing, unexpected or of another shape; `what` names the source.

    """
    own = module.state_dict()
    shapes = [
        f"{k} {tuple(state[k].shape)} for {tuple(own[k].shape)}"
        for k in own
        if k in state and own[k].shape != state[k].shape
    ]
    faults = {
        "missing": sorted(set(own) - set(state)),
        "unexpected": sorted(set(state) - set(own)),
        "of other shapes": shapes,
    }
    if any(faults.values()):
        told = "; ".join(f"{len(names)} {fault}: {_first(names)}" for fault, names in faults.items() if names)
        raise WeightsError(f"{what}: the weights are of another architecture ({told})")
    module.load_state_dict({key: value.to(own[key].dtype) for key, value in state.items()})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file, or a .pth without running code from it.

    Raises:
        WeightsError: the file is missing, truncated, of another kind, or a pickle that holds more than tensors.

    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise WeightsError(f"weights {path} cannot be read ({error.strerror})") from error
    if path.suffix != ".safetensors" and not head.startswith(_TORCH_HEADS):
        raise WeightsError(f"weights {path}: neither a .safetensors nor a file of torch.save")
    try:
        if path.suffix == ".safetensors":
            return load(path.read_bytes())
        found = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise WeightsError(f"weights {path}: truncated, or no safetensors file ({error})") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, LookupError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"weights {path}: truncated, or a pickle that holds more than tensors, which is not loaded because it "
            f"could run code ({line}); save its state dict alone, best as .safetensors"
        ) from error
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise WeightsError(f"weights {path}: expected a state dict of tensors")
    return found


def load_reference_state_dict(module: PublishedRefiner, state_dict: Mapping[str, Tensor]) -> None:
    """Load the refiner's tensors under the names that the authors' code gives them (zhyever/PatchRefinerV2).

    Args:
        module: from `build_published_refiner`, for the encoder and the widths of the checkpoint.
        state_dict: a whole model's state dict will do: what belongs to the coarse network (`coarse_branch.`) is left
            out, and so is a leading `module.` or `model.` of a wrapper.

    Raises:
        WeightsError: lists what is missing, unexpected or of another shape, under the authors' names.

    """
    plain = {_UNWRAP.sub("", name): value for name, value in state_dict.items()}
    state = {name: value for name, value in plain.items() if not name.startswith(_COARSE_PREFIXES)}
    names = {own_name(name): name for name in state}
    own = set(module.state_dict())
    unexpected = sorted(name for ours, name in names.items() if ours not in own)
    if unexpected:
        missing = sorted(own - set(names))
        raise WeightsError(
            f"reference checkpoint: the weights are of another architecture ({len(unexpected)} unexpected: "
            f"{_first(unexpected)}; {len(missing)} missing: {_first(missing)}): build the refiner for its encoder"
        )
    fill_strictly(module, {ours: state[name] for ours, name in names.items()}, "reference checkpoint")


def _first(names: Sequence[str], count: int = 3) -> str:
    return ", ".join(names[:count]) + (", ..." if len(names) > count else "") if names else "none"


def save_model(model: DepthModel, folder: Path, name: str) -> Path:
    """Write NAME.safetensors and NAME.yaml; convolution weights in float16, the rest as it is.

    Both are on the disk before either takes its name, so that a model of that name stays as it was where they do not
    fit. The YAML takes its name last: a description never points at weights that are not there.

    Raises:
        WeightsError: some of the weights are not finite, as a model that has been through a division by zero has them.
        StorageError: the disk is full, or a quota is used up.
        OSError: the folder cannot be made or written to.

    """
    state = {
        key: (value.half() if value.ndim == 4 and value.dtype == torch.float32 else value).contiguous()
        for key, value in model.state_dict().items()
    }
    broken = [key for key, value in state.items() if not bool(torch.isfinite(value).all())]
    if broken:
        raise WeightsError(
            f"model {name} is not written to {folder}: {len(broken)} of its {len(state)} tensors hold what is not "
            f"finite, first {broken[0]}; train it again, without fp16 and from weights that are whole"
        )
    folder.mkdir(parents=True, exist_ok=True)
    data = save(state)
    spec = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in dataclasses.asdict(dataclasses.replace(model.spec, name=name)).items()
    }
    description = {"weights": f"{name}.safetensors", "sha256": hashlib.sha256(data).hexdigest(), "model": spec}
    path = folder / f"{name}.yaml"
    with whole_file(path) as described, whole_file(folder / f"{name}.safetensors") as weights:
        weights.write(data)
        described.write(yaml.safe_dump(description, sort_keys=False).encode())
        described.flush()  # else a full disk would show once the weights have their name
    return path
