"""Newest frame wins: drops, latency and memory under a slow engine; lifecycle; diagnostics."""

from __future__ import annotations

import gc
import subprocess
import sys
import time
import weakref
from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import GetState
from ros_fakes import (
    Live,
    PlaneEngine,
    ask_for_state,
    change_state,
    image_message,
    info_message,
    live_node,
    logged,
    wait_until,
)

from prv2_ros.ros import node as node_module
from prv2_ros.ros.diagnostics import device_memory_mib


def stream(live: Live, rate_hz: float, duration_s: float, shape: tuple[int, int, int] = (48, 64, 3)) -> int:
    """Publish at a rate, each image stamped with the wall clock; return how many."""
    message = image_message(np.zeros(shape, np.uint8))
    start, sent = time.monotonic(), 0
    while time.monotonic() - start < duration_s:
        message.header.stamp = live.partner.node.get_clock().now().to_msg()
        live.partner.images.publish(message)
        sent += 1
        time.sleep(max(0.0, start + sent / rate_hz - time.monotonic()))
    return sent


def latencies_s(live: Live) -> list[float]:
    """Time from each depth's stamp to its arrival at the partner."""
    now_wall, now = time.time(), time.monotonic()
    stamps = [d.header.stamp.sec + d.header.stamp.nanosec * 1e-9 for d in live.partner.depths]
    return [now_wall - (now - arrival) - stamp for arrival, stamp in zip(live.partner.arrivals, stamps, strict=True)]


def test_slow_engine_drops_frames_but_not_freshness() -> None:
    delay_s = 0.5
    with live_node(PlaneEngine(delay_s=delay_s), listen=("depth/image_rect",)) as live:
        live.wait_ready()
        stream(live, 30.0, 4.0)
        wait_until(live.settled, what="all images settled")
        wait_until(lambda: len(live.partner.depths) == live.counts.published, what="all depths")
        counts = live.counts
        assert counts.received > 20
        assert 3 <= counts.published <= 10
        assert counts.dropped == counts.received - counts.published
        assert counts.errors == counts.skipped == 0
        assert max(latencies_s(live)) < 2 * delay_s
        stamps = [(d.header.stamp.sec, d.header.stamp.nanosec) for d in live.partner.depths]
        assert stamps == sorted(stamps)


def test_frame_under_way_when_told_to_end_is_dropped_without_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    engine = PlaneEngine(delay_s=0.5)
    with live_node(engine, listen=("depth/image_rect",)) as live:
        live.wait_ready()
        live.partner.images.publish(image_message(np.zeros((48, 64, 3), np.uint8)))
        wait_until(lambda: engine.inside, what="inference")
        live.node.context.try_shutdown()  # what rclpy does at Ctrl-C
        wait_until(lambda: engine.calls, what="inference ended")
        wait_until(live.settled, what="the image settled")
        assert (live.counts.dropped, live.counts.errors, live.counts.published) == (1, 0, 0)
    assert "image dropped" not in capfd.readouterr().err


def test_memory_does_not_grow_with_waiting_frames() -> None:
    shape = (480, 640, 3)
    with live_node(PlaneEngine(delay_s=0.25), listen=("depth/image_rect",), keep=False) as live:
        live.wait_ready()
        stream(live, 30.0, 2.0, shape)
        before = device_memory_mib("cpu")
        sent = stream(live, 30.0, 4.0, shape)
        growth = device_memory_mib("cpu") - before
        # Kept frames would add sent * 0.9 MiB (over 30 MiB).
        assert sent * 0.9 > 30
        assert growth < 15


def state(live: Live) -> int:
    client = live.partner.node.create_client(GetState, "depth_node/get_state")
    assert client.wait_for_service(10)
    future = client.call_async(GetState.Request())
    wait_until(future.done, what="state")
    return int(future.result().current_state.id)


def test_lifecycle_by_a_manager() -> None:
    loaded: list[Any] = []
    engine = PlaneEngine(delay_s=0.2)
    with live_node(engine, {"autostart": False}) as live:
        loaded.append(live.node._engine)
        assert state(live) == State.PRIMARY_STATE_UNCONFIGURED
        assert loaded == [None]
        assert ask_for_state(live, Transition.TRANSITION_CONFIGURE)
        assert live.partner.images.get_subscription_count() == 0
        for _ in range(2):
            assert ask_for_state(live, Transition.TRANSITION_ACTIVATE)
            assert state(live) == State.PRIMARY_STATE_ACTIVE
            live.wait_ready()
            before = live.counts.published
            stream(live, 30.0, 0.5)
            # Deactivated in mid-inference: the frame under way ends, the one that waits is dropped.
            assert ask_for_state(live, Transition.TRANSITION_DEACTIVATE)
            assert live.settled()
            assert live.counts.published > before
            wait_until(lambda: live.partner.images.get_subscription_count() == 0, what="unsubscribed")
        received = live.counts.received
        stream(live, 30.0, 0.2)
        assert live.counts.received == received
        assert ask_for_state(live, Transition.TRANSITION_CLEANUP)
        assert live.node._engine is None
        assert ask_for_state(live, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
        assert state(live) == State.PRIMARY_STATE_FINALIZED


def test_a_model_that_does_not_load_leaves_the_node_unconfigured(capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("prv2_ros.inference.engine")  # here, as importing torch may take longer than the client waits
    with live_node(None, {"autostart": False, "model": "no-such-model", "device": "cpu"}) as live:
        assert not ask_for_state(live, Transition.TRANSITION_CONFIGURE)
        assert state(live) == State.PRIMARY_STATE_UNCONFIGURED
        wait_until(logged(capfd, "cannot configure: no model 'no-such-model'"), what="reason in the log")


def test_a_publisher_that_cannot_be_made_leaves_none_of_the_others() -> None:
    override = {"qos_overrides./points.publisher.reliability": "bogus"}
    with live_node(PlaneEngine(), {"autostart": False, **override}) as live:
        for _ in range(2):
            assert not ask_for_state(live, Transition.TRANSITION_CONFIGURE)
            assert live.node.count_publishers("/depth/image_rect") == 0
        assert state(live) == State.PRIMARY_STATE_UNCONFIGURED


def test_a_stopped_run_is_let_go_at_once() -> None:
    """Its writers hold maps and buffers of a whole picture, 150 MB of them at 4K, and collections are rare."""
    with live_node(PlaneEngine(), listen=()) as live:
        wait_until(lambda: live.node._state == "active", what="active node")
        assert live.node._worker is not None
        kept = weakref.ref(live.node._worker._process)
        gc.disable()
        try:
            assert change_state(live, Transition.TRANSITION_DEACTIVATE)
            wait_until(lambda: kept() is None, what="pipeline gone")
        finally:
            gc.enable()


def test_a_device_that_is_broken_does_not_keep_the_node_from_its_end(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_device: object) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    with live_node(PlaneEngine(), listen=()) as live:
        wait_until(lambda: live.node._state == "active", what="active node")
        monkeypatch.setattr(node_module, "release_memory", broken)
        assert change_state(live, Transition.TRANSITION_DEACTIVATE)
        assert change_state(live, Transition.TRANSITION_CLEANUP)
        assert live.node._state == "unconfigured"
        assert live.node.inference_ended(5.0), "the thread is held by nobody"
    assert "was not given back: CUDA error: an illegal memory access" in capfd.readouterr().err


def status(live: Live) -> Any:
    return live.partner.received["/diagnostics"][-1].status[0]


def test_a_transition_that_does_not_fit_is_refused_and_the_node_lives_on(capfd: pytest.CaptureFixture[str]) -> None:
    said = logged(capfd, "refused when active")
    with live_node(PlaneEngine()) as live:
        live.wait_ready()
        for transition in (
            Transition.TRANSITION_CONFIGURE,
            Transition.TRANSITION_CLEANUP,
            Transition.TRANSITION_ACTIVATE,
        ):
            assert not ask_for_state(live, transition)
        wait_until(said, what="reason in the log")
        assert state(live) == State.PRIMARY_STATE_ACTIVE
        assert ask_for_state(live, Transition.TRANSITION_DEACTIVATE)
        assert not ask_for_state(live, Transition.TRANSITION_DEACTIVATE)
        assert ask_for_state(live, Transition.TRANSITION_ACTIVATE)
        assert not live.errors


def test_diagnostics_count_and_warn() -> None:
    with live_node(PlaneEngine(), {"input_timeout_s": 1.5}) as live:
        live.wait_ready()
        wait_until(lambda: live.partner.received["/diagnostics"] and "no image yet" in status(live).message)
        live.send_info(info_message(64, 48))
        stream(live, 20.0, 2.5)
        values = live.partner.status()
        assert status(live).level == b"\0"
        assert status(live).name == "/depth_node: depth"
        assert 0 < float(values["rate (Hz)"]) < 25
        assert 0 < float(values["latency p50 (ms)"]) <= float(values["latency p95 (ms)"])
        assert float(values["stamp age p50 (ms)"]) > 0
        assert (values["device"], values["model"], values["state"]) == ("cpu", "plane", "active")
        assert float(values["device memory (MiB)"]) > 10
        bad = image_message(np.zeros((4, 4, 3), np.uint8))
        bad.step = 1
        live.partner.images.publish(bad)
        wait_until(lambda: "1 bad messages in the last 1 s" in status(live).message, what="warning of a bad message")
        assert live.partner.status()["frames with errors"] == "1"
        wait_until(lambda: "no image for" in status(live).message, what="warning of missing input")
        assert status(live).level == b"\1"


def run_node(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "prv2_ros.ros.main", "--ros-args", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("-p", "points.stide:=2"), "unknown parameter points.stide: did you mean points.stride?"),
        (("-p", "depth_encoding:=mono8"), "must be one of 32FC1, 16UC1"),
        (("-p", "min_depth_m:=.nan"), "must lie in 0 to 1000 m"),
        (("--params-file", "no/such.yaml"), "no/such.yaml"),
        (("-p", "model:=no-such-model", "-p", "device:=cpu"), "cannot configure"),
    ],
)
def test_process_that_cannot_start_says_why_in_one_line(arguments: tuple[str, ...], text: str) -> None:
    done = run_node(*arguments)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert text in lines[0]
