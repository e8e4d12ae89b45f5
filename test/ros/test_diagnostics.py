"""What /diagnostics says of a node that is well, that gets bad input, and that fails by itself."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs rclpy and diagnostic_msgs")
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus

from prv2_ros.ros.diagnostics import DiagnosticsBuilder
from prv2_ros.ros.statistics import Statistics


def told(builder: DiagnosticsBuilder, statistics: Statistics, state: str = "active", failure: str = "") -> Any:
    array = builder.build(
        statistics.snapshot(),
        stamp=Time(),
        state=state,
        engine=None,
        input_timeout_s=5.0,
        calibrated=True,
        failure=failure,
    )
    return array.status[0]


def test_a_failing_engine_is_an_error_until_a_frame_comes_out() -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    arrival = statistics.image_arrived()
    statistics.inference_failed("RuntimeError: CUDA error: out of luck")
    status = told(builder, statistics)
    assert status.level == DiagnosticStatus.ERROR
    assert status.message == "inference fails: RuntimeError: CUDA error: out of luck"
    statistics.image_published(arrival, 20.0, None, 0.5)
    status = told(builder, statistics)
    assert status.level == DiagnosticStatus.OK
    values = {pair.key: pair.value for pair in status.values}
    assert (values["tiles refined p50 (%)"], values["inference errors"], values["frames with errors"]) == (
        "50.0",
        "1",
        "1",
    )


def test_bad_messages_are_a_warning_for_as_long_as_they_come() -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    statistics.image_arrived()
    statistics.count("errors")
    assert told(builder, statistics).level == DiagnosticStatus.WARN
    assert told(builder, statistics).level == DiagnosticStatus.OK


def test_a_node_that_could_not_be_configured_says_why() -> None:
    status = told(DiagnosticsBuilder("/depth_node"), Statistics(), "unconfigured", "cannot configure: no model 'x'")
    assert status.level == DiagnosticStatus.ERROR
    assert status.message == "cannot configure: no model 'x'"


def test_after_a_pause_nothing_of_before_is_told() -> None:
    now = [100.0]
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics(lambda: now[0])
    statistics.image_published(statistics.image_arrived(), 20.0, None)
    now[0] += 3600
    assert "no image for 3600.0 s" in told(builder, statistics).message
    statistics.restart()
    status = told(builder, statistics)
    assert status.message == "no image yet"
    values = {pair.key: pair.value for pair in status.values}
    assert (values["latency p50 (ms)"], values["frames out"]) == ("none", "1")
