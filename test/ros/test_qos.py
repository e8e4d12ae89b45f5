"""How messages are sent, and what is said of an endpoint that does not match."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs rclpy")
from rclpy.qos import QoSPolicyKind

from prv2_ros.ros.qos import publish_asynchronously, publisher_options, subscription_options

MODE = "RMW_FASTRTPS_PUBLICATION_MODE"


def test_messages_are_sent_asynchronously_unless_the_user_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODE, "SYNCHRONOUS")
    publish_asynchronously()
    assert os.environ[MODE] == "SYNCHRONOUS"
    monkeypatch.delenv(MODE)
    publish_asynchronously()
    assert os.environ[MODE] == "ASYNCHRONOUS"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (subscription_options, "a publisher of /t offers incompatible QoS ({}): nothing arrives from it; set {}the "),
        (publisher_options, "a subscriber of /t asks for incompatible QoS ({}): it gets nothing; set {}the "),
    ],
    ids=["subscription", "publisher"],
)
def test_a_mismatch_names_the_policy_and_the_override_that_there_is(options: Callable[..., Any], text: str) -> None:
    said: list[str] = []
    report = options("/t", said.append)["event_callbacks"].incompatible_qos
    for kind in (QoSPolicyKind.DURABILITY, QoSPolicyKind.DEADLINE):
        report(SimpleNamespace(last_policy_kind=kind))
    entity = options.__name__.split("_")[0]
    assert said[0].startswith(text.format("DURABILITY", f"qos_overrides./t.{entity}.durability or "))
    assert said[1].startswith(text.format("DEADLINE", "")), "no parameter changes it"
