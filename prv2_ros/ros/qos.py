"""Quality of service of the node's topics, and what is said when an endpoint does not match."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from rclpy.qos import (
    QoSDurabilityPolicy,
    QoSHistoryPolicy,
    QoSPolicyKind,
    QoSProfile,
    QoSReliabilityPolicy,
    qos_policy_name_from_kind,
)
from rclpy.qos_overriding_options import QoSOverridingOptions

try:
    from rclpy.event_handler import PublisherEventCallbacks, SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import PublisherEventCallbacks, SubscriptionEventCallbacks, UnsupportedEventTypeError


def publish_asynchronously() -> None:
    """Have Fast DDS send in a thread of its own; call before the first publisher. The user's own choice stays.

    Otherwise `publish` returns when the last fragment is written, and holds Python's lock for all that time:
    twice as long for an 8 MB image.
    """
    os.environ.setdefault("RMW_FASTRTPS_PUBLICATION_MODE", "ASYNCHRONOUS")


Report = Callable[[str], None]

_OVERRIDABLE = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
"""Durability too, which rclpy's default leaves out: a calibration that is sent once (latched) needs it."""


def sensor_input() -> QoSProfile:
    """Best effort, volatile, depth 2: matches every publisher, keeps nothing old."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=2,
        reliability=QoSReliabilityPolicy.BEST_EFFORT,
        durability=QoSDurabilityPolicy.VOLATILE,
    )


def reliable_output() -> QoSProfile:
    """Reliable, volatile, depth 2: matches every volatile subscriber, RViz's default included."""
    return QoSProfile(
        history=QoSHistoryPolicy.KEEP_LAST,
        depth=2,
        reliability=QoSReliabilityPolicy.RELIABLE,
        durability=QoSDurabilityPolicy.VOLATILE,
    )


def subscribe(
    node: Any,
    kind: Any,
    topic: str,
    callback: Callable[[Any], None],
    report: Report,
    lost: Callable[[int], None] | None = None,
) -> Any:
    """Subscribe to a sensor's topic.

    Args:
        node: rclpy Node.
        kind: message type.
        topic: its name, as the node's code has it.
        callback: gets the messages.
        report: gets a line where a publisher's QoS does not match.
        lost: gets the number of messages that were lost on the way, where the middleware tells it.

    """
    options = subscription_options(node.resolve_topic_name(topic), report)
    if lost is not None:
        events = options["event_callbacks"]
        events.message_lost = lambda event: lost(event.total_count_change)
        try:
            return node.create_subscription(kind, topic, callback, sensor_input(), **options)
        except UnsupportedEventTypeError:
            events.message_lost = None
    return node.create_subscription(kind, topic, callback, sensor_input(), **options)


def subscription_options(topic: str, report: Report) -> dict[str, Any]:
    """Keyword arguments of `create_subscription`: per-topic overrides and a report of publishers that do not match."""

    def incompatible(event: Any) -> None:
        policy = _name(event)
        report(
            f"a publisher of {topic} offers incompatible QoS ({policy}): nothing arrives from it; set "
            f"{_override(topic, 'subscription', policy)}the publisher's QoS"
        )

    return {
        "qos_overriding_options": QoSOverridingOptions(policy_kinds=_OVERRIDABLE),
        "event_callbacks": SubscriptionEventCallbacks(incompatible_qos=incompatible),
    }


def publisher_options(topic: str, report: Report) -> dict[str, Any]:
    """Keyword arguments of `create_lifecycle_publisher`: as `subscription_options`, for subscribers."""

    def incompatible(event: Any) -> None:
        policy = _name(event)
        report(
            f"a subscriber of {topic} asks for incompatible QoS ({policy}): it gets nothing; set "
            f"{_override(topic, 'publisher', policy)}the subscriber's QoS"
        )

    return {
        "qos_overriding_options": QoSOverridingOptions(policy_kinds=_OVERRIDABLE),
        "event_callbacks": PublisherEventCallbacks(incompatible_qos=incompatible),
    }


def publish_diagnostics(node: Any, kind: Any, report: Report) -> Any:
    """Create the publisher of `/diagnostics`, which works in every state of the node; reliable, depth 10."""
    profile = QoSProfile(history=QoSHistoryPolicy.KEEP_LAST, depth=10, reliability=QoSReliabilityPolicy.RELIABLE)
    return node.create_publisher(kind, "/diagnostics", profile, **publisher_options("/diagnostics", report))


def _name(event: Any) -> str:
    return str(qos_policy_name_from_kind(event.last_policy_kind))


def _override(topic: str, entity: str, policy: str) -> str:
    """Name the parameter that changes a policy on this side, where there is one."""
    known = policy in {kind.name for kind in _OVERRIDABLE}
    return f"qos_overrides.{topic}.{entity}.{policy.lower()} or " if known else ""
