"""Which camera info belongs to a frame."""

from __future__ import annotations

import threading
import time

import pytest

pytest.importorskip("rclpy", reason="needs rclpy and sensor_msgs")
from builtin_interfaces.msg import Time
from ros_fakes import info_message

from prv2_ros.ros import infos as module
from prv2_ros.ros.infos import KEPT, CameraInfos


def stamped(sec: int, f_px: float) -> object:
    message = info_message(64, 48, f_px=f_px)
    message.header.stamp.sec = sec
    return message


def test_a_frame_finds_the_info_of_its_stamp_and_else_the_newest() -> None:
    infos = CameraInfos()
    assert infos.newest is None
    assert infos.of(Time(sec=1)) is None
    for sec in (1, 2, 3):
        infos.add(stamped(sec, 10.0 * sec))
    assert infos.of(Time(sec=2)).k[0] == 20.0
    assert infos.of(Time(sec=9)).k[0] == infos.newest.k[0] == 30.0
    infos.add(stamped(2, 25.0))
    assert infos.of(Time(sec=2)).k[0] == 25.0, "sent again: the later one counts"
    infos.clear()
    assert infos.of(Time(sec=2)) is None


def test_an_info_that_comes_after_its_image_is_waited_for_where_the_one_before_had_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "WAIT_S", 20.0)
    infos = CameraInfos()
    infos.add(stamped(1, 10.0))
    start = time.monotonic()
    assert infos.of(Time(sec=5)).k[0] == 10.0
    assert time.monotonic() - start < 10, "no info came with an image's stamp so far: none is awaited"
    assert infos.own(Time(sec=1)).k[0] == 10.0
    late = threading.Timer(0.05, infos.add, [stamped(2, 20.0)])
    late.start()
    assert infos.of(Time(sec=2)).k[0] == 20.0
    late.join()


def test_a_camera_whose_infos_have_stopped_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_S", 0.05)
    infos = CameraInfos()
    infos.add(stamped(1, 10.0))
    assert infos.of(Time(sec=1)).k[0] == 10.0
    assert infos.of(Time(sec=2)).k[0] == 10.0, "it did not come in time: the newest counts"
    monkeypatch.setattr(module, "WAIT_S", 20.0)
    start = time.monotonic()
    assert infos.of(Time(sec=3)).k[0] == 10.0
    assert time.monotonic() - start < 10


def test_only_the_latest_are_kept() -> None:
    infos = CameraInfos()
    for sec in range(1000):
        infos.add(stamped(sec, 10.0 + sec))
    assert infos.of(Time(sec=1000 - KEPT)).k[0] == 10.0 + 1000 - KEPT
    assert infos.of(Time(sec=999 - KEPT)).k[0] == 10.0 + 999, "forgotten: the newest counts"
