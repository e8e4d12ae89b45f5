"""Log lines: at which level, how often, and with what of an error."""

from __future__ import annotations

import logging

import pytest

from prv2_ros.ros.reporter import Reporter, RosLogs
from prv2_ros.ros.statistics import Throttle


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def reporter(clock: Clock) -> Reporter:
    return Reporter(logging.getLogger("reporter"), Throttle(1.0, clock))


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.message) for record in caplog.records]


def test_a_warning_is_said_once_until_it_is_forgotten(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = reporter(clock)
    for kind, text in (("a", "first"), ("a", "second"), ("b", "other")):
        log.warn_once(kind, text)
    log.forget("a")
    log.warn_once("a", "too soon")
    log.forget("a")
    clock.now += 1.0
    log.forget("never said")
    for kind, text in (("a", "third"), ("b", "fourth")):
        log.warn_once(kind, text)
    assert told(caplog) == [
        ("WARNING", "first"),
        ("WARNING", "other"),
        ("WARNING", "third (1 more like this since the last report)"),
    ]


def test_a_failure_is_an_error_whose_traceback_is_for_debugging(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    log = reporter(clock)
    with caplog.at_level(logging.DEBUG):
        for _ in range(2):
            try:
                raise RuntimeError("out of luck")
            except RuntimeError as error:
                log.failure("inference", "image dropped", error)
        clock.now += 1.0
        log.warn("inference", "image dropped")
    (first, text), (second, trace), last = told(caplog)
    assert (first, text, second) == ("ERROR", "image dropped", "DEBUG")
    assert "test_reporter.py" in trace
    assert trace.rstrip().endswith("RuntimeError: out of luck")
    assert last == ("WARNING", "image dropped (1 more like this since the last report)")


def test_what_lower_layers_log_is_passed_on_at_its_level(caplog: pytest.LogCaptureFixture) -> None:
    lower = logging.getLogger("lower_layer")
    handler = RosLogs(logging.getLogger("rclpy_s"))
    lower.addHandler(handler)
    lower.propagate = False  # caplog listens at the root
    try:
        lower.warning("batch of %d does not fit: %d from now on", 4, 2)
        lower.error("lost")
        lower.log(logging.CRITICAL, "gone")
        lower.debug("noise")
    finally:
        lower.removeHandler(handler)
    assert told(caplog) == [("WARNING", "batch of 4 does not fit: 2 from now on"), ("ERROR", "lost"), ("ERROR", "gone")]
