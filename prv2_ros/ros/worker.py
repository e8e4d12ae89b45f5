"""Inference in its own thread, newest frame first and only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NewestFrameWorker(Generic[Item]):
    """Runs `process` on one item at a time; while it is busy, the newest item waits and replaces older ones.

    There is no queue: whatever the inference time, an item is processed next if nothing newer came, so its
    latency stays below two inference times and memory does not grow.
    """

    def __init__(self, process: Callable[[Item], None], *, name: str = "inference") -> None:
        """Take `process`, which is called in the worker's thread and handles its own errors."""
        self._process = process
        self._condition = threading.Condition()
        self._waiting: Item | None = None
        self._busy = False
        self._stopping = False
        # A daemon: a process must not hang at its end because an inference does.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> Item | None:
        """Hand over an item; return the one that waited and is now replaced, or the item itself once stopped."""
        with self._condition:
            if self._stopping:
                return item
            replaced, self._waiting = self._waiting, item
            self._condition.notify()
            return replaced

    def pending(self) -> int:
        """Return how many items are waiting or being processed (0 to 2)."""
        with self._condition:
            return int(self._busy) + int(self._waiting is not None)

    def stop(self, timeout_s: float = 30.0) -> Item | None:
        """Finish the item being processed and end the thread; return the item that still waited, if any.

        Where that item takes longer than `timeout_s`, `ended` stays False: the thread ends when it is done.
        """
        with self._condition:
            self._stopping = True
            left, self._waiting = self._waiting, None
            self._condition.notify()
        if self._thread is not threading.current_thread():
            self._thread.join(timeout_s)
        return left

    @property
    def ended(self) -> bool:
        """True once the thread has ended."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._condition:
                while self._waiting is None and not self._stopping:
                    self._condition.wait()
                if self._waiting is None:
                    return
                item, self._waiting = self._waiting, None
                self._busy = True
            try:
                self._process(item)
            finally:
                # An item kept in this frame's locals would keep its image alive until the next one.
                del item
                with self._condition:
                    self._busy = False
