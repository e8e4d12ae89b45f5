"""SIGTERM as an exception: every `finally` then runs, and neither temporary files nor child processes stay behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Have SIGTERM raise SystemExit(143) in the block, as `end_on_sigterm` says."""
    installed = end_on_sigterm()
    try:
        yield
    finally:
        if installed:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def end_on_sigterm() -> bool:
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
            raise SystemExit(128 + number)  # as a shell reports it
        # A forked child has inherited this, and none of what is to be undone: it ends as it would without.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    return True
