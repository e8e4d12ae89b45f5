"""Dense depth that a trained model gives for the pictures of the real domain, computed once.

The truth of real pictures is sparse and blind at edges; the depth of a model trained on exact scenes is dense, with
good edges and an unsure scale (PatchRefiner V2, arXiv 2501.01121).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from prv2_ros.data.frames import Frame, decode_depth, encode_depth
from prv2_ros.errors import InputError
from prv2_ros.files import whole_file
from prv2_ros.training.sources import Item, list_items

_INDEX = "index.json"  # in the labels' folder: file of a label by what the state of its picture hashes to
_READING = 1  # to be counted up where a reader makes another picture or camera of the same files


@dataclass(frozen=True, kw_only=True)
class Teacher:
    """A trained model that labels pictures."""

    name: str
    """Names the labels' folder: other weights need another name."""

    predict: Callable[[Frame], NDArray[np.float32]]
    """Depth (H, W) in metres of a frame, at its size; whatever is not finite is no label."""


LabelKey = tuple[int, str]
"""Number of the source and name of the item."""


def write_pseudo_labels(teacher: Teacher, sources: tuple[str, ...], output: Path) -> dict[LabelKey, Path]:
    """Compute the label of every picture in the sources, or keep those that are there.

    Args:
        teacher: a trained model.
        sources: as `list_items` takes them.
        output: where to write, in a subfolder of the teacher's name; a file is named after the picture and what it
            shows, so that a label follows its picture to another place in the list, and another picture gets its own.
            An index beside them spares reading the pictures whose files have not changed since.

    Returns:
        File of each picture's label.

    Raises:
        InputError: no sources, one that holds no pictures, or a picture that cannot be read.

    """
    if not sources:
        raise InputError("the real stage needs --data: folders or data sets of real pictures with their truth")
    place = output / f"pseudo_labels_{teacher.name}"
    place.mkdir(parents=True, exist_ok=True)
    items = {(k, item.name): item for k, source in enumerate(sources) for item in list_items(source)}
    files: dict[LabelKey, Path] = {}
    known = _read_index(place)
    before = dict(known)
    try:
        for key, item in tqdm(items.items(), desc="pseudo labels", unit="picture"):
            state = hashlib.sha256(f"{_READING} {item.state()}".encode()).hexdigest()[:16]
            if state not in known or not (place / known[state]).exists():
                known[state] = _label(item, place, teacher)
            files[key] = place / known[state]
    finally:
        if known != before:
            with whole_file(place / _INDEX) as file:
                file.write(json.dumps(known).encode())
    return files


def _label(item: Item, place: Path, teacher: Teacher) -> str:
    """Name of the file with an item's label, which is written where it is missing."""
    frame = item.read()
    path = place / f"{_seen(frame)}_{frame.name}.png"
    if not path.exists():
        _write(path, teacher.predict(frame))
    return path.name


def _read_index(place: Path) -> dict[str, str]:
    """Index of a folder; empty where there is none that can be read, for it only saves work."""
    try:
        found = json.loads((place / _INDEX).read_bytes())
        return {str(state): str(name) for state, name in found.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def read_pseudo_label(path: Path) -> NDArray[np.float32]:
    """Depth (H, W) in metres of one label; inf or NaN where there is none."""
    code = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if code is None:
        raise InputError(f"pseudo label {path} cannot be read: delete it, and it is computed again")
    return decode_depth(np.asarray(code, np.uint16))


def _seen(frame: Frame) -> str:
    """Fingerprint of what decides a label: the picture and its camera."""
    digest = hashlib.sha256(repr((frame.image.shape, frame.camera)).encode())
    digest.update(frame.image.tobytes())
    return digest.hexdigest()[:8]


def _write(path: Path, depth_m: NDArray[np.float32]) -> None:
    _, png = cv2.imencode(".png", encode_depth(depth_m), [cv2.IMWRITE_PNG_COMPRESSION, 2])
    with whole_file(path) as file:
        file.write(png.tobytes())
