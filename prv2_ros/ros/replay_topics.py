"""The topics of a bag that `replay` publishes, and those that it leaves to the nodes that publish them.

Messages go out as the bytes they were recorded as, reliable with a depth of 10, and are kept for late subscribers where
their publishers kept them, or that is what their topics are for (`/tf_static`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSDurabilityPolicy, QoSHistoryPolicy, QoSProfile, QoSReliabilityPolicy

from prv2_ros.errors import InputError
from prv2_ros.messages.bags import Bag, Topic

IMAGES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")

_OF_ONE_PUBLISHER = (*IMAGES, "sensor_msgs/msg/CameraInfo", "sensor_msgs/msg/PointCloud2")
"""Types whose messages from two publishers nobody can tell apart: the depth of a bag and the depth that a node makes of
its images have the same topic, frame and stamps. Other types (/tf, /diagnostics) are made to be shared."""

_UNKNOWN = "_NODE_NAME_UNKNOWN_"
"""What `rmw` calls a node whose endpoints are found and whose name is not."""

_LATCHED = ("tf_static", "robot_description")
"""Last parts of topics that are kept, whatever a bag says; with several publishers, each of which kept its own."""

_KEPT, _KEPT_OF_MANY = 10, 100
"""Most messages that are kept of a topic."""


class BagPublishers:
    """A publisher for each topic of a bag."""

    def __init__(self, node: Node, bag: Bag, *, named: Sequence[str], without: Sequence[str]) -> None:
        """Create the publishers.

        Args:
            node: the node that publishes.
            bag: the open bag.
            named: topics to publish, whoever else does; empty: all that no other node publishes.
            without: topics to leave out.

        Raises:
            InputError: a topic that the bag lacks, or none whose type is installed.

        """
        self._node, self._bag = node, bag
        self._publishers: dict[str, Any] = {}
        self._yielding: set[str] = set()
        topics = bag.topics()
        missing = [name for name in named if name not in topics]
        if missing:
            raise InputError(f"--topic {missing[0]} is not in bag {bag.path}; it has {', '.join(topics)}")
        for name, topic in topics.items():
            kind = message_class(topic.msgtype)
            if name in without or (named and name not in named):
                continue
            if kind is None:
                node.get_logger().warning(f"{name} is left out: {topic.msgtype} is not installed")
                continue
            self._publishers[name] = node.create_publisher(kind, name, _quality(topic))
            if not named and topic.msgtype in _OF_ONE_PUBLISHER:
                self._yielding.add(name)
        if not self._publishers:
            raise InputError(
                f"bag {bag.path} has no topic to publish: the options leave none whose message type is installed"
            )

    def start(self) -> list[str]:
        """Leave to other nodes what they publish, and return the topics that remain; call it once they are discovered.

        Raises:
            InputError: none remains.

        """
        self._leave_to_others(list(self._publishers))
        if not self._publishers:
            raise InputError(
                f"other nodes publish every topic of bag {self._bag.path}: stop them, or insist with --topic"
            )
        return list(self._publishers)

    def publish(self, topic: str, cdr: bytes) -> bool:
        """Publish a message; False where its topic is left to another node, one that has come since the start too."""
        self._leave_to_others([topic])
        if topic not in self._publishers:
            return False
        self._publishers[topic].publish(cdr)
        return True

    def _leave_to_others(self, topics: Iterable[str]) -> None:
        nodes_of = {name: self._others(name) for name in topics if name in self._yielding}
        taken = [name for name, nodes in nodes_of.items() if nodes]
        if not taken:
            return
        for name in taken:
            self._yielding.remove(name)
            self._node.destroy_publisher(self._publishers.pop(name))
        nodes = sorted({node for name in taken for node in nodes_of[name]})
        self._node.get_logger().warning(
            f"{', '.join(taken)}: left out, as published by {', '.join(nodes)}; to insist, name every topic that is to "
            "be published with --topic"
        )

    def _others(self, topic: str) -> list[str]:
        """Full names of the other nodes that publish a topic.

        Another replay, which has this node's name, is none of them: two would leave everything to each other. So a
        publisher whose node is not known yet does not count either; that lasts a tenth of a second.
        """
        own = self._node.get_fully_qualified_name()
        found = self._node.get_publishers_info_by_topic(topic)
        known = [endpoint for endpoint in found if endpoint.node_name != _UNKNOWN]
        names = {f"{endpoint.node_namespace.rstrip('/')}/{endpoint.node_name}" for endpoint in known}
        return sorted(names - {own})


def message_class(msgtype: str) -> Any | None:
    """`sensor_msgs/msg/Image` -> its class, None where the package is not installed."""
    package, _, name = msgtype.partition("/msg/")
    try:
        return getattr(importlib.import_module(f"{package}.msg"), name, None)
    except (ImportError, ValueError):
        return None


def _quality(topic: Topic) -> QoSProfile:
    of_many = topic.name.rpartition("/")[2] in _LATCHED
    kept = _KEPT_OF_MANY if of_many else min(topic.latched, _KEPT)
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=kept or 10,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.TRANSIENT_LOCAL if kept else QoSDurabilityPolicy.VOLATILE,
    )
