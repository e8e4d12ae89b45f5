"""A plain folder of frames: NNNNN.jpg, NNNNN_depth.png and NNNNN.json.

`prv2 synth` and tools/render_frames.py write it. The depth code is logarithmic, so that 16 bits serve a desk and a
street alike: depth_m = 0.1 * 1.00018 ** code. Its step is 0.018% of the depth from 0.1 m to 13 km (code 65534). Two
codes are no depth: 0 = sky (inf), 65535 = unknown (NaN), of which no loss learns. In folders from before code 65535 was
set apart, what was unknown is sky.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.files import whole_file
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.jpeg import JPEG, jpeg_size

LOG_STEP = math.log(1.00018)
"""Natural log of the depth from one code to the next."""

NEAREST_M = 0.1
"""Depth (m) of code 0, were it not kept for the sky."""

UNKNOWN_CODE = 65535
"""Code of a pixel whose depth is not known."""

HELD_ASIDE_SEEDS = range(9_000_000, 10_000_000)
"""Seeds of synthetic scenes that are measured on; those below and above are for training."""


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture with truth."""

    name: str
    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""

    depth_m: NDArray[np.float32]
    """(H, W) along z in metres; inf for sky, NaN where unknown."""

    camera: CameraModel
    kind: str


def encode_depth(depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Depth in metres to the logarithmic 16-bit code: inf becomes 0, whatever else is no depth `UNKNOWN_CODE`."""
    valid = np.isfinite(depth_m) & (depth_m > 0)
    log_ratio = np.log(np.where(valid, depth_m, 1.0) / NEAREST_M) / LOG_STEP
    no_depth = np.where(np.isposinf(depth_m), 0, UNKNOWN_CODE)
    return np.where(valid, np.clip(np.rint(log_ratio), 1, UNKNOWN_CODE - 1), no_depth).astype(np.uint16)


def decode_depth(code: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Code to metres; 0 becomes inf and `UNKNOWN_CODE` NaN."""
    metres = NEAREST_M * np.exp(code.astype(np.float64) * LOG_STEP)
    metres[code == 0], metres[code == UNKNOWN_CODE] = np.inf, np.nan
    return metres.astype(np.float32)


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
    return [folder / name for name in _json_names(folder)]


def list_pictures(folder: Path) -> list[Path]:
    """Paths of `list_frames` without tiles: NAME-K.json is a part of NAME, its principal point far from its centre."""
    return [folder / name for name in _json_names(folder) if "-" not in name]


def list_scenes(folder: Path) -> dict[Path, tuple[Path, ...]]:
    """Paths of `list_pictures`, and of each those of its tiles (NAME-K.json), if it has any; all in order of name."""
    tiles: dict[str, list[Path]] = {path.stem: [] for path in list_pictures(folder)}
    # A picture is written after its tiles. So a second listing has all tiles of the pictures in the first one, though
    # scenes may be written meanwhile.
    for file in _json_names(folder):
        name, dash, _ = file.partition("-")
        if dash and name in tiles:
            tiles[name].append(folder / file)
    return {folder / f"{name}.json": tuple(found) for name, found in tiles.items()}


def _json_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise InputError(f"no folder {folder}: give one that `prv2 synth` wrote")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".json") and not name.startswith("."))
    if not names:
        raise InputError(f"no frames in {folder}: looked for NNNNN.json beside NNNNN.jpg and NNNNN_depth.png")
    return names


def picture_files(path: Path) -> tuple[Path, Path]:
    """Files that decide the picture and the camera of the frame of one JSON file."""
    return path.with_suffix(".jpg"), path


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
        InputError: a file of the frame is missing, cut short or cannot be decoded, or sizes disagree.

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
    """Read the camera of a frame's JSON file, which has the size of its picture.

    Raises:
        InputError: the file is missing, or does not hold a camera.

    """
    return _read_json(path)[0]


def _read_json(path: Path) -> tuple[CameraModel, str]:
    """Camera and kind of a frame."""
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        camera = CameraModel(**{key: meta[key] for key in ("width", "height", "fx", "fy", "cx", "cy")})
        return camera, str(meta.get("kind", ""))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from error


def read_coded_frame(path: Path) -> CodedFrame:
    """Read the frame of one JSON file without computing its depth.

    Raises:
        InputError: as `read_frame`.

    """
    camera, kind = _read_json(path)
    # Truth and intrinsics are those of the pixels as they are stored, whatever EXIF says.
    image = _read_pixels(path.with_suffix(".jpg"), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    code = _read_pixels(path.with_name(f"{path.stem}_depth.png"), cv2.IMREAD_UNCHANGED)
    if code.dtype != np.uint16 or code.ndim != 2:
        raise InputError(
            f"frame {path.stem} in {path.parent}: the _depth.png is {code.dtype} of shape {code.shape} where one "
            "channel of 16 bits was expected; write the frame again"
        )
    if image.shape[:2] != (camera.height, camera.width) or code.shape != image.shape[:2]:
        raise InputError(
            f"frame {path.stem} in {path.parent}: image {image.shape[1]}x{image.shape[0]}, depth "
            f"{code.shape[1]}x{code.shape[0]} and JSON {camera.width}x{camera.height} disagree; write the frame again"
        )
    return CodedFrame(
        image=np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8),
        code=np.asarray(code, np.uint16),
        camera=camera,
        kind=kind,
    )


def _read_pixels(path: Path, flags: int) -> NDArray[Any]:
    try:
        data = path.read_bytes()
        if data.startswith(JPEG):
            jpeg_size(data)  # refuses a cut one: OpenCV 4 fills what is missing with grey
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except (OSError, InputError, cv2.error) as error:
        raise _unreadable(path, error) from error
    if pixels is None:
        raise _unreadable(path, "it is no picture, or damaged")
    return np.asarray(pixels)


def _unreadable(path: Path, reason: object) -> InputError:
    said = reason.strerror if isinstance(reason, OSError) and reason.strerror else reason
    said = f"it has no {reason}" if isinstance(reason, KeyError) else " ".join(str(said).split())
    return InputError(f"frame {path} cannot be read ({said}): write the frame again, or remove it")
