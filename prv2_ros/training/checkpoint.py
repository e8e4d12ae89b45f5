"""The file that a run resumes from, and what must be as it was when the run began."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from prv2_ros.errors import ConfigError, WeightsError
from prv2_ros.files import whole_file
from prv2_ros.network.checkpoint import fill_strictly
from prv2_ros.network.model import DepthModel
from prv2_ros.training.parts import trained_part

CHECKPOINT = "checkpoint.pt"

_KEYS = {"stage", "part", "optimizer", "scaler", "average", "average_count", "figures", "step", "elapsed"}
"""What every checkpoint holds; newer ones hold `origin`, `learning` and `untrained`, too."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """Options of `prv2 train` that a run's model was made from, names and paths as they were given."""

    init: str | None = None
    """None where the model started afresh."""

    coarse: str | None = None
    refiner: str | None = None
    teacher: str | None = None
    variant: str | None = None
    """Of a model that started afresh, as the next two."""

    encoder: str | None = None
    seed: int = 0

    def __str__(self) -> str:
        """Give the options that decide the weights."""
        names = ("init", "coarse", "refiner") if self.init else ("coarse", "refiner", "variant", "encoder", "seed")
        options = [f"--{name} {getattr(self, name)}" for name in names if getattr(self, name) is not None]
        return " ".join(options) if self.init else f"no --init ({' '.join(options)})"

    def resuming(self, saved: Start) -> Start:
        """Take what is left out here from the start of the run that goes on."""
        kept = ("init", "coarse", "refiner", "teacher") + (() if self.init else ("variant", "encoder"))
        left_out = {name: getattr(saved, name) for name in kept if getattr(self, name) is None}
        return dataclasses.replace(self, **left_out, seed=saved.seed)


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What a folder's checkpoint says of its run."""

    stage: str
    start: Start | None
    """None where it does not say."""


def saved_run(folder: Path) -> Saved | None:
    """Look for a checkpoint in a folder.

    Raises:
        WeightsError: there is one, and it cannot be read.

    """
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    state = read_checkpoint(path)
    return Saved(stage=state["stage"], start=_start(state.get("origin", {})))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, into memory: an optimizer's count of steps on a GPU would make every step wait for it.

    Raises:
        WeightsError: it is cut short, or of another kind.

    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, LookupError, ValueError) as error:
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(
            f"checkpoint {path} cannot be read, it may be cut short ({line}): delete it to begin anew, or name another "
            "folder"
        ) from error
    if not isinstance(state, dict) or not state.keys() >= _KEYS:
        raise WeightsError(f"checkpoint {path} is none of `prv2 train`: delete it, or name another folder")
    return state


def write_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        StorageError: the disk is full.

    """
    assert state.keys() >= _KEYS, "a checkpoint that could not be read again"
    # Through memory: where torch writes to a file itself, a full disk is an error of its own without a cause.
    data = io.BytesIO()
    torch.save(dict(state), data)
    with whole_file(path) as file:
        file.write(data.getbuffer())


def origin_of(model: DepthModel, stage: str, start: Start | None) -> dict[str, Any]:
    """Say what a checkpoint does not hold and needs: `spec`, a hash of the `fixed` weights, and the `start`."""
    spec = {key: value for key, value in dataclasses.asdict(model.spec).items() if key != "name"}
    return {"spec": spec, "fixed": _fixed_hash(model, stage), "start": start and dataclasses.asdict(start)}


def find_checkpoint(path: Path, stage: str, origin: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read a checkpoint that a run of this stage may go on from; None where there is none.

    Raises:
        WeightsError: it cannot be read, is of another stage, or of the part of another model than that of `origin`.

    """
    if not path.exists():
        return None
    state = read_checkpoint(path)
    _check(state, path, stage, origin)
    return state


def _check(state: Mapping[str, Any], path: Path, stage: str, origin: Mapping[str, Any]) -> None:
    """Refuse a checkpoint that the stage and the model of this call would make something else of."""
    if state["stage"] != stage:
        raise WeightsError(f"{path} is of stage {state['stage']}, not {stage}: name another folder")
    saved = state.get("origin")
    if saved is None:  # an older one does not say
        return
    differing = [key for key, value in saved["spec"].items() if origin["spec"].get(key) != value]
    if differing:
        fault = f"another architecture ({', '.join(differing)})"
    elif saved["fixed"] != origin["fixed"]:
        fault = f"other weights where stage {stage} trains none"
    else:
        return
    raise WeightsError(
        f"{path}: its run began with {_start(saved) or 'another model'}, and the model of this call has {fault}: start "
        "from the same again, as it was then, or name another folder"
    )


def check_learning(state: Mapping[str, Any], path: Path, learning: Sequence[Sequence[str]]) -> None:
    """Refuse a checkpoint of a run that trained other parameters: its optimizer's state is of those.

    Args:
        state: of `read_checkpoint`.
        path: its file.
        learning: names of this call's parameters that learn, by group of the optimizer.

    Raises:
        ConfigError: names the fields that decide it.

    """
    saved = state.get("learning")
    if saved is None:  # of an older one the number is all that is known
        same = [len(group["params"]) for group in state["optimizer"]["param_groups"]] == [len(g) for g in learning]
    else:
        same = saved == [list(group) for group in learning]
    if not same:
        raise ConfigError(
            f"{path} is of a run in which other layers learn: give `frozen`, `fixed_depthwise` and `likelihood` (0 or "
            "not) as they were, or name another folder"
        )


def load_average(model: DepthModel, stage: str, folder: Path) -> None:
    """Put the averaged weights of a run's last checkpoint into the stage's part of the model.

    Raises:
        WeightsError: no checkpoint, or one that does not belong to the model and the stage.

    """
    path = folder / CHECKPOINT
    state = find_checkpoint(path, stage, origin_of(model, stage, None))
    if state is None:
        raise WeightsError(f"no checkpoint in {folder} to export")
    fill_strictly(trained_part(model, stage), state["average"], str(path))


def _start(origin: Mapping[str, Any]) -> Start | None:
    """Read the start of a saved origin; what later versions may add is left out."""
    values = origin.get("start")
    if values is None:
        return None
    known = {field.name for field in dataclasses.fields(Start)}
    return Start(**{key: value for key, value in values.items() if key in known})


def _fixed_hash(model: DepthModel, stage: str) -> str:
    """Hash of all weights outside of the part that the stage trains."""
    part = {id(value) for value in trained_part(model, stage).state_dict(keep_vars=True).values()}
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict(keep_vars=True).items()):
        if id(value) not in part:
            digest.update(name.encode())
            digest.update(value.detach().contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()
