"""Small bags whose every depth is known, written with `rosbags`, and engines whose every answer is known."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime
from rosbags.rosbag1 import Writer as Writer1
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from prv2_ros.messages.compressed_depth import compress_metres, compressed_format
from prv2_ros.types import DepthResult

STORE = get_typestore(Stores.ROS2_JAZZY)
STORE1 = get_typestore(Stores.ROS1_NOETIC)
STORE1.register(get_types_from_msg("geometry_msgs/TransformStamped[] transforms", "tf2_msgs/msg/TFMessage"))
WIDTH, HEIGHT, F_PX = 96, 64, 80.0
FIRST_NS = 1_700_000_000_000_000_000
PERIOD_NS = 100_000_000

_FOREVER = QosTime(9223372036, 854775807)
LATCHED = Qos(
    QosHistory.KEEP_LAST, 1, QosReliability.RELIABLE, QosDurability.TRANSIENT_LOCAL, _FOREVER, _FOREVER,
    QosLiveliness.AUTOMATIC, _FOREVER, False,
)  # fmt: skip

CAMERA_LIDAR = np.array([[0, -1, 0, 0.1], [0, 0, -1, 0.4], [1, 0, 0, -0.2], [0, 0, 0, 1.0]])
"""`T_camera_lidar` of the samples: x forward, y left, z up to z forward, x right, y down."""


def true_depth(frame: int) -> np.ndarray:
    """(H, W) metres from 2 to 60, smooth, another one for every frame."""
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    wave = np.sin(u / 17 + frame) + np.cos(v / 11 - frame / 2)
    return np.exp(np.log(2) + (wave + 2) / 4 * np.log(30)).astype(np.float32)


def picture(frame: int) -> np.ndarray:
    """(H, W, 3) RGB whose left half is as bright as the number of the frame says, JPEG or not."""
    pixels = np.full((HEIGHT, WIDTH, 3), 8 * frame + 4, np.uint8)
    pixels[:, WIDTH // 2 :] = np.random.default_rng(frame).integers(0, 255, (HEIGHT, WIDTH // 2, 3))
    return pixels


def frame_number(image_rgb: np.ndarray) -> int:
    """Number of the frame that `picture` drew."""
    return int(image_rgb[8:-8, 8 : WIDTH // 2 - 8].mean()) // 8


@dataclass
class Samples:
    """What a sample bag holds; the fields are what tests vary."""

    frames: int = 3
    cameras: Sequence[str] = ("/front",)
    truth: str = "depth"
    compressed_images: bool = False
    storage: str = "mcap"
    compression: str = "none"
    distortion: tuple[float, ...] = ()
    truth_delay_ns: int = 0
    late_ns: int = 0
    """The truth is recorded this much later than it is stamped."""
    with_info: bool = True
    with_tf: bool = True
    chunk_per_frame: bool = False
    """Of an mcap file, so that damage to one frame leaves the others."""
    store: Any = STORE

    def write(self, path: Path) -> Path:
        writer: Any
        if self.storage == "ros1":
            self.store = STORE1
            with Writer1(path) as writer:
                self._fill(writer, STORE1)
            return path
        writer = Writer(path, version=9, storage_plugin=StoragePlugin[self.storage.upper()])
        writer.set_compression(CompressionMode[self.compression.upper()], CompressionFormat.ZSTD)
        with writer:
            self._fill(writer, STORE)
        return path

    def _fill(self, writer: Any, store: Any) -> None:
        connections: dict[str, Any] = {}
        queue: list[tuple[int, str, Any]] = []
        if self.truth == "lidar" and self.with_tf:
            queue.append((FIRST_NS, "/tf_static", self._tf()))
        for frame in range(self.frames):
            stamp = FIRST_NS + frame * PERIOD_NS
            for camera in self.cameras:
                queue += [(stamp, *entry) for entry in self._camera(camera, frame, stamp)]
            if self.truth == "lidar":
                cloud = self._cloud(frame, stamp + self.truth_delay_ns)
                queue.append((stamp + self.late_ns, "/lidar/points", cloud))
        for recorded, topic, message in sorted(queue, key=lambda entry: entry[0]):
            kind = message.__msgtype__
            if topic not in connections:
                latched = {"offered_qos_profiles": [LATCHED]} if topic == "/tf_static" and store is STORE else {}
                connections[topic] = writer.add_connection(topic, kind, typestore=store, **latched)
            serialise = store.serialize_ros1 if self.storage == "ros1" else store.serialize_cdr
            writer.write(connections[topic], recorded, serialise(message, kind))
            if self.chunk_per_frame and self.storage == "mcap" and topic == "/lidar/points":
                writer.storage.close_chunk()

    def _camera(self, camera: str, frame: int, stamp: int) -> list[tuple[str, Any]]:
        optical = f"{camera.strip('/')}_optical"
        entries = []
        if self.with_info:
            entries.append((f"{camera}/camera_info", self.info(optical, stamp)))
        if self.compressed_images:
            done, data = cv2.imencode(".png", picture(frame)[..., ::-1])
            assert done
            header = self.header(optical, stamp)
            message = self.make("sensor_msgs/msg/CompressedImage", header=header, format="png", data=data.ravel())
            entries.append((f"{camera}/image_raw/compressed", message))
        else:
            entries.append((f"{camera}/image_raw", self.image(picture(frame), "rgb8", optical, stamp)))
        later = stamp + self.truth_delay_ns
        depth_m = true_depth(frame)
        if self.truth == "depth":
            entries.append((f"{camera}/depth/image_rect", self.image(depth_m, "32FC1", optical, later)))
        elif self.truth == "millimetres":
            depth_mm = np.rint(depth_m * 1000).astype(np.uint16)
            entries.append((f"{camera}/depth/image_rect", self.image(depth_mm, "16UC1", optical, later)))
        elif self.truth == "compressed":
            data = np.frombuffer(compress_metres(depth_m, 100.0), np.uint8)
            kind = compressed_format("32FC1")
            header = self.header(optical, later)
            message = self.make("sensor_msgs/msg/CompressedImage", header=header, format=kind, data=data)
            entries.append((f"{camera}/depth/image_rect/compressedDepth", message))
        elif self.truth == "disparity":
            entries.append((f"{camera}/disparity", self._disparity(depth_m, optical, later)))
        return entries

    def make(self, kind: str, **values: Any) -> Any:
        return self.store.types[kind](**values)

    def header(self, frame_id: str, stamp: int) -> Any:
        time = self.make("builtin_interfaces/msg/Time", sec=stamp // 10**9, nanosec=stamp % 10**9)
        sequence = {"seq": 0} if self.storage == "ros1" else {}
        return self.make("std_msgs/msg/Header", stamp=time, frame_id=frame_id, **sequence)

    def image(self, pixels: np.ndarray, encoding: str, frame_id: str, stamp: int) -> Any:
        data = np.ascontiguousarray(pixels)
        return self.make(
            "sensor_msgs/msg/Image",
            header=self.header(frame_id, stamp),
            height=data.shape[0],
            width=data.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=data.strides[0],
            data=data.reshape(-1).view(np.uint8),
        )

    def info(self, frame_id: str, stamp: int) -> Any:
        k = np.array([F_PX, 0, (WIDTH - 1) / 2, 0, F_PX, (HEIGHT - 1) / 2, 0, 0, 1.0])
        p = np.insert(k, (3, 6, 9), 0.0)
        names = "DKRP" if self.storage == "ros1" else "dkrp"
        numbers = (np.array(self.distortion or (0.0,) * 5), k, np.eye(3).ravel(), p)
        roi = self.make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
        return self.make(
            "sensor_msgs/msg/CameraInfo",
            header=self.header(frame_id, stamp),
            height=HEIGHT,
            width=WIDTH,
            distortion_model="plumb_bob",
            **dict(zip(names, numbers, strict=True)),
            binning_x=0,
            binning_y=0,
            roi=roi,
        )

    def _disparity(self, depth_m: np.ndarray, frame_id: str, stamp: int) -> Any:
        roi = self.make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
        return self.make(
            "stereo_msgs/msg/DisparityImage",
            header=self.header(frame_id, stamp),
            image=self.image((F_PX * 0.25 / depth_m).astype(np.float32), "32FC1", frame_id, stamp),
            f=F_PX,
            **{"T" if self.storage == "ros1" else "t": 0.25},
            valid_window=roi,
            min_disparity=0.0,
            max_disparity=64.0,
            delta_d=0.1,
        )

    def _cloud(self, frame: int, stamp: int) -> Any:
        """Every fourth pixel as a point in the frame of the LiDAR, and one behind the camera."""
        v, u = np.mgrid[0:HEIGHT:4, 0:WIDTH:4]
        z = true_depth(frame)[v, u].astype(np.float64)
        rays = [(u - (WIDTH - 1) / 2) / F_PX, (v - (HEIGHT - 1) / 2) / F_PX]
        camera_m = np.stack([rays[0] * z, rays[1] * z, z, np.ones_like(z)], -1).reshape(-1, 4)
        points = (camera_m @ np.linalg.inv(CAMERA_LIDAR).T)[:, :3]
        points = np.concatenate([points, [[-10.0, 0, 0]]]).astype(np.float32)
        fields = [
            self.make("sensor_msgs/msg/PointField", name=name, offset=4 * i, datatype=7, count=1)
            for i, name in enumerate("xyz")
        ]
        return self.make(
            "sensor_msgs/msg/PointCloud2",
            header=self.header("lidar", stamp),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=12,
            row_step=12 * len(points),
            data=points.reshape(-1).view(np.uint8),
            is_dense=True,
        )

    def _tf(self) -> Any:
        """Base -> lidar, and base -> each camera: the chain goes up and down again."""
        base_lidar = np.eye(4)
        base_lidar[:3, 3] = (1.0, 0.5, 2.0)
        stamped = [("base", "lidar", base_lidar)]
        base_camera = base_lidar @ np.linalg.inv(CAMERA_LIDAR)
        stamped += [("base", f"{camera.strip('/')}_optical", base_camera) for camera in self.cameras]
        transforms = []
        for parent, child, matrix in stamped:
            x, y, z, w = quaternion(matrix[:3, :3])
            transforms.append(
                self.make(
                    "geometry_msgs/msg/TransformStamped",
                    header=self.header(parent, FIRST_NS),
                    child_frame_id=child,
                    transform=self.make(
                        "geometry_msgs/msg/Transform",
                        translation=self.make(
                            "geometry_msgs/msg/Vector3", **dict(zip("xyz", matrix[:3, 3], strict=True))
                        ),
                        rotation=self.make("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w),
                    ),
                )
            )
        return self.make("tf2_msgs/msg/TFMessage", transforms=transforms)


def quaternion(rotation: np.ndarray) -> tuple[float, float, float, float]:
    """(x, y, z, w) of a rotation matrix, by its eigenvector of eigenvalue 1 and its angle."""
    vector, _ = cv2.Rodrigues(rotation)
    angle = float(np.linalg.norm(vector))
    axis = vector.ravel() / angle if angle > 0 else np.zeros(3)
    x, y, z = np.sin(angle / 2) * axis
    return float(x), float(y), float(z), float(np.cos(angle / 2))


class ScaledTruth:
    """Answers the truth of the frame it sees times 1.1, with a confidence of 0.9."""

    def __init__(self) -> None:
        self.calls = 0

    def infer(self, image_rgb: np.ndarray, camera: Any = None, **_options: bool) -> DepthResult:
        self.calls += 1
        depth_m = true_depth(frame_number(image_rgb)) * np.float32(1.1)
        sure = np.full(depth_m.shape, 0.9, np.float32)
        return DepthResult(depth_m=depth_m, coarse_depth_m=depth_m, confidence=sure, timings_ms={"total": 5.0})


class DiesOnce(ScaledTruth):
    """As ScaledTruth, but kills its process at one frame, once: the file named in PRV2_TEST_DIES_ONCE says so."""

    def infer(self, image_rgb: np.ndarray, camera: Any = None, **_options: bool) -> DepthResult:
        marker = Path(os.environ["PRV2_TEST_DIES_ONCE"])
        if frame_number(image_rgb) == 2 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().infer(image_rgb, camera)


class AlwaysDies(ScaledTruth):
    def infer(self, image_rgb: np.ndarray, camera: Any = None, **_options: bool) -> DepthResult:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def scaled_truth(model: Any, config: Any) -> ScaledTruth:
    return ScaledTruth()


def dies_once(model: Any, config: Any) -> ScaledTruth:
    return DiesOnce()


def always_dies(model: Any, config: Any) -> ScaledTruth:
    return AlwaysDies()


def refuses(model: Any, config: Any) -> ScaledTruth:
    raise AssertionError("a network was loaded")
