"""Frames as a ROS 2 bag (mcap), without ROS: image, camera_info and true depth by the conventions of REP 104 and 118.

camera_info has no distortion. It is exact for a drive; separate scenes, of which some have a slightly bent lens, are as
near to it as `SyntheticFrame.camera` says.

Needs `rosbags`, an optional dependency (`pip install rosbags`).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_typestore

from prv2_ros.errors import InputError
from prv2_ros.files import BAG_VERSION, disk_full, is_full
from prv2_ros.geometry.camera import CameraModel

STORE = get_typestore(Stores.ROS2_JAZZY)
IMAGE_TOPIC, INFO_TOPIC = "image_raw", "camera_info"
DEPTH_TOPIC, DEPTH_INFO_TOPIC = "depth/image_rect", "depth/camera_info"


class PictureWithDepth(Protocol):
    """What a bag holds of a frame."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """(H, W, 3) RGB."""

    @property
    def depth_m(self) -> NDArray[np.float32]:
        """(H, W) along z in metres; inf for sky."""

    @property
    def camera(self) -> CameraModel:
        """Camera of both."""


def header(stamp_ns: int, frame_id: str) -> Any:
    """Build a std_msgs/Header."""
    stamp = STORE.types["builtin_interfaces/msg/Time"](sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9)
    return STORE.types["std_msgs/msg/Header"](stamp=stamp, frame_id=frame_id)


def image_message(pixels: NDArray[Any], encoding: str, head: Any) -> Any:
    """Build a sensor_msgs/Image of (H, W) or (H, W, C) pixels."""
    data = np.ascontiguousarray(pixels)
    return STORE.types["sensor_msgs/msg/Image"](
        header=head,
        height=data.shape[0],
        width=data.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=data.strides[0],
        data=data.reshape(-1).view(np.uint8),
    )


def info_message(camera: CameraModel, head: Any) -> Any:
    """Build the sensor_msgs/CameraInfo of a camera without distortion."""
    k = camera.matrix
    roi = STORE.types["sensor_msgs/msg/RegionOfInterest"](x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
    return STORE.types["sensor_msgs/msg/CameraInfo"](
        header=head,
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k.ravel(),
        r=np.eye(3).ravel(),
        p=np.hstack([k, np.zeros((3, 1))]).ravel(),
        binning_x=0,
        binning_y=0,
        roi=roi,
    )


def write_bag(
    path: Path,
    frames: Iterable[PictureWithDepth],
    *,
    namespace: str = "/camera",
    frame_id: str = "camera_optical_frame",
    rate_hz: float = 10.0,
) -> int:
    """Write frames to a new bag, whole or not at all; return how many there were.

    Args:
        path: folder of the bag; must not exist.
        frames: each becomes `image_raw` (rgb8), `camera_info`, `depth/image_rect` (32FC1, metres, +inf for sky) and
            `depth/camera_info` with one stamp.
        namespace: prefix of the topics.
        frame_id: optical frame of the headers.
        rate_hz: stamps are 1 / rate apart, the first one 1 / rate after zero.

    Raises:
        InputError: `path` exists.
        StorageError: the disk is full, or a quota is used up.

    """
    if path.exists():
        raise InputError(f"bag {path} exists: give another path or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        count = _write(temporary, frames, namespace, frame_id, rate_hz)
        # A bag's storage file is named after its folder, and its metadata name it.
        for file in temporary.iterdir():
            if file.name.startswith(temporary.name):
                file.rename(file.with_name(file.name.replace(temporary.name, path.name, 1)))
        metadata = temporary / "metadata.yaml"
        metadata.write_text(metadata.read_text().replace(f"{temporary.name}.mcap", f"{path.name}.mcap"))
        temporary.replace(path)
    except OSError as error:
        if is_full(error):
            raise disk_full(path) from error
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return count


def _write(path: Path, frames: Iterable[PictureWithDepth], namespace: str, frame_id: str, rate_hz: float) -> int:
    image_type, info_type = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
    types = {IMAGE_TOPIC: image_type, INFO_TOPIC: info_type, DEPTH_TOPIC: image_type, DEPTH_INFO_TOPIC: info_type}
    count = 0
    with Writer(path, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP) as writer:
        connections = {
            topic: writer.add_connection(f"{namespace}/{topic}", name, typestore=STORE) for topic, name in types.items()
        }
        for count, frame in enumerate(frames, start=1):
            stamp_ns = round(count * 1e9 / rate_hz)
            head = header(stamp_ns, frame_id)
            info = info_message(frame.camera, head)
            messages = {
                INFO_TOPIC: info,
                IMAGE_TOPIC: image_message(frame.image, "rgb8", head),
                DEPTH_INFO_TOPIC: info,
                DEPTH_TOPIC: image_message(frame.depth_m, "32FC1", head),
            }
            for topic, message in messages.items():
                writer.write(connections[topic], stamp_ns, STORE.serialize_cdr(message, types[topic]))
    return count
