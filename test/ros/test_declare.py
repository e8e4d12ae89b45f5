"""What the node is started with, over a real DDS: descriptors, QoS overrides, parameters that are not its own."""

from __future__ import annotations

import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
from rclpy.parameter import Parameter
from ros_fakes import PlaneEngine, live_node, wait_until

from prv2_ros.errors import ConfigError


def test_descriptors_tell_range_unit_and_read_only() -> None:
    with live_node(PlaneEngine()) as live:
        stride = live.node.describe_parameter("points.stride")
        assert (stride.integer_range[0].from_value, stride.integer_range[0].to_value) == (1, 64)
        far = live.node.describe_parameter("max_depth_m")
        assert far.floating_point_range[0].to_value == 10000.0
        assert far.description.endswith("[m]")
        assert live.node.describe_parameter("device").read_only
        assert live.node.describe_parameter("far_value").additional_constraints == "one of: nan, inf, max"


def test_qos_overrides_are_taken() -> None:
    name = "qos_overrides./points.publisher.reliability"
    with live_node(PlaneEngine(), {name: "best_effort"}, listen=("depth/image_rect",)) as live:
        live.wait_ready()
        ends = live.node.get_publishers_info_by_topic("/points")
        assert [end.qos_profile.reliability.name for end in ends] == ["BEST_EFFORT"]


def test_misspelt_qos_override_is_refused() -> None:
    with live_node(PlaneEngine(), {"qos_overrides./points.publisher.dept": 3}) as live:
        wait_until(lambda: live.errors, what="refusal")
        assert "qos_overrides./points.publisher.dept: no topic of this node" in str(live.errors[0])


def test_parameters_of_other_nodes_are_told_of_and_ignored(capfd: pytest.CaptureFixture[str]) -> None:
    # As launch_ros hands global ones to every node; /points of others: a subscription, where this node publishes.
    qos = ("qos_overrides./points.subscription.depth", "qos_overrides./tf.subscription.depth")
    others = {"wheel_radius": 0.4, "wheel_base": 2.8} | dict.fromkeys(qos, 3)
    with live_node(PlaneEngine(), others) as live:
        live.wait_ready()
        assert not live.errors
    said = capfd.readouterr().err
    assert said.count("none of this node's parameters, ignored: wheel_base, wheel_radius\n") == 1
    assert said.count(f"no publisher or subscription of this node, ignored: {', '.join(qos)}\n") == 1


def test_words_without_quotes_on_a_command_line_and_live() -> None:
    """As `-p compile:=off -p far_value:=inf`, where YAML sees false and a number."""
    with live_node(PlaneEngine(), {"compile": False, "far_value": float("inf")}) as live:
        assert (live.node._settings.compile, live.node._settings.far_value) == ("off", "inf")
        assert live.node.set_parameters([Parameter("far_value", value=float("nan"))])[0].successful
        assert live.node._settings.far_value == "nan"
        refused = live.node.set_parameters([Parameter("far_value", value=3.5)])[0]
        assert not refused.successful
        assert "expected string, got 3.5" in refused.reason


def test_misspelt_parameter_is_refused_at_the_start() -> None:
    with (
        pytest.raises(ConfigError, match=r"points\.strid: did you mean points\.stride"),
        live_node(PlaneEngine(), {"points.strid": 3}),
    ):
        pass
