"""First reading of a bag: which messages there are and when, camera infos, transforms, and a hash of it all.

Small beside the bag (two numbers a message), so that everything after it can stream. Stamps are those in the
headers, not the times of recording, unless the configuration says otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.geometry.projection import rigid_transform
from prv2_ros.messages.bags import Bag, RawMessage, Topic, missing_messages
from prv2_ros.messages.camera_info import info_content
from prv2_ros.messages.compressed_depth import compressed_size, depth_encoding

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"
CLOUD = "sensor_msgs/msg/PointCloud2"
DISPARITY = "stereo_msgs/msg/DisparityImage"
TRANSFORMS = "tf2_msgs/msg/TFMessage"
STATIC_TOPICS = ("/tf_static", "tf_static")

_STAMPED = (IMAGE, COMPRESSED, INFO, CLOUD, DISPARITY)


@dataclass(kw_only=True)
class TopicIndex:
    """What the first reading found on one topic."""

    topic: Topic
    entries: list[tuple[int, int]] = field(default_factory=list)
    """(stamp, time of recording) of every message in the order of recording (ns)."""

    frame_id: str = ""
    """Frame in the header of the first message that could be read."""

    encoding: str = ""
    """Encoding of an Image, or of the depth in a CompressedImage; empty for other types."""

    size: tuple[int, int] = (0, 0)
    """(width, height) of an Image, or of the depth in a CompressedImage (px)."""

    is_known: bool = False
    """True once one message could be read."""


@dataclass(kw_only=True)
class BagIndex:
    """What the first reading found in a bag."""

    topics: dict[str, TopicIndex]
    """By name; topics of other types have no entries."""

    infos: list[Any]
    """Distinct camera infos of the bag."""

    info_of: dict[str, list[tuple[int, int]]]
    """By topic: (stamp, place in `infos`) of every camera info (ns)."""

    transforms: dict[tuple[str, str], NDArray[np.float64]]
    """(parent, child) to `T_parent_child`, from /tf_static."""

    sha256: str
    """Hash of the content of every message that evaluation may read, with its topic and time of recording."""

    problems: list[str]
    """What could not be read, a line each."""


def index_bag(bag: Bag, stamps: str, tick: Callable[[], None]) -> BagIndex:
    """Read a bag once from end to end; what is damaged is left out and told in `problems`.

    Args:
        bag: an open bag.
        stamps: `header` or `bag`, see `EvaluationConfig.stamps`.
        tick: called once a message, for a progress bar.

    """
    topics = {name: TopicIndex(topic=topic) for name, topic in bag.topics().items()}
    index = BagIndex(topics=topics, infos=[], info_of={}, transforms={}, sha256="", problems=[])
    wanted = [n for n, t in topics.items() if t.topic.msgtype in _STAMPED or n in STATIC_TOPICS]
    digest = hashlib.sha256()
    places: dict[object, int] = {}
    damaged = 0
    for raw in bag.messages(wanted):
        digest.update(f"{raw.topic} {raw.bag_ns} {len(raw.data)}\n".encode())
        digest.update(raw.data)
        try:
            _take(index, places, bag, raw, stamps)
        except InputError as error:
            damaged += 1
            if damaged == 1:
                index.problems.append(str(error))
        tick()
    index.problems += list(dict.fromkeys(bag.damage))
    index.sha256 = digest.hexdigest()
    _count_missing(index, wanted, damaged)
    return index


def _take(index: BagIndex, places: dict[object, int], bag: Bag, raw: RawMessage, stamps: str) -> None:
    found = index.topics[raw.topic]
    if raw.topic in STATIC_TOPICS:
        found.entries.append((raw.bag_ns, raw.bag_ns))
        if raw.msgtype in (TRANSFORMS, "tf/msg/tfMessage"):
            _take_transforms(index, bag.message(raw))
        return
    stamp_ns = bag.stamp_ns(raw) if stamps == "header" else raw.bag_ns
    if raw.msgtype == INFO:
        info = bag.message(raw)
        content = info_content(info)
        if content not in places:
            places[content] = len(index.infos)
            index.infos.append(info)
        index.info_of.setdefault(raw.topic, []).append((stamp_ns, places[content]))
        found.frame_id, found.is_known = info.frame_id, True
    elif not found.is_known:
        message = bag.message(raw)
        found.frame_id = str(message.header.frame_id)
        inner = message.image if raw.msgtype == DISPARITY else message
        found.encoding = str(getattr(inner, "encoding", ""))
        if raw.msgtype in (IMAGE, DISPARITY):
            found.size = (int(inner.width), int(inner.height))
        elif raw.msgtype == COMPRESSED and depth_encoding(str(message.format)):
            found.encoding = depth_encoding(str(message.format))
            found.size = compressed_size(bytes(memoryview(message.data)))
        found.is_known = True
    found.entries.append((stamp_ns, raw.bag_ns))


def _take_transforms(index: BagIndex, message: Any) -> None:
    for stamped in message.transforms:
        t, q = stamped.transform.translation, stamped.transform.rotation
        key = (frame_name(stamped.header.frame_id), frame_name(stamped.child_frame_id))
        try:
            index.transforms[key] = rigid_transform((t.x, t.y, t.z), (q.x, q.y, q.z, q.w))
        except InputError as error:  # of this one alone: those beside it in the message may be the ones that count
            problem = f"transform from {key[0]} to {key[1]} left out: {error}"
            if problem not in index.problems:
                index.problems.append(problem)


def frame_name(name: str) -> str:
    """Name of a frame as `BagIndex.transforms` has it: ROS 1 wrote a slash before it."""
    return str(name).lstrip("/")


def _count_missing(index: BagIndex, wanted: list[str], damaged: int) -> None:
    expected = sum(index.topics[name].topic.count for name in wanted)
    found = sum(len(index.topics[name].entries) for name in wanted)
    missing = missing_messages(found, expected, "image, camera info and truth topics", damaged=damaged)
    if missing is not None:
        index.problems.append(missing)


def transform_between(
    transforms: dict[tuple[str, str], NDArray[np.float64]], target: str, source: str
) -> NDArray[np.float64] | None:
    """`T_target_source` along a chain of transforms, either way each; None where no chain leads there."""
    edges: dict[str, list[tuple[str, NDArray[np.float64]]]] = {}
    for (parent, child), t_parent_child in transforms.items():
        edges.setdefault(frame_name(parent), []).append((frame_name(child), t_parent_child))
        inverse = np.asarray(np.linalg.inv(t_parent_child), np.float64)
        edges.setdefault(frame_name(child), []).append((frame_name(parent), inverse))
    start, end = frame_name(target), frame_name(source)
    reached = {start: np.eye(4)}
    waiting = [start]
    while waiting:  # breadth first: the shortest chain is taken
        frame = waiting.pop(0)
        if frame == end:
            return reached[frame]
        for neighbour, step in edges.get(frame, []):
            if neighbour not in reached:
                reached[neighbour] = reached[frame] @ step
                waiting.append(neighbour)
    return None
