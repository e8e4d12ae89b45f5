"""Inference in its own thread, newest frame first and only; one thread may serve several cameras."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from prv2_ros.errors import DeviceError

PATIENCE_S = 120.0
"""How long the item of another worker may take before a call gives up (s)."""

_SLICE_S = 0.2  # between looks at whether a call is still wanted

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class InferenceThread:
    """Serves its workers in turn, one item at a time, so that they may share an engine.

    A worker's item is chosen when its turn comes, not before: what it processes is the newest it has, however many
    others were served meanwhile. The thread lives while it has workers or is held.
    """

    def __init__(self, *, name: str = "inference") -> None:
        self.changed = threading.Condition()
        """Guards the state of all workers; notified when any of it changes."""
        self.last_done = time.monotonic()
        """When the last item was (s, monotonic)."""
        self._name = name
        self._workers: list[NewestFrameWorker[Any]] = []
        self._holders = 0
        self._running = False
        self._thread: threading.Thread | None = None

    def add(self, worker: NewestFrameWorker[Any]) -> None:
        """Serve a worker, from now until it is stopped."""
        with self.changed:
            self._workers.append(worker)
            self._start()

    def hold(self) -> None:
        """Keep the thread without workers, too, until `let_go`: what an engine compiles may belong to one thread."""
        with self.changed:
            self._holders += 1
            self._start()

    def let_go(self) -> None:
        """Take back one `hold`."""
        with self.changed:
            self._holders -= 1
            self.changed.notify_all()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread's end, once nobody needs it; False where it is not over in that time."""
        thread = self._thread
        if thread is None:
            return True
        thread.join(timeout_s)
        return not thread.is_alive()

    def call(self, function: Callable[[], Answer], running: Callable[[], bool] = lambda: True) -> Answer:
        """Run a function in the thread when its turn comes, and return or raise what it does.

        Args:
            function: what to run.
            running: whether its answer is still wanted; looked at now and then while it takes its time.

        Raises:
            DeviceError: the answer is not wanted any more, or the thread has done nothing else for `PATIENCE_S`.

        """
        answers: list[Answer] = []
        errors: list[BaseException] = []

        def process(function: Callable[[], Answer]) -> None:
            try:
                answers.append(function())
            except Exception as error:
                errors.append(error)

        worker = NewestFrameWorker(process, self)
        worker.submit(function)
        with self.changed:
            while worker.pending() and running() and (worker.is_busy or worker.stalled_s() < PATIENCE_S):
                self.changed.wait(_SLICE_S)
        worker.stop(0.0)
        if errors:
            raise errors.pop()  # kept here, the error would hold this frame, and so itself and all that it has seen
        if answers:
            return answers[0]
        if running():
            raise DeviceError(
                f"the inference thread has been busy for {PATIENCE_S:g} s with a frame: restart the process"
            )
        raise DeviceError("told to end meanwhile")

    def _start(self) -> None:
        if not self._running:
            self._running = True
            # A daemon: a process must not hang at its end because an inference does.
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while (worker := self._next()) is not None:
            try:
                worker.process_waiting()
            except Exception:  # others are served here, too
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    def _next(self) -> NewestFrameWorker[Any] | None:
        """Wait for a worker with an item and move it to the end of the queue; None once nobody needs the thread."""
        with self.changed:
            while True:
                self._workers = [worker for worker in self._workers if not worker.stopped]
                if not self._workers and not self._holders:
                    self._running = False
                    return None
                for worker in self._workers:
                    if worker.pending():
                        self._workers.remove(worker)
                        self._workers.append(worker)
                        return worker
                self.changed.wait()


class NewestFrameWorker(Generic[Item]):
    """Runs `process` on one item at a time; while it is busy, the newest item waits and replaces older ones.

    There is no queue: whatever the inference time, an item is processed next if nothing newer came, so its
    latency stays below two inference times and memory does not grow.
    """

    def __init__(self, process: Callable[[Item], None], thread: InferenceThread | None = None) -> None:
        """Take `process`, which handles its own errors, and the thread that calls it (default: one of its own)."""
        self._process: Callable[[Item], None] | None = process
        self._thread = thread or InferenceThread()
        self._changed = self._thread.changed
        self._waiting: Item | None = None
        self._pending_since = 0.0
        self._busy: threading.Thread | None = None
        self.stopped = False
        self._thread.add(self)

    def submit(self, item: Item) -> Item | None:
        """Hand over an item; return the one that waited and is now replaced, or the item itself once stopped."""
        with self._changed:
            if self.stopped:
                return item
            if not self.pending():
                self._pending_since = time.monotonic()
            replaced, self._waiting = self._waiting, item
            self._changed.notify_all()
            return replaced

    def pending(self) -> int:
        """Return how many items are waiting or being processed (0 to 2)."""
        with self._changed:
            return int(self._busy is not None) + int(self._waiting is not None)

    @property
    def is_busy(self) -> bool:
        """True while an item of this worker is being processed."""
        with self._changed:
            return self._busy is not None

    def stalled_s(self) -> float:
        """Return for how long there has been an item and the thread has done none (s), 0 where there is none."""
        with self._changed:
            since = max(self._pending_since, self._thread.last_done)
            return time.monotonic() - since if self.pending() else 0.0

    def stop(self, timeout_s: float = 30.0) -> Item | None:
        """Finish the item being processed and take no more; return the item that still waited, if any.

        Where that item takes longer than `timeout_s`, `ended` stays False until it is done.
        """
        with self._changed:
            self.stopped = True
            left, self._waiting = self._waiting, None
            self._changed.notify_all()
            if self._busy is not threading.current_thread():
                self._changed.wait_for(lambda: self._busy is None, timeout_s)
            self._forget()
        return left

    @property
    def ended(self) -> bool:
        """True once it is stopped and nothing is being processed."""
        with self._changed:
            return self.stopped and self._busy is None

    def process_waiting(self) -> None:
        """Process the item that waits, if there is one still; for the inference thread."""
        with self._changed:
            item, self._waiting = self._waiting, None
            process = self._process
            if item is None or process is None:
                return
            self._busy = threading.current_thread()
        try:
            process(item)
        finally:
            # An item kept in this frame's locals would keep its image alive until the next one.
            del item, process
            with self._changed:
                self._busy = None
                self._thread.last_done = time.monotonic()
                self._forget()
                self._changed.notify_all()

    def _forget(self) -> None:
        """Let go of what `process` holds, an engine say, once it is not wanted again; the thread may wait for long."""
        if self.stopped and self._busy is None:
            self._process = None
