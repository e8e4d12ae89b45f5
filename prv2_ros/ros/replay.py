"""Publishes a bag live, for where `ros2 bag play` is not at hand. `prv2 replay` runs this module as a process.

Messages keep their original header stamps; `/clock` carries the time of recording.
"""

from __future__ import annotations

import json
import math
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy
from rosgraph_msgs.msg import Clock

from prv2_ros.errors import InputError, Prv2Error
from prv2_ros.messages.bags import Bag, RawMessage, missing_messages
from prv2_ros.messages.depth_images import DEPTH_ENCODINGS
from prv2_ros.ros.replay_topics import IMAGES, BagPublishers, message_class

CLOCK_STEP_S = 0.01
"""`/clock` moves at least this often (s, of the machine's time)."""

DELAY_S = 4.0
"""Fast DDS lets nodes find each other by a few announcements at the start, which a busy machine loses, and by one every
3 s (measured on two busy cores: 0 to 3.2 s)."""


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """How a bag is played."""

    bag: str

    rate: float = 1.0
    """Factor on the original speed; inf publishes without a pause."""

    follow: str = ""
    """Topic that answers each camera image with its stamp, as the node's depth/camera_info does. Where it is set, the
    next message waits for the answer instead of for its time: as fast as the node takes it. Depth images are not waited
    for, and the topic itself is not published: the bag's own recording of it must not pass for an answer."""

    follow_timeout_s: float = 10.0
    """An answer that takes longer counts as missing."""

    loop: bool = False
    delay_s: float = DELAY_S
    """Time for subscribers to find the publishers, and for the publishers of other nodes to be found (s)."""

    topics: tuple[str, ...] = ()
    """Topics to publish, whoever else does; empty: all, less the images, camera infos and clouds of other nodes."""

    def __post_init__(self) -> None:
        """Refuse values that cannot be played with."""
        if not self.rate > 0:
            raise InputError(f"--rate {self.rate}: must be above 0")
        if not self.follow_timeout_s > 0:
            raise InputError(f"--follow-timeout {self.follow_timeout_s}: must be above 0")
        if not self.delay_s >= 0:
            raise InputError(f"--delay {self.delay_s}: must not be negative")


@dataclass(kw_only=True)
class Played:
    """What was published."""

    messages: int = 0
    images: int = 0
    asked: int = 0
    """Images that an answer was waited for."""

    answered: int = 0
    """Those whose stamp came back on the followed topic."""


class Player:
    """Publishes the messages of one bag from a node of its own."""

    def __init__(self, node: Node, bag: Bag, options: ReplayOptions, spin: Callable[[float], None]) -> None:
        """Create the publishers.

        Args:
            node: the node that publishes.
            bag: the open bag.
            options: how to play.
            spin: lets the node work for a while (s).

        Raises:
            InputError: a topic that the bag lacks, or none whose type is installed.

        """
        self._node, self._bag, self._options, self._spin = node, bag, options, spin
        self._clock = node.create_publisher(Clock, "/clock", 10)
        own = ("/clock", "/" + options.follow.lstrip("/"))
        self._publishers = BagPublishers(node, bag, named=options.topics, without=own)
        self._missing: str | None = None
        self._waits: dict[str, bool] = {}
        self._answers: set[int] = set()
        self._subscription: Any = None

    def wait_for_subscribers(self, delay_s: float) -> None:
        """Let others find the publishers, and subscribe the followed topic before its first answer."""
        end = time.monotonic() + delay_s
        while (left := end - time.monotonic()) > 0:
            if self._options.follow:
                self._follow()
            self._spin(min(left, CLOCK_STEP_S))

    def play(self) -> Played:
        """Publish the bag once from end to end.

        Raises:
            InputError: other nodes publish all of it already.

        """
        played = Played()
        topics = self._publishers.start()
        start = time.monotonic()
        first_ns: int | None = None
        read = 0
        for raw in self._bag.messages(topics):
            read += 1
            first_ns = raw.bag_ns if first_ns is None else first_ns
            if not self._options.follow:
                self._wait_until(start, raw.bag_ns - first_ns, first_ns)
            self._tell_time(raw.bag_ns)
            if not self._publishers.publish(raw.topic, self._bag.cdr(raw)):
                continue
            played.messages += 1
            if raw.msgtype in IMAGES:
                played.images += 1
                if self._options.follow and self._is_camera(raw):
                    played.asked += 1
                    played.answered += self._wait_for_answer(raw)
        of_topic = self._bag.topics()
        self._missing = missing_messages(read, sum(of_topic[name].count for name in topics), "the published topics")
        return played

    def tell_damage(self) -> None:
        """Say what of the bag could not be read, once it was played."""
        lines = [*self._bag.damage, *([self._missing] if self._missing else [])]
        for line in dict.fromkeys(lines):
            self._node.get_logger().warning(line)

    def _wait_until(self, start: float, offset_ns: int, first_ns: int) -> None:
        """Sleep until a message is due, with `/clock` moving on."""
        if math.isinf(self._options.rate):
            return
        due = start + offset_ns / 1e9 / self._options.rate
        while (left := due - time.monotonic()) > 0:
            if left > CLOCK_STEP_S:
                self._tell_time(first_ns + round((time.monotonic() - start) * self._options.rate * 1e9))
            self._spin(min(left, CLOCK_STEP_S))

    def _tell_time(self, stamp_ns: int) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(stamp_ns, 1_000_000_000)
        self._clock.publish(message)

    def _is_camera(self, raw: RawMessage) -> bool:
        """Whether a node would answer the images of this topic, by its first one that can be read."""
        if raw.topic not in self._waits:
            try:
                message = self._bag.message(raw)
            except InputError:  # damaged: published as it is, like all of the bag, for the node to drop
                return True
            coding = message.format if "Compressed" in raw.msgtype else message.encoding
            # 16 bits may be millimetres, or the brightness that an infrared camera sees.
            is_depth = "depth" in raw.topic.lower() or "16UC1" not in coding
            named = any(word in coding for word in (*DEPTH_ENCODINGS, "compressedDepth"))
            self._waits[raw.topic] = not (named and is_depth)
        return self._waits[raw.topic]

    def _wait_for_answer(self, raw: RawMessage) -> bool:
        """Wait until the followed topic carries the image's stamp; False after the timeout."""
        try:
            wanted = self._bag.stamp_ns(raw)
        except InputError:  # cut before its stamp: nobody can answer it
            return False
        end = time.monotonic() + self._options.follow_timeout_s
        while wanted not in self._answers:
            if time.monotonic() > end:
                self._node.get_logger().warning(f"no answer on {self._options.follow} to the image at {wanted} ns")
                return False
            self._follow()
            self._spin(CLOCK_STEP_S)
        self._answers.clear()
        return True

    def _follow(self) -> None:
        """Subscribe the followed topic once somebody publishes it: before that its type is not known."""
        if self._subscription is not None:
            return
        for endpoint in self._node.get_publishers_info_by_topic(self._options.follow):
            kind = message_class(endpoint.topic_type)
            if kind is not None:
                quality = QoSProfile(
                    history=QoSHistoryPolicy.KEEP_LAST, depth=100, reliability=QoSReliabilityPolicy.BEST_EFFORT
                )
                self._subscription = self._node.create_subscription(
                    kind, self._options.follow, self._take_answer, quality, raw=True
                )
                return

    def _take_answer(self, data: bytes) -> None:
        seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
        self._answers.add(seconds * 1_000_000_000 + nanoseconds)


def replay(options: ReplayOptions, context: Any = None) -> Played:
    """Play a bag until its end, or until the context shuts down where it loops; return what the last round published.

    Raises:
        InputError: the bag cannot be read, or nothing in it can be published.

    """
    from rclpy.executors import SingleThreadedExecutor

    with Bag(Path(options.bag)) as bag:
        node = Node("prv2_replay", context=context)
        executor = SingleThreadedExecutor(context=context)
        executor.add_node(node)
        try:
            player = Player(node, bag, options, lambda seconds: executor.spin_once(timeout_sec=seconds))
            player.wait_for_subscribers(options.delay_s)
            played = player.play()
            player.tell_damage()
            while options.loop:
                played = player.play()
            # Reliable delivery needs the publisher to stay until the last message is confirmed.
            executor.spin_once(timeout_sec=0.2)
            return played
        finally:
            executor.shutdown()
            node.destroy_node()


def main() -> int:
    """Play as the JSON object in the first argument says; errors become one line."""
    started = False
    try:
        options = ReplayOptions(**json.loads(sys.argv[1]))
        rclpy.init(args=sys.argv[2:])
        started = True
        played = replay(options)
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    except Prv2Error as error:
        print(f"prv2: error: {error}", file=sys.stderr)
        return 1
    except Exception:
        if not started or rclpy.ok():
            raise
        return 130  # SIGTERM has taken ROS away in the middle of a message
    finally:
        rclpy.try_shutdown()
    answers = f", {played.answered} of {played.asked} answered" if options.follow else ""
    print(f"published {played.messages} messages, {played.images} images{answers}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
