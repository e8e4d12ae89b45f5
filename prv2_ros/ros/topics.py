"""Topics that move along where another one is remapped, as image_transport's do."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any


def moved_along(node: Any, topic: str, base: str, place: str, arguments: Sequence[str] | None = None) -> str:
    """Where a topic belongs that has its place by another one's.

    Args:
        node: rclpy Node.
        topic: its name, as the node's code has it.
        base: the other topic's.
        place: where it belongs where `base` is remapped; `{}` stands for the full name of that, `{beside}` for the
            namespace around it.
        arguments: the process's command line; `sys.argv` by default.

    Returns:
        The place, in full; the topic itself where `base` is not remapped, or it has a remapping of its own, be it to
        the name that it has anyway.

    """
    resolve = node.resolve_topic_name
    base_moved = resolve(base) != resolve(base, only_expand=True)
    if not base_moved or _has_rule(node, topic, sys.argv if arguments is None else arguments):
        return topic
    return place.format(resolve(base), beside=resolve(base).rpartition("/")[0])


def output_topics(node: Any, input_info: str) -> dict[str, str]:
    """Topics of the outputs, by the field of `Publishers`; what goes with the depth moves along with it.

    Args:
        node: rclpy Node.
        input_info: full name of the topic that the camera's own info comes from, which the depth's must not get into,
            be the depth remapped to a place beside the images.

    """
    depth, rgb = "depth/image_rect", "rgb/image_rect_color"
    info = _info_topic(node, "depth/camera_info", depth, (input_info,))
    # Nor may two publishers of the node share a topic, where both images are remapped into one namespace.
    taken = (input_info, node.resolve_topic_name(info))
    return {
        "depth": depth,
        "compressed_depth": moved_along(node, f"{depth}/compressedDepth", depth, "{}/compressedDepth"),
        "camera_info": info,
        "points": "points",
        "confidence": "confidence",
        "rgb_info": _info_topic(node, "rgb/camera_info", rgb, taken),
        "rgb": rgb,
    }


def _info_topic(node: Any, topic: str, image: str, taken: Sequence[str]) -> str:
    """Where the camera info of an output image belongs: beside it, unless that place is taken."""
    moved = moved_along(node, topic, image, "{beside}/camera_info")
    return topic if node.resolve_topic_name(moved) in taken else moved


def _has_rule(node: Any, topic: str, arguments: Sequence[str]) -> bool:
    """Whether a topic is remapped. A rule that changes nothing is seen on the command line alone."""
    full = node.resolve_topic_name(topic, only_expand=True)
    if node.resolve_topic_name(topic) != full:
        return True
    rules = (text.partition(":=") for text in arguments)
    # A rule may be for a node of a name: NODE:FROM:=TO.
    return any(is_rule and rule.rpartition(":")[2] in (topic, full) for rule, is_rule, _ in rules)
