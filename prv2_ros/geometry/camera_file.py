"""Calibrations in files: the YAML that camera_calibration writes, a CameraInfo message, or plain JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel, check_plausible
from prv2_ros.geometry.lens import lens

_ASPECT_TOLERANCE = 0.01
_COEFFICIENTS = ("distortion_coefficients", "d", "D")


def fit_camera(camera: CameraModel, width: int, height: int) -> CameraModel:
    """Scale a calibration to an image of the same shape.

    Raises:
        InputError: the sides have another ratio, so the image was cut and the calibration does not hold.

    """
    if not has_shape(camera, width, height):
        raise InputError(
            f"the calibration is for {camera.width}x{camera.height} px and the image has {width}x{height} px, another "
            "shape: use the calibration of these images"
        )
    return camera if (camera.width, camera.height) == (width, height) else camera.resized(width, height)


def has_shape(camera: CameraModel, width: int, height: int) -> bool:
    """Whether an image is of the shape that a calibration is for, whatever its size."""
    ratio = (width / height) / (camera.width / camera.height)
    return abs(ratio - 1) <= _ASPECT_TOLERANCE


def read_camera_info(path: Path, *, rectified: bool = False) -> CameraModel:
    """Read a calibration: the YAML that camera_calibration writes, a CameraInfo message as YAML, or either as JSON.

    A flat table of width, height, fx, fy, cx and cy (an ideal camera) is taken, too.

    A region of interest and binning are applied, so that the camera is that of the images that were recorded.

    Args:
        path: the file; its first document counts.
        rectified: take the projection matrix P and no distortion, for rectified images.

    Raises:
        InputError: a file that is not there, not YAML or JSON, or lacks a size or an intrinsic matrix; or numbers that
            no lens has.

    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else next(iter(yaml.safe_load_all(text)), None)
    except OSError as error:
        raise InputError(f"camera file {path} cannot be read: {error.strerror}") from error
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"camera file {path} is neither YAML nor JSON: {reason}") from error
    if not isinstance(content, Mapping):
        raise InputError(f"camera file {path} holds no table of values: expected camera_calibration's YAML or JSON")
    try:
        camera, matrix = _camera_from_fields(content, rectified)
        check_plausible(camera, matrix, in_view=True)
        return _read_out(camera, content)
    except InputError as error:
        raise InputError(f"camera file {path}: {error}") from error


def _camera_from_fields(fields: Mapping[str, Any], rectified: bool) -> tuple[CameraModel, str]:
    """Camera of the whole sensor, and the matrix that its numbers stand in."""
    width = _integer(fields, ("image_width", "width"))
    height = _integer(fields, ("image_height", "height"))
    if "fx" in fields:
        fx, fy, cx, cy = (_number(fields, name) for name in ("fx", "fy", "cx", "cy"))
        given = None if rectified else next((name for name in _COEFFICIENTS if name in fields), None)
        fisheye, distortion = (False, ()) if given is None else _lens(fields, _numbers(fields, (given,), None))
        flat = CameraModel(
            width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy, distortion=distortion, fisheye=fisheye
        )
        return flat, ""
    if rectified:
        p = _numbers(fields, ("projection_matrix", "p", "P"), 12)
        return CameraModel(width=width, height=height, fx=p[0], fy=p[5], cx=p[2], cy=p[6]), "P"
    k = _numbers(fields, ("camera_matrix", "k", "K"), 9)
    if k[0] == 0:
        raise InputError("the intrinsic matrix is zero: the camera is not calibrated; calibrate it or use --fov")
    fisheye, distortion = _lens(fields, _numbers(fields, _COEFFICIENTS, None))
    camera = CameraModel(
        width=width, height=height, fx=k[0], fy=k[4], cx=k[2], cy=k[5], distortion=distortion, fisheye=fisheye
    )
    return camera, "K"


def _lens(fields: Mapping[str, Any], coefficients: Sequence[float]) -> tuple[bool, tuple[float, ...]]:
    return lens(str(fields.get("distortion_model") or ""), coefficients)


def _read_out(camera: CameraModel, fields: Mapping[str, Any]) -> CameraModel:
    """Apply the ROI and the binning of a CameraInfo message; files of camera_calibration have none."""
    roi = fields.get("roi") or {}
    if not isinstance(roi, Mapping):
        raise InputError(f"roi is {roi!r}: expected x_offset, y_offset, width and height")
    x, y, width, height = (
        _integer(roi, (name,)) if name in roi else 0 for name in ("x_offset", "y_offset", "width", "height")
    )
    across, down = (_integer(fields, (name,)) if name in fields else 0 for name in ("binning_x", "binning_y"))
    return camera.read_out((x, y, width, height), (across, down))


def _integer(fields: Mapping[str, Any], names: Sequence[str]) -> int:
    value = next((fields[n] for n in names if n in fields), None)
    if not isinstance(value, int) or isinstance(value, bool):
        raise InputError(f"{names[0]} is {value!r}: expected a whole number of pixels")
    return value


def _number(fields: Mapping[str, Any], name: str) -> float:
    number = _as_number(fields.get(name))
    if number is None:
        raise InputError(f"{name} is {fields.get(name)!r}: expected a number of pixels")
    return number


def _numbers(fields: Mapping[str, Any], names: Sequence[str], count: int | None) -> list[float]:
    """Numbers of a matrix, given flat or as {rows, cols, data}; `count` None allows any number, none included."""
    value = next((fields[n] for n in names if n in fields), None)
    if isinstance(value, Mapping):
        value = value.get("data")
    if value is None and count is None:
        return []
    if isinstance(value, Sequence) and all(isinstance(v, Sequence) and not isinstance(v, str) for v in value):
        value = [v for row in value for v in row]  # nested rows, as JSON writers like them
    given = value if isinstance(value, Sequence) and not isinstance(value, str) else [None]
    numbers = [number for number in map(_as_number, given) if number is not None]
    if len(numbers) < len(given):
        raise InputError(f"{names[0]} is {value!r}: expected {count if count is not None else 'a list of'} numbers")
    if count is not None and len(numbers) != count:
        raise InputError(f"{names[0]} has {len(numbers)} numbers: expected {count}")
    return numbers


def _as_number(value: Any) -> float | None:
    """Give the number that a value is, None where it is none. 1e-05 is text to YAML 1.1, which wants 1.0e-05."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) or isinstance(value, float) else None
