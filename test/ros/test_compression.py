"""Compressed depth, which takes its time, beside everything else of a frame."""

from __future__ import annotations

import threading
from typing import Any

import pytest

pytest.importorskip("rclpy", reason="needs rclpy and message packages")
from pipeline_bench import GREY, Bench
from ros_fakes import image_message, info_message

from prv2_ros.ros.infos import CameraInfos
from prv2_ros.ros.parameters import resolve
from prv2_ros.ros.pipeline import Frame


class Held:
    """Keeps the publisher of compressed depth until it is let go."""

    def __init__(self, bench: Bench) -> None:
        self.entered, self.gate = threading.Semaphore(0), threading.Event()
        self.stamps: list[int] = []
        bench.outlets["compressed_depth"].publish = self.publish  # type: ignore[method-assign]

    def publish(self, message: Any) -> None:
        self.entered.release()
        assert self.gate.wait(30)
        self.stamps.append(message.header.stamp.sec)


def give(bench: Bench, sec: int) -> None:
    """Process a frame without waiting for its compressed depth."""
    infos = CameraInfos()
    infos.add(info_message(64, 48))
    arrival = bench.statistics.image_arrived()
    message = image_message(GREY, sec=sec)
    bench.pipeline(Frame(message=message, info=None, infos=infos, settings=resolve({}), arrival=arrival))


def test_compression_holds_nothing_up_and_takes_the_newest() -> None:
    bench = Bench()
    held = Held(bench)
    give(bench, 1)
    assert held.entered.acquire(timeout=30)
    for sec in (2, 3, 4):
        give(bench, sec)
    assert [message.header.stamp.sec for message in bench.outlets["depth"].sent] == [1, 2, 3, 4]
    assert bench.statistics.snapshot().counts.published == 4
    held.gate.set()
    assert held.entered.acquire(timeout=30)
    bench.pipeline.stop(30)
    assert held.stamps == [1, 4]


def test_stopping_waits_for_the_one_under_way_and_begins_no_other() -> None:
    bench = Bench()
    held = Held(bench)
    give(bench, 1)
    assert held.entered.acquire(timeout=30)
    give(bench, 2)
    threading.Timer(0.2, held.gate.set).start()
    bench.pipeline.stop(30)
    assert held.stamps == [1]
    give(bench, 3)
    assert [message.header.stamp.sec for message in bench.outlets["depth"].sent] == [1, 2], "it is stopped altogether"
    assert held.stamps == [1]


def test_a_fault_is_told_and_the_next_frame_is_compressed(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    publish = bench.outlets["compressed_depth"].publish

    def fail(message: Any) -> None:
        raise RuntimeError("no room")

    bench.outlets["compressed_depth"].publish = fail  # type: ignore[method-assign]
    bench.process(info_message(64, 48), sec=1)
    assert [r.message for r in caplog.records if "compressed" in r.message] == [
        "depth not compressed: RuntimeError: no room"
    ]
    bench.outlets["compressed_depth"].publish = publish  # type: ignore[method-assign]
    bench.process(info_message(64, 48), sec=2)
    assert bench.sent("compressed_depth").header.stamp.sec == 2
    assert len(bench.outlets["depth"].sent) == 2


def test_without_a_subscriber_there_is_no_thread_for_it() -> None:
    bench = Bench()
    bench.outlets["compressed_depth"].subscribers = 0
    before = threading.active_count()
    bench.process(info_message(64, 48))
    assert threading.active_count() == before
    assert not bench.outlets["compressed_depth"].sent
