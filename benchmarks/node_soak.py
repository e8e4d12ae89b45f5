"""Five minutes of 30 Hz input while inference takes a second: latency, drops and memory of the node.

    python benchmarks/node_soak.py --minutes 5 --delay-s 1

The node runs in this process with an engine that only waits; a second process publishes. Prints a line every ten
seconds and exits with 1 where a published frame was older than two inference times, memory grew by more than
--growth-mib after the first tenth of the run, or the counts do not add up.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import subprocess
import sys
import threading
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from prv2_ros.memory import keep_freed_memory
from prv2_ros.ros.diagnostics import device_memory_mib
from prv2_ros.ros.node import DepthNode
from prv2_ros.ros.qos import publish_asynchronously, reliable_output, sensor_input
from prv2_ros.types import DepthResult


class WaitingEngine:
    """Depth of two metres everywhere, after a delay."""

    device = "cpu"
    model_name = "waiting"

    def __init__(self, delay_s: float) -> None:
        self._delay_s = delay_s

    def infer(self, image_rgb: np.ndarray, camera: Any, **options: Any) -> DepthResult:
        time.sleep(self._delay_s)
        depth = np.full(image_rgb.shape[:2], 2.0, np.float32)
        return DepthResult(depth_m=depth, coarse_depth_m=depth)


def publish(width: int, height: int, rate_hz: float) -> None:
    """The other process: images at a rate, stamped when sent, until it is ended."""
    rclpy.init()
    node = Node("soak_camera")
    publisher = node.create_publisher(Image, "image_raw", sensor_input())
    message = Image(height=height, width=width, encoding="bgr8", step=width * 3)
    message.data.frombytes(bytes(height * width * 3))
    start, sent = time.monotonic(), 0
    while rclpy.ok():
        message.header.stamp = node.get_clock().now().to_msg()
        publisher.publish(message)
        sent += 1
        time.sleep(max(0.0, start + sent / rate_hz - time.monotonic()))


def spin(executor: SingleThreadedExecutor) -> None:
    with contextlib.suppress(ExternalShutdownException):
        executor.spin()


def watch(node: DepthNode, ages_s: list[float], options: argparse.Namespace) -> tuple[float, float]:
    """Print until the time is up; return memory after the first tenth and at the end (MiB)."""
    end, settle = time.monotonic() + options.minutes * 60, time.monotonic() + options.minutes * 6
    first = 0.0
    while time.monotonic() < end:
        time.sleep(min(10.0, max(0.1, end - time.monotonic())))
        memory = device_memory_mib("cpu")
        if not first and time.monotonic() >= settle:
            first = memory
        counts = node.statistics.snapshot().counts
        print(
            f"in {counts.received}  out {counts.published}  dropped {counts.dropped}  errors {counts.errors}  "
            f"memory {memory:.0f} MiB  worst age {max(ages_s, default=0):.2f} s",
            flush=True,
        )
    return first, device_memory_mib("cpu")


def verdict(node: DepthNode, ages_s: list[float], memory: tuple[float, float], options: argparse.Namespace) -> int:
    """Print the figures and return the exit code."""
    counts = node.statistics.snapshot().counts
    settled = counts.published + counts.dropped + counts.skipped + counts.errors
    growth = memory[1] - memory[0]
    worst_s = max(ages_s, default=math.inf)
    median_s = float(np.median(ages_s)) if ages_s else math.nan
    checks = {
        f"worst age {worst_s:.2f} s below {2 * options.delay_s:g} s": worst_s < 2 * options.delay_s,
        f"memory grew by {growth:.1f} MiB, limit {options.growth_mib:g}": growth <= options.growth_mib,
        f"in {counts.received} = out + dropped + skipped + errors {settled}": counts.received == settled,
        f"median age {median_s:.2f} s over {len(ages_s)} frames": len(ages_s) > 0,
    }
    for text, passed in checks.items():
        print(f"{'ok  ' if passed else 'FAIL'} {text}")
    return int(not all(checks.values()))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--delay-s", type=float, default=1.0)
    parser.add_argument("--rate-hz", type=float, default=30.0)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--growth-mib", type=float, default=20.0)
    parser.add_argument("--publish", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(101 + os.getpid() % 100))
    publish_asynchronously()
    keep_freed_memory()
    if options.publish:
        publish(options.width, options.height, options.rate_hz)
        return 0
    rclpy.init()
    parameters = [Parameter("camera_info_wait_s", value=0.0)]
    node = DepthNode(lambda settings: WaitingEngine(options.delay_s), parameter_overrides=parameters)
    ages_s: list[float] = []

    def received(message: Image) -> None:
        stamp = message.header.stamp
        ages_s.append(time.time() - stamp.sec - stamp.nanosec * 1e-9)

    listener = Node("soak_listener")
    listener.create_subscription(Image, "depth/image_rect", received, reliable_output())
    executors = [SingleThreadedExecutor(), SingleThreadedExecutor()]
    threads = [threading.Thread(target=spin, args=(executor,), daemon=True) for executor in executors]
    for executor, each, thread in zip(executors, (node, listener), threads, strict=True):
        executor.add_node(each)
        thread.start()
    size = ["--width", str(options.width), "--height", str(options.height), "--rate-hz", str(options.rate_hz)]
    camera = subprocess.Popen([sys.executable, __file__, "--publish", *size])
    try:
        memory = watch(node, ages_s, options)
    finally:
        camera.kill()
        camera.wait()
    time.sleep(3 * options.delay_s + 1)
    code = verdict(node, ages_s, memory, options)
    for executor, thread in zip(executors, threads, strict=True):
        executor.shutdown()
        thread.join(10)  # the interpreter must not end around it
    node.destroy_node()
    listener.destroy_node()
    rclpy.shutdown()
    return code


if __name__ == "__main__":
    sys.exit(main())
