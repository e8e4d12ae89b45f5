"""A plain folder of frames: NNNNN.jpg, NNNNN_depth.png and NNNNN.json.

`prv2 synth` and tools/render_frames.py write it. The depth code is logarithmic, so that 16 bits serve a desk and a
street alike: depth_m = 0.1 * 1.00018 ** code, 0 = no depth (sky). Its step is 0.018% of the depth from 0.1 m to 13 km.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.files import whole_file
from prv2_ros.geometry.camera import CameraModel

LOG_STEP = math.log(1.00018)
"""Natural log of the depth from one code to the next."""

NEAREST_M = 0.1
"""Depth (m) of code 0, were it not kept for the sky."""

HELD_ASIDE_SEEDS = range(9_000_000, 10_000_000)
"""Seeds of synthetic scenes that are measured on; those below and above are for training."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture with truth."""

    name: str
    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""

    depth_m: NDArray[np.float32]
    """(H, W) along z in metres; inf for sky."""

    camera: CameraModel
    kind: str


def encode_depth(depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Depth in metres to the logarithmic 16-bit code; whatever is not finite and positive becomes 0."""
    valid = np.isfinite(depth_m) & (depth_m > 0)
    log_ratio = np.log(np.where(valid, depth_m, 1.0) / NEAREST_M) / LOG_STEP
    return np.where(valid, np.clip(np.rint(log_ratio), 1, 65535), 0).astype(np.uint16)


def decode_depth(code: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Code to metres; 0 becomes inf."""
    metres = NEAREST_M * np.exp(code.astype(np.float64) * LOG_STEP)
    return np.where(code > 0, metres, np.inf).astype(np.float32)


def write_frame(folder: Path, frame: Frame, *, jpeg_quality: int = 95) -> None:
    """Write the three files of a frame; the JSON comes last, so that a frame with one is whole.

    Raises:
        StorageError: the disk is full, or a quota is used up.
        OSError: the folder cannot be written to.

    """
    camera = frame.camera
    meta = {
        "kind": frame.kind,
        "width": camera.width,
        "height": camera.height,
        "fx": camera.fx,
        "fy": camera.fy,
        "cx": camera.cx,
        "cy": camera.cy,
    }
    _, jpeg = cv2.imencode(".jpg", frame.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])
    _, png = cv2.imencode(".png", encode_depth(frame.depth_m), [cv2.IMWRITE_PNG_COMPRESSION, 2])
    parts = ((".jpg", jpeg.tobytes()), ("_depth.png", png.tobytes()), (".json", json.dumps(meta).encode()))
    for ending, data in parts:
        with whole_file(folder / f"{frame.name}{ending}") as file:
            file.write(data)


def list_frames(folder: Path) -> list[Path]:
    """Paths of the JSON files of all whole frames, in order of name."""
    if not folder.is_dir():
        raise InputError(f"no folder {folder}: give one that `prv2 synth` wrote")
    found = sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
    if not found:
        raise InputError(f"no frames in {folder}: looked for NNNNN.json beside NNNNN.jpg and NNNNN_depth.png")
    return found


def list_pictures(folder: Path) -> list[Path]:
    """Paths of `list_frames` without tiles: NAME-K.json is a part of NAME, its principal point far from its centre."""
    return [path for path in list_frames(folder) if "-" not in path.stem]


@dataclass(frozen=True, kw_only=True)
class CodedFrame:
    """A picture as its files hold it: the depth still in code."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""

    code: NDArray[np.uint16]
    """(H, W) of `encode_depth`."""

    camera: CameraModel
    kind: str


def read_frame(path: Path) -> Frame:
    """Read the frame of one JSON file.

    Raises:
        InputError: a file of the frame is missing or cannot be decoded, or sizes disagree.

    """
    coded = read_coded_frame(path)
    return Frame(
        name=path.stem,
        image=coded.image,
        depth_m=decode_depth(coded.code),
        camera=coded.camera,
        kind=coded.kind,
    )


def read_camera(path: Path) -> CameraModel:
    """Read the camera of a frame's JSON file, which has the size of its picture."""
    return _camera(json.loads(path.read_text()))


def _camera(meta: Mapping[str, Any]) -> CameraModel:
    return CameraModel(**{key: meta[key] for key in ("width", "height", "fx", "fy", "cx", "cy")})


def read_coded_frame(path: Path) -> CodedFrame:
    """Read the frame of one JSON file without computing its depth.

    Raises:
        InputError: as `read_frame`.

    """
    meta = json.loads(path.read_text())
    image = cv2.imread(str(path.with_suffix(".jpg")), cv2.IMREAD_COLOR)
    code = cv2.imread(str(path.with_name(f"{path.stem}_depth.png")), cv2.IMREAD_UNCHANGED)
    if image is None or code is None:
        raise InputError(f"frame {path.stem} in {path.parent}: the .jpg or _depth.png is missing or cannot be read")
    camera = _camera(meta)
    if image.shape[:2] != (camera.height, camera.width) or code.shape != image.shape[:2]:
        raise InputError(
            f"frame {path.stem} in {path.parent}: image {image.shape[1]}x{image.shape[0]}, depth "
            f"{code.shape[1]}x{code.shape[0]} and JSON {camera.width}x{camera.height} disagree"
        )
    return CodedFrame(
        image=np.ascontiguousarray(image[..., ::-1]),
        code=np.asarray(code, np.uint16),
        camera=camera,
        kind=str(meta.get("kind", "")),
    )
