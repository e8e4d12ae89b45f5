"""The inference thread: newest item first and only, nothing lost from the books."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from prv2_ros.ros.worker import InferenceThread, NewestFrameWorker


class Gate:
    """A process function that waits until it is let through."""

    def __init__(self) -> None:
        self.done: list[int] = []
        self.started = threading.Semaphore(0)
        self.open = threading.Semaphore(0)

    def __call__(self, item: int) -> None:
        self.started.release()
        assert self.open.acquire(timeout=10)
        self.done.append(item)


def test_newest_waiting_item_replaces_older_ones() -> None:
    gate = Gate()
    worker = NewestFrameWorker(gate)
    assert worker.submit(0) is None
    assert gate.started.acquire(timeout=5)
    assert [worker.submit(n) for n in (1, 2, 3)] == [None, 1, 2]
    assert worker.pending() == 2
    gate.open.release()
    assert gate.started.acquire(timeout=5)
    gate.open.release()
    assert worker.stop() is None
    assert gate.done == [0, 3]


def test_stop_ends_the_current_item_and_gives_the_waiting_one_back() -> None:
    gate = Gate()
    worker = NewestFrameWorker(gate)
    worker.submit(7)
    assert gate.started.acquire(timeout=5)
    worker.submit(8)
    gate.open.release()
    assert worker.stop() == 8
    assert gate.done == [7]
    assert worker.submit(9) == 9
    assert worker.pending() == 0


def test_stop_that_takes_too_long_says_so() -> None:
    gate = Gate()
    worker = NewestFrameWorker(gate)
    worker.submit(1)
    assert gate.started.acquire(timeout=5)
    worker.submit(2)
    assert worker.stop(timeout_s=0.05) == 2, "what waits is given back all the same"
    assert not worker.ended
    gate.open.release()
    assert worker.stop() is None
    assert worker.ended


def test_every_item_is_processed_or_given_back_once() -> None:
    seen: list[int] = []

    def process(item: int) -> None:
        time.sleep(0.0005)
        seen.append(item)

    worker = NewestFrameWorker(process)
    returned = []
    for item in range(500):
        replaced = worker.submit(item)
        if replaced is not None:
            returned.append(replaced)
        time.sleep(0.0001)
    left = worker.stop()
    returned += [] if left is None else [left]
    assert sorted(seen + returned) == list(range(500))
    assert seen == sorted(seen)
    assert len(seen) > 10


def test_an_idle_worker_ends_when_it_is_told_to() -> None:
    gate = Gate()
    worker = NewestFrameWorker(gate)
    worker.submit(1)
    assert gate.started.acquire(timeout=10)
    gate.open.release()
    _until_idle(worker)
    assert worker.stop(timeout_s=10.0) is None
    assert worker.ended


def test_a_processed_item_is_let_go() -> None:
    class Image:
        pass

    worker: NewestFrameWorker[Image] = NewestFrameWorker(lambda item: None)
    image = Image()
    kept = weakref.ref(image)
    worker.submit(image)
    del image
    _until_idle(worker)
    assert kept() is None, "a frame must not stay in memory until the next one comes"
    worker.stop()


def test_an_item_may_stop_its_own_worker() -> None:
    stopped: list[object] = []
    worker: NewestFrameWorker[int] = NewestFrameWorker(lambda item: stopped.append(worker.stop()))
    worker.submit(1)
    _until(lambda: worker.ended)
    assert stopped == [None]


def test_a_process_does_not_wait_for_an_inference_that_hangs() -> None:
    program = """
import threading
from prv2_ros.ros.worker import NewestFrameWorker
started = threading.Event()
NewestFrameWorker(lambda item: (started.set(), threading.Event().wait())).submit(1)
assert started.wait(60)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_workers_of_one_thread_take_turns_with_the_newest_they_have() -> None:
    gate, thread = Gate(), InferenceThread()
    left, middle, right = (NewestFrameWorker(gate, thread) for _ in range(3))
    left.submit(10)
    assert gate.started.acquire(timeout=5)
    for item in (11, 12):
        left.submit(item)
    assert [right.submit(item) for item in (30, 31)] == [None, 30]
    middle.submit(20)
    for _ in range(3):
        gate.open.release()
        assert gate.started.acquire(timeout=5)
    assert right.pending() == middle.pending() == 0, "left, served first, comes last"
    gate.open.release()
    _until_idle(left)
    assert gate.done == [10, 20, 31, 12]
    assert [worker.stop() for worker in (left, middle, right)] == [None, None, None]


def test_a_worker_stops_while_another_is_served() -> None:
    gate, thread = Gate(), InferenceThread()
    busy, waiting = NewestFrameWorker(gate, thread), NewestFrameWorker(gate, thread)
    busy.submit(1)
    assert gate.started.acquire(timeout=5)
    waiting.submit(2)
    before = time.monotonic()
    assert waiting.stop(timeout_s=30.0) == 2
    assert waiting.ended
    assert time.monotonic() - before < 5
    gate.open.release()
    _until_idle(busy)
    assert gate.done == [1]
    busy.stop()


def test_an_error_in_one_worker_leaves_the_others_served(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    thread = InferenceThread()
    seen: list[int] = []

    def fail(item: int) -> None:
        raise ValueError("out of luck")

    broken, sound = NewestFrameWorker(fail, thread), NewestFrameWorker(seen.append, thread)
    for item in range(2):
        broken.submit(item)
        _until_idle(broken)
        sound.submit(item)
        _until_idle(sound)
    assert seen == [0, 1]
    assert [str(arguments.exc_value) for arguments in told] == ["out of luck"] * 2
    assert (broken.stop(), sound.stop()) == (None, None)


def test_a_stopped_worker_lets_go_of_what_it_was_to_call() -> None:
    class Pipeline:
        def __call__(self, item: int) -> None:
            pass

    thread = InferenceThread()
    thread.hold()
    for served in (False, True):
        pipeline = Pipeline()
        kept = weakref.ref(pipeline)
        worker = NewestFrameWorker(pipeline, thread)
        if served:
            worker.submit(1)
            _until_idle(worker)
        worker.stop()
        del pipeline
        gc.collect()
        assert kept() is None, "an engine would stay in memory until another camera's next frame"
    thread.let_go()


def test_other_cameras_turns_are_no_stall() -> None:
    gate, thread = Gate(), InferenceThread()
    slow, waiting = NewestFrameWorker(gate, thread), NewestFrameWorker(gate, thread)
    slow.submit(1)
    assert gate.started.acquire(timeout=5)
    waiting.submit(2)
    time.sleep(0.3)
    assert waiting.stalled_s() >= 0.3
    slow.submit(3)
    gate.open.release()
    assert gate.started.acquire(timeout=5)
    assert waiting.stalled_s() < 0.3, "something was done"
    gate.open.release(2)
    _until_idle(slow)
    _until_idle(waiting)
    assert (slow.stop(), waiting.stop()) == (None, None)


def test_how_long_items_have_been_in_hand_without_one_being_done() -> None:
    gate = Gate()
    worker = NewestFrameWorker(gate)
    assert worker.stalled_s() == 0.0
    worker.submit(1)
    time.sleep(0.5)
    worker.submit(2)
    held_s = worker.stalled_s()
    assert held_s >= 0.5, "counted from the first"
    gate.open.release()
    assert gate.started.acquire(timeout=5)
    assert gate.started.acquire(timeout=5)
    assert worker.stalled_s() < held_s, "counted from the last that was done"
    gate.open.release()
    _until_idle(worker)
    assert worker.stalled_s() == 0.0
    worker.stop()


def test_a_thread_without_workers_ends_and_one_comes_back_with_the_next() -> None:
    thread = InferenceThread(name="inference of this test")

    def running() -> int:
        return sum(each.name == "inference of this test" for each in threading.enumerate())

    for round_ in range(3):
        seen: list[int] = []
        worker = NewestFrameWorker(seen.append, thread)
        worker.submit(round_)
        _until(lambda seen=seen: seen)
        assert running() == 1
        worker.stop()
        _until(lambda: running() == 0)


def _until_idle(worker: NewestFrameWorker) -> None:
    _until(lambda: not worker.pending())


def _until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "not within 10 s"
        time.sleep(0.001)
