"""What /diagnostics says of a node that is well, that gets bad input, and that fails by itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs rclpy and diagnostic_msgs")
from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticStatus

from prv2_ros.ros.diagnostics import STALLED_S, Condition, DiagnosticsBuilder, device_memory_mib
from prv2_ros.ros.parameter_table import BY_NAME
from prv2_ros.ros.parameters import resolve
from prv2_ros.ros.statistics import Statistics

STAMP = Time(sec=12, nanosec=34)


def told(
    builder: DiagnosticsBuilder,
    statistics: Statistics,
    state: str = "active",
    failure: str = "",
    *,
    calibrated: bool = True,
    **more: Any,
) -> Any:
    parameters = {"input_timeout_s": 5.0} | {name: more.pop(name) for name in list(more) if name in BY_NAME}
    condition = Condition(state=state, settings=resolve(parameters), calibrated=calibrated, failure=failure, **more)
    array = builder.build(statistics.snapshot(), condition, stamp=STAMP)
    assert array.header.stamp == STAMP
    return array.status[0]


def test_a_failing_engine_is_an_error_until_a_frame_comes_out() -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    arrival = statistics.image_arrived()
    statistics.inference_failed("RuntimeError: CUDA error: out of luck")
    status = told(builder, statistics)
    assert status.level == DiagnosticStatus.ERROR
    assert (status.name, status.hardware_id) == ("/depth_node: depth", "/depth_node")
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


def test_frames_in_hand_of_which_none_is_done_are_an_error() -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    statistics.image_arrived()
    assert told(builder, statistics, stalled_s=STALLED_S - 0.5).level == DiagnosticStatus.OK
    status = told(builder, statistics, stalled_s=STALLED_S + 2.1)
    assert (status.level, status.message) == (DiagnosticStatus.ERROR, "no frame was done for 12 s")
    assert {pair.key: pair.value for pair in status.values}["frames in hand since (s)"] == "12.1"


def test_points_that_cannot_be_made_are_a_warning_though_no_image_is_taken_in() -> None:
    status = told(
        DiagnosticsBuilder("/depth_node"),
        Statistics(),
        calibrated=False,
        idle=True,
        points_starve=True,
        info_source=" on /camera/camera_info (no publishers)",
    )
    assert status.level == DiagnosticStatus.WARN
    assert status.message == (
        "no calibrated camera info on /camera/camera_info (no publishers): scale is assumed, no points"
    )
    required = told(
        DiagnosticsBuilder("/depth_node"), Statistics(), calibrated=False, points_starve=True, require_calibration=True
    )
    assert required.message.endswith("no calibrated camera info: no depth until there is one")
    quiet = told(DiagnosticsBuilder("/depth_node"), Statistics(), calibrated=False, idle=True)
    assert (quiet.level, quiet.message) == (DiagnosticStatus.OK, "idle: no subscriber")


def test_many_images_lost_on_the_way_are_a_warning() -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    for received, lost, warned in ((9, 1, False), (6, 4, True), (10, 0, False)):
        for _ in range(received):
            statistics.image_arrived()
        statistics.count("lost", lost)
        status = told(builder, statistics)
        assert (status.level == DiagnosticStatus.WARN) == warned
        assert warned == status.message.startswith("4 of 10 images lost on the way in the last 1 s: ")
    assert {pair.key: pair.value for pair in status.values}["frames lost on the way"] == "5"


def test_a_scale_that_the_camera_s_height_contradicts_is_a_warning() -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    statistics.image_arrived()
    for ratio, looks in ((1.1, 4), (1.1, 1), (0.5, 11), (1.8, 11)):
        for _ in range(looks):
            statistics.height_seen(1.5 * ratio)
        status = told(builder, statistics, camera_height_m=1.5)
        values = {pair.key: pair.value for pair in status.values}
        assert values["depth scale by camera height"] == ("none" if looks == 4 else f"{ratio:.3f}")
        assert (status.level == DiagnosticStatus.WARN) == (ratio in (0.5, 1.8))
        assert status.message.startswith(f"depth is {ratio:.2f} times" if ratio in (0.5, 1.8) else "0.0 Hz")
    assert status.message == "depth is 1.80 times what it should be by the camera's height (camera_height_m)"
    assert told(builder, statistics, camera_height_m=2.7).message == "0.0 Hz", "the height was set anew"
    assert told(builder, statistics).message == "0.0 Hz", "nobody knows it"


def test_topics_that_are_silent_are_named() -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    source = " on /cam/image_raw (no publishers)"
    assert told(builder, statistics, image_source=source).message == f"no image yet{source}"


def test_bad_messages_are_a_warning_for_as_long_as_they_come() -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    statistics.image_arrived()
    for kind in ("errors", "info_errors"):
        statistics.count(kind)
        status = told(builder, statistics)
        assert status.level == DiagnosticStatus.WARN
        assert status.message == "1 bad messages in the last 1 s"
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


def test_what_went_wrong_before_a_pause_is_not_told_after_it() -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    statistics.image_arrived()
    statistics.count("errors")
    statistics.inference_failed("RuntimeError: out of luck")
    status = told(builder, statistics, "inactive")
    assert (status.level, status.message) == (DiagnosticStatus.OK, "inactive")
    statistics.restart()
    statistics.image_arrived()
    assert told(builder, statistics).level == DiagnosticStatus.OK


def test_a_scale_that_is_assumed_is_a_warning_once_there_are_images() -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    assert told(builder, statistics, calibrated=False).message == "no image yet"
    statistics.image_arrived()
    status = told(builder, statistics, calibrated=False)
    assert status.level == DiagnosticStatus.WARN
    assert status.message == "no calibrated camera info: scale is assumed, no points"
    assert {pair.key: pair.value for pair in status.values}["calibrated"] == "false"


def test_each_count_stands_under_its_own_name() -> None:
    names = {
        "received": "frames in",
        "published": "frames out",
        "dropped": "frames dropped",
        "skipped": "frames skipped",
        "errors": "frames with errors",
        "inference_errors": "inference errors",
        "info_received": "camera infos in",
        "info_errors": "camera infos with errors",
        "info_foreign": "frames with another's camera info",
        "lost": "frames lost on the way",
    }
    statistics = Statistics()
    for k, name in enumerate(names, 1):
        for _ in range(k):
            statistics.count(name)
    values = {pair.key: pair.value for pair in told(DiagnosticsBuilder("/depth_node"), statistics).values}
    assert [values[key] for key in names.values()] == [str(k) for k in range(1, 11)]


def test_now_and_then_a_frame_that_fails_is_no_health() -> None:
    """Out of memory at some frames: the next one comes out, and yet a third is lost."""
    statistics, builder = Statistics(), DiagnosticsBuilder("/depth_node")
    for _ in range(3):
        for k in range(10):
            if k in (0, 3, 6):
                statistics.inference_failed("OutOfMemoryError: no memory")
            else:
                statistics.image_published(statistics.image_arrived(), 50.0, None)
        status = told(builder, statistics)
        assert status.level == DiagnosticStatus.WARN
        assert status.message == "inference failed for 3 frames in the last 1 s: OutOfMemoryError: no memory"
    assert told(builder, statistics).level == DiagnosticStatus.OK


def test_images_are_awaited_for_a_while_before_that_is_told() -> None:
    for awaited_s, message in ((4.9, "0.0 Hz"), (5.1, "no image yet")):
        status = told(DiagnosticsBuilder("/depth_node"), Statistics(), awaited_s=awaited_s)
        assert status.message == message


def test_each_time_stands_under_its_own_name() -> None:
    now = [100.0]
    statistics = Statistics(lambda: now[0])
    for k in range(1, 101):
        now[0] += 0.5
        statistics.image_published(now[0] - k / 1e3, inference_ms=k / 10, stamp_age_ms=10.0 * k)
    statistics.image_arrived()
    now[0] += 0.25
    values = {pair.key: pair.value for pair in told(DiagnosticsBuilder("/depth_node"), statistics).values}
    keys = ("latency p50 (ms)", "latency p95 (ms)", "stamp age p50 (ms)", "inference p50 (ms)")
    assert [values[key] for key in keys] == ["50.0", "95.0", "500.0", "5.0"]
    assert (values["rate (Hz)"], values["input age (s)"]) == ("2.00", "0.25")


def test_memory_of_a_cpu_is_what_the_process_holds() -> None:
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    assert device_memory_mib("cpu") == pytest.approx(int(found[1]) / 1024, rel=0.2)


@pytest.mark.parametrize(
    ("refined_share", "why"), [(0.0, "the coarse depth alone takes that"), (1.0, "tiles are not left out for it")]
)
def test_a_limit_that_nothing_can_keep_is_told(refined_share: float, why: str) -> None:
    builder, statistics = DiagnosticsBuilder("/depth_node"), Statistics()
    for _ in range(9):
        statistics.image_published(statistics.image_arrived(), 480.0, None, refined_share)
    assert told(builder, statistics, max_latency_ms=300.0).level == DiagnosticStatus.OK, "the first frames are slow"
    statistics.image_published(statistics.image_arrived(), 480.0, None, refined_share)
    status = told(builder, statistics, max_latency_ms=300.0)
    assert status.level == DiagnosticStatus.WARN
    assert status.message == f"inference takes 480 ms, more than max_latency_ms = 300: {why}"
    for limit_ms in (0.0, 390.0):
        assert told(builder, statistics, max_latency_ms=limit_ms).level == DiagnosticStatus.OK
