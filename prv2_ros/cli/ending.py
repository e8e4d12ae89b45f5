"""SIGTERM as an exception: every `finally` then runs, and neither temporary files nor child processes stay behind."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 0.05


class _Ended(SystemExit):
    """Raised by SIGTERM."""


class _Watch:
    """Signals again where what was raised is gone and the block goes on.

    Python drops exceptions that are raised in a `__del__` or a callback of a weak reference, of which an import has
    many, and a bare `except` around an optional import takes any.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._raised: weakref.ref[_Ended] | None = None

    def watched(self, ended: _Ended) -> _Ended:
        self._raised = weakref.ref(ended, self._gone)  # while it is on its way up, the interpreter holds it
        return ended

    def _gone(self, _raised: weakref.ref[_Ended]) -> None:
        if not self.is_over:
            again = threading.Timer(_AGAIN_S, self._signal)
            again.daemon = True
            again.start()

    def _signal(self) -> None:
        if not self.is_over:
            os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Have SIGTERM raise SystemExit(143) in the block, as `end_on_sigterm` says, until the block ends."""
    watch = _Watch()
    installed = end_on_sigterm(watch)
    try:
        yield
    finally:
        watch.is_over = True
        if installed:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def end_on_sigterm(watch: _Watch | None = None) -> bool:
    """Have SIGTERM raise SystemExit(143) in the main thread from now on; give whether it does.

    It does not where Python lets this thread install no handler, or SIGTERM is ignored or handled already.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return False
    process = os.getpid()

    def end(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == process:
            ended = 128 + number  # as a shell reports it
            # No variable here may hold it: it would hold itself, by its traceback, and never be seen to go.
            raise _Ended(ended) if watch is None else watch.watched(_Ended(ended))
        # A forked child has inherited this, and none of what is to be undone: it ends as it would without.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    return True
