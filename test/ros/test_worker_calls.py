"""Functions that are called in the inference thread: their answers, their errors, and when waiting ends."""

from __future__ import annotations

import gc
import threading
import time
import weakref

import pytest
from test_worker import Gate

from prv2_ros.errors import DeviceError
from prv2_ros.ros import worker as worker_module
from prv2_ros.ros.worker import InferenceThread, NewestFrameWorker


def test_a_function_is_called_in_the_thread_and_its_answer_or_error_comes_back() -> None:
    thread = InferenceThread(name="inference of calls")
    thread.hold()
    assert thread.call(lambda: threading.current_thread().name) == "inference of calls"
    first = thread.call(threading.current_thread)
    assert thread.call(threading.current_thread) is first, "held: the same thread"
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda: 1 // 0)
    assert first.is_alive()
    assert not thread.join(0.01), "it is held"
    thread.let_go()
    assert thread.join(10)
    assert not first.is_alive()
    assert InferenceThread().join(0), "never begun"


def test_a_call_gives_up_where_its_answer_is_not_wanted_or_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "PATIENCE_S", 0.3)
    gate, thread = Gate(), InferenceThread()
    hanging = NewestFrameWorker(gate, thread)
    hanging.submit(0)
    assert gate.started.acquire(timeout=5)
    with pytest.raises(DeviceError, match=r"busy for 0\.3 s with a frame: restart the process"):
        thread.call(lambda: 1)
    with pytest.raises(DeviceError, match="told to end meanwhile"):
        thread.call(lambda: 1, running=lambda: False)
    gate.open.release()
    assert thread.call(lambda: 2) == 2
    with pytest.raises(DeviceError, match="told to end meanwhile"):  # a model that loads for long
        thread.call(lambda: time.sleep(0.5), running=lambda: False)
    assert thread.call(lambda: time.sleep(0.6) or 3) == 3, "its own work may take longer than the patience"
    hanging.stop()


def test_what_a_failed_call_has_seen_is_let_go() -> None:
    """A model that was half loaded, say: the next try needs its memory."""

    class Half:
        pass

    seen: list[weakref.ref[Half]] = []

    def fail() -> None:
        half = Half()
        seen.append(weakref.ref(half))
        raise RuntimeError("no memory")

    thread = InferenceThread()
    gc.disable()
    try:
        with pytest.raises(RuntimeError, match="no memory"):
            thread.call(fail)
        assert thread.call(lambda: seen[0]()) is None
    finally:
        gc.enable()
