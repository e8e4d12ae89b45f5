"""Depth maps in OpenEXR files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.data.dataset_files import unreadable
from prv2_ros.errors import InputError

_CHANNELS = ("Y", "Z", "R", "V")
"""Names under which one depth channel is stored, the likeliest first."""


def read_exr(path: Path) -> NDArray[np.float32]:
    """Read the depth channel (H, W) of an EXR file, half or float, as it is stored.

    Raises:
        InputError: the file is missing or corrupt, or has no channel Y, Z, R or V; or neither the OpenEXR package
            is installed nor was this OpenCV built with OpenEXR.

    """
    if not path.is_file():
        raise unreadable(path)
    try:
        import OpenEXR  # optional: few data sets use it
    except ImportError:
        return _read_by_opencv(path)
    try:
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels: dict[str, Any] = {name: channel.pixels for name, channel in file.channels().items()}
    except (RuntimeError, ValueError, TypeError) as error:
        raise unreadable(path, error) from error
    for name in _CHANNELS:
        if name in channels:
            return np.asarray(channels[name], np.float32)
    raise InputError(f"{path}: has the channels {', '.join(sorted(channels))}, and none of {', '.join(_CHANNELS)}")


def _read_by_opencv(path: Path) -> NDArray[np.float32]:
    if "OpenEXR:                     NO" in cv2.getBuildInformation():
        raise InputError(f"{path}: no reader of EXR files here; `pip install OpenEXR`")
    os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")  # OpenCV asks for it when it meets its first EXR file
    try:
        image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise InputError(f"{path}: OpenCV cannot read it; `pip install OpenEXR`") from error
    if image is None:
        raise unreadable(path)
    values = np.asarray(image, np.float32)
    return values if values.ndim == 2 else np.ascontiguousarray(values[..., -1])  # BGR: R is last
