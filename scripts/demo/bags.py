"""The demo's bags (mcap): frames with truth that are played to the node, and its answers as they were received."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import Reader, StoragePlugin, Writer

from prv2_ros.data import bags
from prv2_ros.data.bags import STORE
from prv2_ros.evaluation.frames import TruthFrame
from prv2_ros.files import BAG_VERSION
from prv2_ros.geometry.camera import CameraModel

NAMESPACE = "/demo"
NODE_NAME = f"{NAMESPACE}/depth_node"
IMAGE_TOPIC = f"{NAMESPACE}/image_raw"
INFO_TOPIC = f"{NAMESPACE}/camera_info"
TRUTH_TOPIC = f"{NAMESPACE}/depth_truth"
DEPTH_TOPIC = f"{NAMESPACE}/depth/image_rect"
DEPTH_INFO_TOPIC = f"{NAMESPACE}/depth/camera_info"
POINTS_TOPIC = f"{NAMESPACE}/points"
DIAGNOSTICS_TOPIC = "/diagnostics"
ANSWER_TOPICS = {
    DEPTH_TOPIC: "sensor_msgs/msg/Image",
    DEPTH_INFO_TOPIC: "sensor_msgs/msg/CameraInfo",
    POINTS_TOPIC: "sensor_msgs/msg/PointCloud2",
    DIAGNOSTICS_TOPIC: "diagnostic_msgs/msg/DiagnosticArray",
}
FRAME_ID = "demo_optical_frame"
FRAME_RATE_HZ = 10.0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the node published for one frame; a part that did not arrive is None."""

    stamp_ns: int
    depth: Any = None
    info: Any = None
    points: Any = None


def header(stamp_ns: int, frame_id: str = FRAME_ID) -> Any:
    """Build a std_msgs/Header for rosbags' serialisation."""
    return bags.header(stamp_ns, frame_id)


def stamp_ns(message: Any) -> int:
    """Header stamp of a message (ns)."""
    return int(message.header.stamp.sec) * 10**9 + int(message.header.stamp.nanosec)


def image_message(pixels: NDArray[Any], encoding: str, stamp: int) -> Any:
    """Build a sensor_msgs/Image of (H, W) or (H, W, C) pixels."""
    return bags.image_message(pixels, encoding, header(stamp))


def info_message(camera: CameraModel, stamp: int) -> Any:
    """Build the sensor_msgs/CameraInfo of a camera without distortion."""
    return bags.info_message(camera, header(stamp))


def write_input_bag(path: Path, frames: Iterable[TruthFrame]) -> int:
    """Write image_raw, camera_info and the true depth (32FC1) of frames at 10 Hz to a new bag; return their number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count = 0
    with Writer(path, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP) as writer:
        image_type, info_type = "sensor_msgs/msg/Image", "sensor_msgs/msg/CameraInfo"
        connections = {
            topic: writer.add_connection(topic, name, typestore=STORE)
            for topic, name in ((IMAGE_TOPIC, image_type), (INFO_TOPIC, info_type), (TRUTH_TOPIC, image_type))
        }
        for count, frame in enumerate(frames, start=1):
            stamp = round(count * 1e9 / FRAME_RATE_HZ)
            messages = {
                INFO_TOPIC: info_message(frame.camera, stamp),
                IMAGE_TOPIC: image_message(frame.image, "rgb8", stamp),
                TRUTH_TOPIC: image_message(frame.truth_m, "32FC1", stamp),
            }
            for topic, message in messages.items():
                writer.write(connections[topic], stamp, STORE.serialize_cdr(message, message.__msgtype__))
    return count


def raw_inputs(path: Path) -> list[tuple[bytes, bytes]]:
    """Serialised (camera_info, image) of every frame of an input bag, in order."""
    with Reader(path) as reader:
        raw: dict[str, list[bytes]] = {INFO_TOPIC: [], IMAGE_TOPIC: []}
        for connection, _, data in reader.messages():
            if connection.topic in raw:
                raw[connection.topic].append(bytes(data))
    return list(zip(raw[INFO_TOPIC], raw[IMAGE_TOPIC], strict=True))


def input_frames(path: Path) -> Iterator[TruthFrame]:
    """Frames of an input bag as they went in."""
    parts: dict[str, Any] = {}
    with Reader(path) as reader:
        for index, (connection, _, data) in enumerate(reader.messages()):
            parts[connection.topic] = STORE.deserialize_cdr(data, connection.msgtype)
            if len(parts) < 3:
                continue
            info = parts[INFO_TOPIC]
            yield TruthFrame(
                name=str(index // 3),
                kind=path.name,
                image=pixels_of(parts[IMAGE_TOPIC]),
                truth_m=pixels_of(parts[TRUTH_TOPIC]),
                camera=camera_of(info),
            )
            parts = {}


def camera_of(info: Any) -> CameraModel:
    """Camera of a rectified CameraInfo."""
    k = [float(v) for v in info.k]
    return CameraModel(width=int(info.width), height=int(info.height), fx=k[0], fy=k[4], cx=k[2], cy=k[5])


def pixels_of(image: Any) -> NDArray[Any]:
    """Pixels of an rgb8 or 32FC1 image message."""
    dtype, shape = {
        "rgb8": (np.uint8, (image.height, image.width, 3)),
        "32FC1": (np.float32, (image.height, image.width)),
    }[image.encoding]
    return np.asarray(image.data).view(dtype).reshape(shape)


def points_of(cloud: Any) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Organised cloud: (H', W', 3) x, y, z in metres and (H', W', 3) RGB colours."""
    offsets = {field.name: field.offset for field in cloud.fields}
    table = np.asarray(cloud.data).reshape(cloud.height, cloud.width, cloud.point_step)

    def column(name: str, dtype: str) -> NDArray[Any]:
        start = offsets[name]
        return np.ascontiguousarray(table[..., start : start + 4]).view(dtype)[..., 0]

    xyz = np.stack([column(axis, "<f4") for axis in "xyz"], -1)
    packed = column("rgb", "<u4")
    rgb = np.stack([(packed >> shift) & 255 for shift in (16, 8, 0)], -1).astype(np.uint8)
    return xyz, rgb


def read_answers(path: Path) -> tuple[dict[int, Answer], list[Any]]:
    """Answers by stamp (ns), and the diagnostics messages in order."""
    parts: dict[int, dict[str, Any]] = {}
    diagnostics: list[Any] = []
    names = {DEPTH_TOPIC: "depth", DEPTH_INFO_TOPIC: "info", POINTS_TOPIC: "points"}
    with Reader(path) as reader:
        for connection, _, data in reader.messages():
            message = STORE.deserialize_cdr(data, connection.msgtype)
            if connection.topic == DIAGNOSTICS_TOPIC:
                diagnostics.append(message)
            else:
                parts.setdefault(stamp_ns(message), {})[names[connection.topic]] = message
    return {stamp: Answer(stamp_ns=stamp, **found) for stamp, found in sorted(parts.items())}, diagnostics
