"""Time of everything the node does except inference, per stage, beside a plain implementation of the same steps.

    python benchmarks/node_overhead.py                  # 1920x1080, 100 frames, default Fast DDS transports
    python benchmarks/node_overhead.py --large-data     # with config/fastdds_large_data.xml
    python benchmarks/node_overhead.py --return-memory  # without what the node asks of the C library

A second process subscribes to the outputs, so publishing is to a live reader. Stages of both implementations are
interleaved frame by frame; medians in milliseconds of wall time, and of CPU time of this process, which tells
how far other load on the machine went into the wall time. Exit code 1 where the total exceeds --limit-ms.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import torch
from node_overhead_plain import plain_array, plain_cloud, plain_depth
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.memory import keep_freed_memory
from prv2_ros.messages.camera_info import fill_camera_info
from prv2_ros.messages.view import View
from prv2_ros.ros.conversions import check_image, image_to_rgb
from prv2_ros.ros.outputs import CloudWriter, DepthWriter
from prv2_ros.ros.parameters import Settings, resolve
from prv2_ros.ros.qos import publish_asynchronously, reliable_output

ROOT = Path(__file__).resolve().parent.parent
TOPICS = {"depth/image_rect": Image, "depth/camera_info": CameraInfo, "points": PointCloud2}


class Stopwatch:
    """Wall and CPU milliseconds by stage."""

    def __init__(self) -> None:
        self.wall: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}

    def run(self, stage: str, work: Callable[[], Any]) -> Any:
        cpu, wall = time.process_time(), time.perf_counter()
        result = work()
        self.wall.setdefault(stage, []).append((time.perf_counter() - wall) * 1e3)
        self.cpu.setdefault(stage, []).append((time.process_time() - cpu) * 1e3)
        return result


def scene(width: int, height: int, encoding: str) -> tuple[Image, np.ndarray, Any]:
    """An image message, the depth an engine might give for it (sky at the top is NaN), and its camera info."""
    rng = np.random.default_rng(0)
    pixels = cv2.resize(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8), (width, height))
    depth_m = cv2.resize(rng.uniform(1, 120, (20, 30)).astype(np.float32), (width, height))
    depth_m[: height // 6] = np.nan
    message = Image(height=height, width=width, encoding=encoding, step=width * 3)
    message.data.frombytes(pixels.tobytes())
    message.header.frame_id = "camera_optical_frame"
    info = CameraInfo()
    fill_camera_info(info, CameraModel.from_fov(width, height, 70.0), width, height)
    return message, depth_m, info


def node_frame(watch: Stopwatch, parts: tuple[Any, ...], outputs: dict[str, Any]) -> None:
    """One frame with the node's own parts."""
    message, depth_m, view, settings, depth_writer, cloud_writer, info = parts

    def to_tensor() -> np.ndarray:
        check_image(message)
        rgb = np.ascontiguousarray(view.rectified(image_to_rgb(message)))
        torch.from_numpy(rgb)
        return rgb

    rgb = watch.run("message to tensor", to_tensor)
    limits = {"min_m": settings.min_depth_m, "max_m": settings.max_depth_m, "far_value": settings.far_value}
    depth = watch.run(
        "depth to message",
        lambda: depth_writer.write(view.mask_outside(depth_m), message.header, encoding="32FC1", **limits),
    )
    stride = settings.points_stride
    cloud = watch.run(
        "cloud to message",
        lambda: cloud_writer.write(
            depth_m,
            rgb,
            view.camera,
            message.header,
            rays=view.rays(stride),
            stride=stride,
            min_m=settings.points_min_m,
            max_m=settings.points_max_m,
            far_value=settings.points_far_value,
        ),
    )

    def publish() -> None:
        fill_camera_info(info, view.camera, view.width, view.height)
        outputs["depth/camera_info"].publish(info)
        outputs["depth/image_rect"].publish(depth)
        outputs["points"].publish(cloud)

    watch.run("publish", publish)


def plain_frame(watch: Stopwatch, parts: tuple[Any, ...], outputs: dict[str, Any]) -> None:
    """The same frame written straightforwardly."""
    message, depth_m, view, settings, *_ = parts
    rgb = watch.run("message to tensor", lambda: plain_array(message))
    limits = (settings.min_depth_m, settings.max_depth_m)
    depth = watch.run("depth to message", lambda: plain_depth(depth_m, message.header, *limits))
    limits = (settings.points_min_m, settings.points_max_m)
    cloud = watch.run(
        "cloud to message",
        lambda: plain_cloud(depth_m, rgb, view.camera, message.header, settings.points_stride, *limits),
    )

    def publish() -> None:
        info = CameraInfo()
        fill_camera_info(info, view.camera, view.width, view.height)
        outputs["depth/camera_info"].publish(info)
        outputs["depth/image_rect"].publish(depth)
        outputs["points"].publish(cloud)

    watch.run("publish", publish)


def listen() -> None:
    """The subscribing process: takes what comes until its parent ends it."""
    rclpy.init()
    node = Node("overhead_listener")
    for topic, kind in TOPICS.items():
        node.create_subscription(kind, topic, lambda message: None, reliable_output())
    with contextlib.suppress(ExternalShutdownException, KeyboardInterrupt):
        rclpy.spin(node)


def report(node: Stopwatch, plain: Stopwatch, title: str) -> float:
    """Print the table and return the node's total median (ms)."""
    print(title)
    print(f"{'stage':<20}{'node':>9}{'plain':>9}{'ratio':>8}{'node CPU':>11}{'plain CPU':>11}   (median ms)")
    rows = {stage: [np.median(w[stage]) for w in (node.wall, plain.wall, node.cpu, plain.cpu)] for stage in node.wall}
    # The total's median is of whole frames, not the sum of medians.
    rows["total"] = [np.median(np.sum(list(w.values()), 0)) for w in (node.wall, plain.wall, node.cpu, plain.cpu)]
    for stage, (ours, theirs, our_cpu, their_cpu) in rows.items():
        print(f"{stage:<20}{ours:>9.2f}{theirs:>9.2f}{theirs / ours:>7.1f}x{our_cpu:>11.2f}{their_cpu:>11.2f}")
    return float(rows["total"][0])


def measure(options: argparse.Namespace, settings: Settings) -> float:
    """Run the frames and print the table."""
    message, depth_m, info = scene(options.width, options.height, options.encoding)
    view = View(info, options.width, options.height, settings)
    parts = (message, depth_m, view, settings, DepthWriter(), CloudWriter(), CameraInfo())
    publish_asynchronously()
    if not options.return_memory:
        keep_freed_memory()
    rclpy.init()
    node = Node("overhead")
    outputs = {topic: node.create_publisher(kind, topic, reliable_output()) for topic, kind in TOPICS.items()}
    listener = subprocess.Popen([sys.executable, __file__, "--listen"])
    try:
        while not all(output.get_subscription_count() for output in outputs.values()):
            time.sleep(0.1)
        watches = Stopwatch(), Stopwatch()
        for index in range(options.frames + 5):
            if index == 5:  # the first frames make buffers and wake the listener up
                watches = Stopwatch(), Stopwatch()
            for frame, watch in zip((node_frame, plain_frame), watches, strict=True):
                frame(watch, parts, outputs)
                time.sleep(0.03)  # the reader must keep up, or its backlog is measured
    finally:
        listener.terminate()
        listener.wait()
        node.destroy_node()
        rclpy.shutdown()
    load = os.getloadavg()[0]
    size = f"{options.width}x{options.height} {options.encoding}, {options.frames} frames"
    return report(
        *watches, f"{size}, points.stride {settings.points_stride}, load {load:.1f} of {os.cpu_count()} cores"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--encoding", default="bgr8", choices=("bgr8", "rgb8"))
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--stride", type=int, default=None, help="points.stride; the default of the parameter table")
    parser.add_argument("--large-data", action="store_true", help="use config/fastdds_large_data.xml")
    parser.add_argument("--return-memory", action="store_true", help="leave glibc's handling of freed memory as it is")
    parser.add_argument("--limit-ms", type=float, default=25.0)
    parser.add_argument("--listen", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.listen:
        listen()
        return 0
    os.environ.setdefault("ROS_DOMAIN_ID", str(101 + os.getpid() % 100))
    if options.large_data:
        os.environ["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(ROOT / "config" / "fastdds_large_data.xml")
    total_ms = measure(options, resolve({} if options.stride is None else {"points.stride": options.stride}))
    verdict = "within" if total_ms <= options.limit_ms else "ABOVE"
    print(f"total {total_ms:.1f} ms, {verdict} the limit of {options.limit_ms:g} ms")
    return int(total_ms > options.limit_ms)


if __name__ == "__main__":
    sys.exit(main())
