"""Plays the input bags to a running node over DDS and records what comes back in a new bag; runs as its own process.

    python -m demo.exchange PHOTO_BAG DRIVE_BAG ANSWERS_BAG LOG_JSON --seconds 20

Messages go out and come in serialised, so that this process costs the node little of the machine. Stamps are
the wall-clock time of publishing; latency is the time of receiving less the stamp, both taken here, and so
holds both transfers. Exit code 1 and one line on stderr where the node does not answer in time.
"""

from __future__ import annotations

import argparse
import json
import os
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, QoSReliabilityPolicy
from rosbags.rosbag2 import StoragePlugin, Writer
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from tqdm import tqdm

from demo import bags
from prv2_ros.files import BAG_VERSION

_STAMP_BYTES = slice(4, 12)
"""Where a serialised message that starts with a Header keeps its stamp: after CDR's four bytes."""

RELIABLE = QoSProfile(depth=5, reliability=QoSReliabilityPolicy.RELIABLE)


class NoAnswer(Exception):
    """The node did not do in time what was waited for."""


class Exchange(Node):  # type: ignore[misc]
    """Publishes frames and writes every answer to a bag as its bytes arrive."""

    def __init__(self, writer: Writer) -> None:
        super().__init__("demo_exchange")
        self._writer = writer
        self.sent: list[dict[str, Any]] = []
        self.received: list[dict[str, Any]] = []
        self._image_out = self.create_publisher(Image, bags.IMAGE_TOPIC, RELIABLE)
        self._info_out = self.create_publisher(CameraInfo, bags.INFO_TOPIC, RELIABLE)
        classes = {
            "sensor_msgs/msg/Image": Image,
            "sensor_msgs/msg/CameraInfo": CameraInfo,
            "sensor_msgs/msg/PointCloud2": PointCloud2,
            "diagnostic_msgs/msg/DiagnosticArray": DiagnosticArray,
        }
        for topic, name in bags.ANSWER_TOPICS.items():
            connection = writer.add_connection(topic, name, typestore=bags.STORE)
            self.create_subscription(classes[name], topic, self._recorder(topic, connection), RELIABLE, raw=True)

    def _recorder(self, topic: str, connection: Any) -> Callable[[bytes], None]:
        def record(data: bytes) -> None:
            now_ns = time.time_ns()
            self._writer.write(connection, now_ns, data)
            seconds, nanoseconds = struct.unpack("<iI", data[_STAMP_BYTES])
            stamp = seconds * 10**9 + nanoseconds
            self.received.append({"topic": topic, "stamp_ns": stamp, "received_ns": now_ns})

        return record

    def send(self, bag: str, index: int, frame: tuple[bytes, bytes]) -> int:
        """Publish camera info and image with the present time as stamp; return the stamp (ns)."""
        stamp = time.time_ns()
        packed = struct.pack("<iI", stamp // 10**9, stamp % 10**9)
        for publisher, data in zip((self._info_out, self._image_out), frame, strict=True):
            message = bytearray(data)
            message[_STAMP_BYTES] = packed
            publisher.publish(bytes(message))
        self.sent.append({"bag": bag, "index": index, "stamp_ns": stamp})
        return stamp

    def is_connected(self) -> bool:
        """True once the node subscribes to the images and publishes depth and points."""
        outputs = (bags.DEPTH_TOPIC, bags.POINTS_TOPIC)
        return self._image_out.get_subscription_count() > 0 and all(self.count_publishers(t) for t in outputs)

    def answered(self, stamps: set[int]) -> bool:
        """True once depth and points of one of the stamps have arrived."""
        got = {
            topic: {row["stamp_ns"] for row in self.received if row["topic"] == topic}
            for topic in (bags.DEPTH_TOPIC, bags.POINTS_TOPIC)
        }
        return bool(stamps & got[bags.DEPTH_TOPIC] & got[bags.POINTS_TOPIC])

    def spin_until(self, done: Callable[[], bool], timeout_s: float, waiting_for: str) -> None:
        """Serve callbacks until something is so.

        Raises:
            NoAnswer: it is not so after `timeout_s`.

        """
        deadline = time.monotonic() + timeout_s
        while not done():
            if time.monotonic() > deadline:
                raise NoAnswer(f"no {waiting_for} within {timeout_s:.0f} s")
            rclpy.spin_once(self, timeout_sec=0.05)


def play_photo(node: Exchange, path: Path, timeout_s: float) -> None:
    """Send the photograph, again every few seconds, until it is answered."""
    frame = bags.raw_inputs(path)[0]
    stamps: set[int] = set()
    next_s, deadline = 0.0, time.monotonic() + timeout_s
    while not node.answered(stamps):
        if time.monotonic() > deadline:
            raise NoAnswer(f"no depth and points for the photograph within {timeout_s:.0f} s")
        if time.monotonic() > next_s:
            stamps.add(node.send("photo", 0, frame))
            next_s = time.monotonic() + 10.0
        rclpy.spin_once(node, timeout_sec=0.02)


def play_drive(node: Exchange, path: Path, seconds: float, timeout_s: float) -> None:
    """Play the drive to and fro at its 10 Hz for a while, then wait for the answer to the last frame."""
    frames = bags.raw_inputs(path)
    there_and_back = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    total = max(1, round(seconds * bags.FRAME_RATE_HZ))
    period_s = 1 / bags.FRAME_RATE_HZ
    start = time.monotonic()
    stamp = 0
    with tqdm(total=total, desc="  drive at 10 Hz", unit="frame", file=sys.stderr, mininterval=0.5) as progress:
        for k in range(total):
            index = there_and_back[k % len(there_and_back)]
            stamp = node.send("drive", index, frames[index])
            progress.update()
            count = sum(row["topic"] == bags.DEPTH_TOPIC for row in node.received)
            progress.set_postfix_str(f"{count} depth images back", refresh=False)
            while (left_s := start + (k + 1) * period_s - time.monotonic()) > 0:
                rclpy.spin_once(node, timeout_sec=left_s)
    # Newest frame wins, so the last frame sent is never one that is dropped.
    node.spin_until(lambda: node.answered({stamp}), timeout_s, "depth and points for the last frame of the drive")


def run(options: argparse.Namespace) -> None:
    """Connect, play, record, and write the log."""
    rclpy.init()
    try:
        with Writer(options.answers, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP) as writer:
            node = Exchange(writer)
            node.spin_until(node.is_connected, options.start_timeout, "node that subscribes and publishes")
            print("  node is up; sending the photograph", file=sys.stderr, flush=True)
            play_photo(node, options.photo, options.timeout)
            play_drive(node, options.drive, options.seconds, options.timeout)
            quiet = time.monotonic() + 2.5  # two more diagnostics, which tell the final counts
            node.spin_until(lambda: time.monotonic() > quiet, 10.0, "end of the recording")
        temporary = options.log.with_suffix(".part")
        temporary.write_text(json.dumps({"sent": node.sent, "received": node.received}))
        os.replace(temporary, options.log)
    finally:
        rclpy.try_shutdown()


def main() -> int:
    """Command line of this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("photo", "drive", "answers", "log"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the drive is played")
    parser.add_argument("--start-timeout", type=float, default=180.0, help="seconds for the node to come up")
    parser.add_argument("--timeout", type=float, default=120.0, help="seconds for an answer")
    try:
        run(parser.parse_args())
    except NoAnswer as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
