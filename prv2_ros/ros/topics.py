"""Topics that move along where another one is remapped, as image_transport's do."""

from __future__ import annotations

from typing import Any


def moved_along(node: Any, topic: str, base: str, place: str) -> str:
    """Where a topic belongs that has its place by another one's.

    Args:
        node: rclpy Node.
        topic: its name, as the node's code has it.
        base: the other topic's.
        place: where it belongs where `base` is remapped; `{}` stands for the full name of that, `{beside}` for the
            namespace around it.

    Returns:
        The place, in full; the topic itself where `base` is not remapped, or it has a remapping of its own.

    """
    resolve = node.resolve_topic_name
    base_moved = resolve(base) != resolve(base, only_expand=True)
    has_own = resolve(topic) != resolve(topic, only_expand=True)
    if not base_moved or has_own:
        return topic
    return place.format(resolve(base), beside=resolve(base).rpartition("/")[0])
