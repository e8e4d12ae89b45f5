"""Several cameras on one machine: memory and rate of one process that shares its model, beside a process a camera.

    python benchmarks/node_cameras.py --cameras 3 --seconds 20

Publishes pictures to every camera and counts the depth images that come back, with the packaged weights on `--device`.
Memory is the resident set that is the processes' own (PSS: pages that they share count once), on CUDA also what the
device reports as taken.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from prv2_ros.ros.qos import reliable_output, sensor_input


@dataclass
class Count:
    """Depth images that came back, by camera."""

    frames: dict[str, int] = field(default_factory=dict)

    def keeper(self, camera: str) -> Any:
        self.frames[camera] = 0

        def keep(message: Image) -> None:
            self.frames[camera] += 1

        return keep


def picture(width: int, height: int) -> Image:
    message = Image(height=height, width=width, encoding="rgb8", step=width * 3)
    message.data.frombytes(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8).tobytes())
    return message


def memory_mib(processes: list[subprocess.Popen[bytes]]) -> float:
    """Proportional set size of the processes (MiB)."""
    rows = [Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines() for process in processes]
    return sum(int(row.split()[1]) for lines in rows for row in lines if row.startswith("Pss:")) / 1024


def device_mib(device: str) -> float | None:
    """What is taken of the CUDA device, by anybody (MiB); None on a CPU."""
    if not device.startswith("cuda"):
        return None
    asked = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    return float(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()[0])


def measure(commands: list[list[str]], cameras: list[str], options: argparse.Namespace) -> tuple[float, str, float]:
    """Run the nodes; return their memory (MiB), that of the device and the frames a second of all cameras."""
    before = device_mib(options.device)
    processes = [subprocess.Popen(command) for command in commands]
    node, count = Node("cameras"), Count()
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    publishers = [node.create_publisher(Image, f"{camera}/image_raw", sensor_input()) for camera in cameras]
    for camera in cameras:
        node.create_subscription(Image, f"{camera}/depth/image_rect", count.keeper(camera), reliable_output())
    message = picture(options.width, options.height)

    def publish_until(done: Any, limit_s: float) -> None:
        end = time.monotonic() + limit_s
        while not done() and time.monotonic() < end:
            for publisher in publishers:
                message.header.stamp = node.get_clock().now().to_msg()
                publisher.publish(message)
            time.sleep(1 / options.rate_hz)

    try:
        publish_until(lambda: min(count.frames.values()) >= 3, 240.0)
        if min(count.frames.values()) < 3:
            raise SystemExit(f"no depth of every camera within 240 s: {count.frames}")
        start, first = time.monotonic(), sum(count.frames.values())
        publish_until(lambda: False, options.seconds)
        rate = (sum(count.frames.values()) - first) / (time.monotonic() - start)
        after = device_mib(options.device)
        on_device = "" if before is None or after is None else f", {after - before:.0f} MiB of the device"
        return memory_mib(processes), on_device, rate
    finally:
        for process in processes:
            process.send_signal(signal.SIGINT)
        for process in processes:
            process.wait(60)
        executor.shutdown()
        spinning.join(10)  # the interpreter must not end around it
        node.destroy_node()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate-hz", type=float, default=10.0)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=480)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    os.environ.setdefault("ROS_DOMAIN_ID", str(101 + os.getpid() % 100))
    cameras = [f"/camera{n}" for n in range(options.cameras)]
    node = [sys.executable, "-m", "prv2_ros.ros.main"]
    told = ["--ros-args", "--log-level", "error", "-p", f"device:={options.device}"]
    ways = {
        "one process": [[*node, *cameras, *told]],
        f"{options.cameras} processes": [[*node, camera, *told] for camera in cameras],
    }
    rclpy.init()
    found = {}
    for name, commands in ways.items():
        memory, on_device, rate = measure(commands, cameras, options)
        found[name] = (memory, rate)
        print(f"{name}: {memory:.0f} MiB{on_device}, {rate:.2f} frames a second in all", flush=True)
    (shared, quick), (apart, slow) = found.values()
    print(f"shared: {shared / apart:.2f} times the memory, {quick / slow:.2f} times the rate")
    rclpy.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
