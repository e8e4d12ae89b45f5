"""Whether an engine still answers as its weights did when they were stored.

A model's description holds what the model said of one drawn picture, on a CPU in float32. A driver, a torch or a
compiler that computes something else then shows at the start, not as wrong metres on the road.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from prv2_ros.errors import DeviceError, WeightsError
from prv2_ros.files import whole_file
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.inference.load import Engine, description_path, load_engine
from prv2_ros.network.checkpoint import save_model
from prv2_ros.network.model import DepthModel

KEY = "self_test"
"""Where a description holds the answer: rows of natural logs of metres, from top to bottom."""

TOLERANCE = 0.08
"""Median difference of log depth that is let pass. Of the default model float16 makes 0.001, bfloat16 0.03."""

WORST_TOLERANCE = 0.32
"""The same of the cells, all but the worst tenth, so that no part of a picture is lost. bfloat16 makes 0.06."""

_SIZE_HW = (192, 256)
_CELLS_HW = (6, 8)
_FARTHEST_M = 250.0


def picture() -> NDArray[np.uint8]:
    """Draw the picture, (192, 256, 3) RGB: striped ground below a sky, a wall, two boxes and a pole.

    Whole numbers only, so that every machine draws the same.
    """
    height, width = _SIZE_HW
    rows, columns = np.mgrid[:height, :width]
    horizon = height * 2 // 5
    image = np.zeros((height, width, 3), np.int64)
    image[:] = np.stack([150 + rows // 2, 170 + rows // 2, 215 - rows // 4], -1)
    below = np.maximum(rows - horizon, 1)
    stripes = ((columns - width // 2) * 12 // below) % 2
    ground = rows > horizon
    image[ground] = (np.array([[[104, 98, 88]]]) + 20 * stripes[..., None] - 900 // (below + 20)[..., None])[ground]
    for left, top, right, bottom, colour in (
        (0, 30, 60, 110, (168, 150, 128)),
        (84, 84, 132, 132, (150, 60, 48)),
        (170, 66, 196, 104, (62, 84, 130)),
        (222, 20, 227, 150, (70, 70, 66)),
    ):
        image[top:bottom, left:right] = np.array(colour) - (columns[top:bottom, left:right, None] - left) // 2
    return np.clip(image, 0, 255).astype(np.uint8)


def answer(engine: Engine) -> NDArray[np.float64]:
    """What an engine says of the picture: mean log depth in 6 x 8 cells; what is beyond 250 m counts as 250 m."""
    height, width = _SIZE_HW
    depth_m = engine.infer(picture(), CameraModel.from_fov(width, height, 65.0), coarse=False).depth_m
    log_depth = np.log(np.nan_to_num(depth_m.astype(np.float64), nan=_FARTHEST_M).clip(1e-3, _FARTHEST_M))
    rows, columns = _CELLS_HW
    cells: NDArray[np.float64] = log_depth.reshape(rows, height // rows, columns, width // columns).mean((1, 3))
    return cells


def record(model: str) -> None:
    """Store in a model's description what the model says now, on a CPU in float32.

    Args:
        model: name or path of the .yaml, which is written whole or not at all.

    Raises:
        WeightsError: no such model.
        StorageError: the disk is full.

    """
    path = description_path(model)
    cells = answer(load_engine(str(path), "cpu", "float32"))
    values = yaml.safe_load(path.read_text(encoding="utf-8"))
    values[KEY] = [[round(float(value), 3) for value in row] for row in cells]
    with whole_file(path) as file:
        file.write(yaml.safe_dump(values, sort_keys=False, default_flow_style=None).encode())


def save_tested(model: DepthModel, folder: Path, name: str) -> Path:
    """Write a model as `save_model` does, and what it answers beside it; give the path of its description."""
    path = save_model(model, folder, name)
    record(str(path))
    return path


def stored(model: str) -> NDArray[np.float64] | None:
    """What a model's description says that it should answer; None where it says nothing.

    Raises:
        WeightsError: no such model, or an answer that is none.

    """
    path = description_path(model)
    values: Any = yaml.safe_load(path.read_text(encoding="utf-8")).get(KEY)
    if values is None:
        return None
    try:
        cells = np.asarray(values, np.float64)
    except (TypeError, ValueError):
        cells = np.empty(0)
    if cells.shape != _CELLS_HW or not np.isfinite(cells).all():
        raise WeightsError(f"model {path}: {KEY} holds no {_CELLS_HW[0]} rows of {_CELLS_HW[1]} numbers; leave it out")
    return cells


def check(engine: Engine, model: str) -> float | None:
    """Compare an engine with what is stored of its model; give the median difference of log depth, None without one.

    Raises:
        DeviceError: it is above `TOLERANCE`, or some part of the picture above `WORST_TOLERANCE`.
        WeightsError: as of `stored`.

    """
    expected = stored(model)
    if expected is None:
        return None
    found = answer(engine)
    differences = np.abs(found - expected)
    difference, worst = (float(np.quantile(differences, share)) for share in (0.5, 0.9))
    if difference <= TOLERANCE and worst <= WORST_TOLERANCE:  # not so for NaN
        return difference
    if not difference <= TOLERANCE:
        scale = math.exp(float(np.median(found - expected)))
        fault = f"{scale:.2f} times the depth that is stored with its weights"
        figures = f"median log difference {difference:.3f}, allowed {TOLERANCE:g}"
    else:
        fault = "another depth in a part of the picture than is stored with its weights"
        figures = f"log difference of a tenth of it {worst:.3f} and more, allowed {WORST_TOLERANCE:g}"
    raise DeviceError(
        f"self-test: {model} on {engine.device} in {str(engine.dtype).removeprefix('torch.')} gives {fault} ({figures}"
        "): the device, its driver or torch computes something else; try precision float32, compile off or device cpu"
    )
