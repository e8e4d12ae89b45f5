"""Inference in its own thread, newest frame first and only; one thread may serve several cameras."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")


class InferenceThread:
    """Serves its workers in turn, one item at a time, so that they may share an engine.

    A worker's item is chosen when its turn comes, not before: what it processes is the newest it has, however many
    others were served meanwhile. The thread lives while it has workers.
    """

    def __init__(self, *, name: str = "inference") -> None:
        self.changed = threading.Condition()
        """Guards the state of all workers; notified when any of it changes."""
        self._name = name
        self._workers: list[NewestFrameWorker[Any]] = []
        self._running = False
        self.busy = False
        """True while an item is being processed."""

    def add(self, worker: NewestFrameWorker[Any]) -> None:
        """Serve a worker, from now until it is stopped."""
        with self.changed:
            self._workers.append(worker)
            if not self._running:
                self._running = True
                # A daemon: a process must not hang at its end because an inference does.
                threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def _run(self) -> None:
        while (worker := self._next()) is not None:
            worker.process_waiting()

    def _next(self) -> NewestFrameWorker[Any] | None:
        """Wait for a worker with an item and move it to the end of the queue; None once there are no workers."""
        with self.changed:
            while True:
                self._workers = [worker for worker in self._workers if not worker.stopped]
                if not self._workers:
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
        self._process = process
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

    def stalled_s(self) -> float:
        """Return for how long there has been an item and none was done (s), 0 where there is none."""
        with self._changed:
            return time.monotonic() - self._pending_since if self.pending() else 0.0

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
            if item is None:
                return
            self._busy, self._thread.busy = threading.current_thread(), True
        try:
            self._process(item)
        finally:
            # An item kept in this frame's locals would keep its image alive until the next one.
            del item
            with self._changed:
                self._busy, self._thread.busy = None, False
                self._pending_since = time.monotonic()
                self._changed.notify_all()
