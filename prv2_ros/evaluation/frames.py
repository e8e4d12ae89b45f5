"""Frames with known depth: the photograph that scikit-image ships, and readers of folders and bags.

Every reader yields `TruthFrame`. Truth is metric depth along z (m): +inf is sky, 0 or NaN is "not known".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.projection import depth_of_points, project_points
from prv2_ros.messages.camera_info import calibration
from prv2_ros.messages.point_clouds import cloud_points

_DENSE_SHARE = 0.5

_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
"""Depth and intrinsics are those of the stored pixels, which a viewer may turn by what EXIF says."""

_LATEST_S = 5
"""Messages of one stamp come at most this long (s) after newer ones."""


@dataclass(frozen=True, kw_only=True)
class TruthFrame:
    """An image, its camera and the depth that a perfect model would answer."""

    name: str
    """Unique within its set."""

    kind: str
    """Group for reports: kind of scene or name of the camera."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""

    truth_m: NDArray[np.float32]
    """(H, W) metres; +inf sky, 0 or NaN unknown."""

    camera: CameraModel
    """Intrinsics of the image."""


def is_dense(truth_m: NDArray[np.float32]) -> bool:
    """True where at least half of the pixels have truth or are sky, so that depth edges can be seen in it."""
    return bool((truth_m > 0).mean() >= _DENSE_SHARE)


def motorcycle_frame() -> TruthFrame:
    """Left photograph of the Middlebury 2014 motorcycle pair in scikit-image's wheel, 741x500 px, 2.1 to 5 m.

    Its depth comes from the disparity that lies beside it and from Middlebury's calibration at a quarter of
    full size: baseline 193.001 mm, focal length 994.978 px, 31.086 px between the two principal points.

    Raises:
        InputError: scikit-image is not installed.

    """
    try:
        from skimage.data import stereo_motorcycle  # optional: only measuring needs it
    except ImportError as error:
        raise InputError("scikit-image is not installed: `pip install scikit-image==0.25.2`") from error
    load: Callable[[], tuple[Any, Any, Any]] = stereo_motorcycle
    image, _, disparity_px = load()
    known = np.isfinite(disparity_px)
    depth_m = np.zeros(disparity_px.shape, np.float32)
    depth_m[known] = 0.193001 * 994.978 / (disparity_px[known] + 31.086)
    height, width = depth_m.shape
    camera = CameraModel(width=width, height=height, fx=994.978, fy=994.978, cx=311.193, cy=254.877)
    image_rgb = np.ascontiguousarray(image[..., :3], np.uint8)
    return TruthFrame(name="motorcycle", kind="photo", image=image_rgb, truth_m=depth_m, camera=camera)


def rendered_frames(folder: Path) -> Iterator[TruthFrame]:
    """Frames of a folder of NNNNN.json, .jpg and _depth.png.

    Its 16 bits are a code: depth_m = 0.1 * 1.00018 ** code, 0 = sky, 65535 = unknown.
    """
    for path in _sorted_files(folder, "*.json"):
        meta = json.loads(path.read_text())
        code = _read_image(path.with_name(f"{path.stem}_depth.png"), cv2.IMREAD_UNCHANGED)
        depth_m = (0.1 * 1.00018 ** code.astype(np.float64)).astype(np.float32)
        depth_m[code == 0], depth_m[code == 65535] = np.inf, np.nan
        yield TruthFrame(
            name=path.stem,
            kind=str(meta["kind"]),
            image=_read_rgb(path.with_suffix(".jpg")),
            truth_m=depth_m,
            camera=_camera(meta, depth_m),
        )


def indexed_frames(folder: Path) -> Iterator[TruthFrame]:
    """Frames of a folder with index.json, NAME.jpg and NAME_depth.png (16 bit, in `depth_scale_per_m`, 0 = unknown)."""
    index = folder / "index.json"
    if not index.is_file():
        raise InputError(f"{index}: no such file; expected a folder with index.json, NAME.jpg and NAME_depth.png")
    for entry in json.loads(index.read_text()):
        name = str(entry["name"])
        raw = _read_image(folder / f"{name}_depth.png", cv2.IMREAD_UNCHANGED)
        depth_m = (raw / float(entry["depth_scale_per_m"])).astype(np.float32)
        yield TruthFrame(
            name=name,
            kind=name.split("_", maxsplit=1)[0],
            image=_read_rgb(folder / f"{name}.jpg"),
            truth_m=depth_m,
            camera=_camera(entry, depth_m),
        )


def bag_frames(path: Path) -> Iterator[TruthFrame]:
    """Frames of a ROS 2 bag whose cameras each have `image_raw/compressed`, `camera_info` and `lidar_points`.

    Messages of one camera belong together by equal header stamps; the cloud must lie in that camera's optical frame.
    Kind is the camera's name. The image stays as it is, so that its camera has the distortion of the lens.

    Raises:
        InputError: a message that cannot be used; the text names it and says why.

    """
    from rosbags.highlevel import AnyReader  # optional: only measuring on bags needs it

    waiting: dict[tuple[str, int, int], dict[str, Any]] = {}
    with AnyReader([path]) as reader:
        for connection, _, raw in reader.messages():
            camera_name, _, topic = connection.topic.strip("/").partition("/")
            if topic not in ("image_raw/compressed", "camera_info", "lidar_points"):
                continue
            message: Any = reader.deserialize(raw, connection.msgtype)
            key = (camera_name, message.header.stamp.sec, message.header.stamp.nanosec)
            parts = waiting.setdefault(key, {})
            parts[topic] = message
            if len(parts) == 3:
                yield _frame_of_messages(key, waiting.pop(key))
                # Images between two clouds never get one.
                for old in [other for other in waiting if other[0] == camera_name and other[1] < key[1] - _LATEST_S]:
                    del waiting[old]


def _frame_of_messages(key: tuple[str, int, int], parts: dict[str, Any]) -> TruthFrame:
    name = f"{key[0]}_{key[1]}_{key[2]:09d}"
    image = cv2.imdecode(np.asarray(parts["image_raw/compressed"].data, np.uint8), _AS_STORED)
    if image is None:
        raise InputError(f"image {name}: cannot be decoded")
    height, width = image.shape[:2]
    found = calibration(parts["camera_info"], width, height)
    if found is None:
        raise InputError(
            f"camera info of image {name}: K is zero, the camera is not calibrated; record its calibration"
        )
    camera = found.camera
    points_m = cloud_points(parts["lidar_points"])
    depth_m = depth_of_points(project_points(points_m, camera), points_m[:, 2], width, height)
    return TruthFrame(
        name=name,
        kind=key[0],
        image=np.ascontiguousarray(image[..., ::-1], np.uint8),
        truth_m=np.nan_to_num(depth_m, nan=0.0),  # 0 for "not known", as the readers of folders have it
        camera=camera,
    )


def _sorted_files(folder: Path, pattern: str) -> list[Path]:
    files = sorted(folder.glob(pattern))
    if not files:
        raise InputError(f"{folder}: holds no {pattern}; expected a folder of rendered frames")
    return files


def _read_image(path: Path, flags: int) -> NDArray[Any]:
    image = cv2.imread(str(path), flags)
    if image is None:
        raise InputError(f"{path}: missing or not an image")
    return np.asarray(image)


def _read_rgb(path: Path) -> NDArray[np.uint8]:
    return np.ascontiguousarray(_read_image(path, _AS_STORED)[..., ::-1], np.uint8)


def _camera(meta: dict[str, Any], depth_m: NDArray[np.float32]) -> CameraModel:
    height, width = depth_m.shape
    fx, fy, cx, cy = (float(meta[key]) for key in ("fx", "fy", "cx", "cy"))
    return CameraModel(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy)
