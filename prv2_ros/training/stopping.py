"""How a run ends before its time: a signal or an error of its batches stops it between two steps, not within one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

from prv2_ros.training.feed import Batch

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_S = 5.0  # for a batch once a signal has come; who sent it may not wait for more than 30


class Stop:
    """Holds back SIGINT and SIGTERM for a block of steps, and keeps why the run should end.

    The first signal takes effect once the step is done or the batch is there, which is not waited for longer than some
    seconds. Where one process trains, a second SIGINT ends it at once; with several, `torchrun` passes on a signal that
    the terminal has sent to all. Processes that load batches inherit the handlers and go on.
    """

    def __init__(self, *, alone: bool) -> None:
        """Prepare; `alone` says that this is the only process that trains."""
        self.cause: BaseException | None = None
        """What to raise once the run has ended; None where nothing speaks against going on."""

        self._alone = alone
        self._waiting = False
        self._timer: threading.Timer | None = None
        self._process = os.getpid()
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Stop:
        """Install the handlers, where Python lets this thread; a signal that is ignored (nohup) stays so."""
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put back the handlers that were there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()  # else its signal would come once the handlers are gone
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def next(self, batches: Iterator[Batch]) -> Batch | None:
        """Wait for a batch; None where there is a cause to stop. A batch that was not taken is made again later."""
        if self.cause is not None:
            return None
        try:
            self._waiting = True
            batch = next(batches)
            self._waiting = False
        except (Exception, KeyboardInterrupt) as error:
            self._waiting = False
            self.cause = self.cause or error
        return batch if self.cause is None else None

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            return
        again = self.cause is not None
        self.cause = self.cause or _cause(number)
        self._ignore_workers()
        if again and (self._waiting or (self._alone and number == signal.SIGINT)):
            self._waiting = False
            raise KeyboardInterrupt
        if self._waiting:
            # Not at once: a worker process would complain of a batch that is left in the middle of its way.
            main = threading.main_thread().ident
            timer = threading.Timer(_PATIENCE_S, signal.pthread_kill, (main, signal.SIGTERM))
            timer.daemon = True
            timer.start()
            self._timer = timer

    def _ignore_workers(self) -> None:
        """Let processes that load batches end: a signal to all of them would else raise an error within a step."""
        if signal.SIGCHLD not in self._before and callable(signal.getsignal(signal.SIGCHLD)):
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)


def _cause(number: int) -> BaseException:
    """Exceptions that give the exit codes of a shell: 130 and 143."""
    return KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number)
