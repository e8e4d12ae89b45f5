"""The evaluated bags with depth, camera info, points and confidence added, for RViz or Foxglove.

For a camera X: `X/prv2/depth/image_rect` (32FC1, m), `X/prv2/depth/camera_info`, `X/prv2/points` (organised, coloured)
and, where the model gives it, `X/prv2/confidence` (32FC1, 0 to 1). Header stamps and frames are those of the image,
and so is the time of recording. Only the first model's predictions are written. What a bag has under these names, as
one that was written here before, they replace.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.evaluation.job import FrameReader, Job
from prv2_ros.evaluation.predictions import Prediction, PredictionCache
from prv2_ros.evaluation.streaming import StreamedFrame
from prv2_ros.files import BAG_VERSION, disk_full, is_full
from prv2_ros.geometry.pointcloud import depth_to_points, write_rgb
from prv2_ros.messages.bags import Bag, RawMessage
from prv2_ros.messages.camera_info import fill_camera_info
from prv2_ros.messages.view import View

_logger = logging.getLogger(__name__)

_TYPES = {
    "depth/image_rect": "sensor_msgs/msg/Image",
    "depth/camera_info": "sensor_msgs/msg/CameraInfo",
    "points": "sensor_msgs/msg/PointCloud2",
    "confidence": "sensor_msgs/msg/Image",
}
_POINT_STEP = 16


def check_targets(bags: Mapping[str, Path], output: Path) -> None:
    """See that no recording stands where an output bag is to be; to be called before anything is predicted.

    Args:
        bags: path of each bag by its name.
        output: folder of the output bags.

    Raises:
        InputError: a bag or folder that was not written here stands at OUTPUT/NAME_depth.

    """
    inputs = {path.resolve() for path in bags.values()}
    for name in bags:
        target = output / f"{name}_depth"
        if target.resolve() in inputs or (target.exists() and not _is_ours(target)):
            raise InputError(
                f"{target} is where --output-bag writes, and was not written by it: move it away, or name another -o"
            )


def _is_ours(target: Path) -> bool:
    try:
        with Bag(target) as bag:
            return any("/prv2/" in topic for topic in bag.topics())
    except InputError:
        return False


def write_output_bags(jobs: Sequence[Job], output: Path) -> list[Path]:
    """Write OUTPUT/NAME_depth (rosbag2, mcap with zstd) for every bag that gave frames, each whole or not at all.

    Raises:
        InputError: a ROS 1 bag, or one that cannot be read to its end.
        StorageError: the disk is full.

    """
    written = []
    for name in dict.fromkeys(job.bag for job in jobs):
        own = [job for job in jobs if job.bag == name]
        target = output / f"{name}_depth"
        staging = Path(tempfile.mkdtemp(prefix=f".{name}_depth.", dir=output))
        try:
            _write(own, staging / target.name)
            shutil.rmtree(target, ignore_errors=True)
            (staging / target.name).rename(target)
        except OSError as error:
            if is_full(error):
                raise disk_full(target) from error
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        written.append(target)
    return written


def _write(jobs: Sequence[Job], target: Path) -> None:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    from tqdm import tqdm

    with Bag(jobs[0].path) as bag:
        if not bag.is_ros2:
            raise InputError(f"bag {bag.path} is of ROS 1: convert it first (`rosbags-convert --src BAG --dst FOLDER`)")
        writer = Writer(target, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP)
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        with writer:
            ours = {_topic(job, name) for job in jobs for name in _TYPES}
            copied = {
                (c.topic, c.msgtype): writer.add_connection(
                    c.topic, c.msgtype, typestore=bag.typestore, offered_qos_profiles=c.ext.offered_qos_profiles
                )
                for c in _known(bag)
                if c.topic not in ours
            }
            cameras = {job.plan.image_topic: _CameraWriter(writer, job) for job in jobs}
            kept = {name: topic.count for name, topic in bag.topics().items() if name in {topic for topic, _ in copied}}
            messages = bag.messages(list(kept))
            told: dict[str, Any] = {"desc": f"writing {target.name}", "unit": "message", "disable": None}
            for raw in tqdm(messages, total=sum(kept.values()), **told):
                writer.write(copied[raw.topic, raw.msgtype], raw.bag_ns, raw.data)
                if raw.topic in cameras:
                    cameras[raw.topic].write(bag, raw)


def _topic(job: Job, name: str) -> str:
    """Topic of one of `_TYPES` for a job's camera."""
    return f"{job.plan.name.rstrip('/')}/prv2/{name}"


def _known(bag: Bag) -> list[Any]:
    """Connections that can be copied: Humble's sqlite3 bags do not say what a message type of the user's holds."""
    found = list(_unique(bag.connections))
    for connection in found:
        if connection.msgtype not in bag.typestore.fielddefs:
            _logger.warning(
                "%s: topic %s is left out of the copy, as the bag does not say what a %s holds",
                bag.path, connection.topic, connection.msgtype,
            )  # fmt: skip
    return [connection for connection in found if connection.msgtype in bag.typestore.fielddefs]


def _unique(connections: Sequence[Any]) -> Iterator[Any]:
    """One connection for each topic and type: publishers of one topic may differ in QoS alone."""
    seen = set()
    for connection in connections:
        if (connection.topic, connection.msgtype) not in seen:
            seen.add((connection.topic, connection.msgtype))
            yield connection


class _CameraWriter:
    """Adds the messages of one camera."""

    def __init__(self, writer: Any, job: Job) -> None:
        from rosbags.typesys import Stores, get_typestore

        self._writer, self._job = writer, job
        self._store = get_typestore(Stores.ROS2_HUMBLE)
        self._reader = FrameReader(job.plan, job.config)
        self._cache = PredictionCache(job.cache)
        self._frames = {(frame.stamp_ns, frame.image_ns): frame for frame in job.plan.frames}
        self._connections: dict[str, Any] = {}

    def write(self, bag: Bag, raw: RawMessage) -> None:
        stamp_ns = bag.stamp_ns(raw) if self._job.config.stamps == "header" else raw.bag_ns
        planned = self._frames.get((stamp_ns, raw.bag_ns))
        if planned is None:
            return
        frame = StreamedFrame(planned=planned, image=raw, truth=None)
        with suppress(InputError):  # a frame that could not be scored is in the report; its image is copied alone
            prediction = self._cache.load(self._job.models[0], self._reader.fingerprint(frame))
            if prediction is not None:
                image, view = self._reader.image(bag, frame)
                self._add(bag.message(raw).header, raw.bag_ns, prediction, image, view)

    def _add(self, header: Any, bag_ns: int, prediction: Prediction, image: NDArray[np.uint8], view: View) -> None:
        self._put("depth/image_rect", bag_ns, self._image(header, prediction.depth_m))
        self._put("depth/camera_info", bag_ns, self._info(header, view))
        self._put("points", bag_ns, self._cloud(header, prediction.depth_m, image, view))
        if prediction.confidence is not None:
            self._put("confidence", bag_ns, self._image(header, prediction.confidence))

    def _put(self, topic: str, bag_ns: int, message: Any) -> None:
        name = _topic(self._job, topic)
        if name not in self._connections:
            self._connections[name] = self._writer.add_connection(name, _TYPES[topic], typestore=self._store)
        self._writer.write(self._connections[name], bag_ns, self._store.serialize_cdr(message, _TYPES[topic]))

    def _make(self, name: str, /, **values: Any) -> Any:
        return self._store.types[name](**values)

    def _header(self, header: Any) -> Any:
        stamp = self._make("builtin_interfaces/msg/Time", sec=header.stamp.sec, nanosec=header.stamp.nanosec)
        return self._make("std_msgs/msg/Header", stamp=stamp, frame_id=header.frame_id)

    def _image(self, header: Any, values: NDArray[np.float32]) -> Any:
        height, width = values.shape
        return self._make(
            "sensor_msgs/msg/Image",
            header=self._header(header),
            height=height,
            width=width,
            encoding="32FC1",
            is_bigendian=0,
            step=4 * width,
            data=np.ascontiguousarray(values, "<f4").view(np.uint8).ravel(),
        )

    def _info(self, header: Any, view: View) -> Any:
        told = SimpleNamespace()
        fill_camera_info(told, view.camera, view.width, view.height, view.tx)
        roi = self._make(
            "sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        )
        return self._make(
            "sensor_msgs/msg/CameraInfo",
            header=self._header(header),
            height=told.height,
            width=told.width,
            distortion_model=told.distortion_model,
            **{name: np.asarray(getattr(told, name), np.float64) for name in "dkrp"},
            binning_x=0,
            binning_y=0,
            roi=roi,
        )

    def _cloud(self, header: Any, depth_m: NDArray[np.float32], image: NDArray[np.uint8], view: View) -> Any:
        stride = self._job.config.points_stride
        rays = view.rays(stride)
        rows, columns = rays.shape[:2]
        table = np.zeros((rows, columns, 4), np.float32)
        depth_to_points(depth_m, view.camera, stride=stride, max_m=math.inf, rays=rays, out=table[..., :3])
        write_rgb(image, stride, table.view(np.uint32)[..., 3])
        fields = [
            self._make("sensor_msgs/msg/PointField", name=name, offset=4 * i, datatype=7, count=1)
            for i, name in enumerate(("x", "y", "z", "rgb"))
        ]
        return self._make(
            "sensor_msgs/msg/PointCloud2",
            header=self._header(header),
            height=rows,
            width=columns,
            fields=fields,
            is_bigendian=False,
            point_step=_POINT_STEP,
            row_step=_POINT_STEP * columns,
            data=table.view(np.uint8).ravel(),
            is_dense=False,
        )
