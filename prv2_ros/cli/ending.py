"""SIGTERM as an exception: every `finally` then runs, and neither temporary files nor child processes stay behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_AGAIN_S = 0.05


class _Ended(SystemExit):
    """Raised by SIGTERM."""


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """Have SIGTERM raise SystemExit(143) in the block, as `end_on_sigterm` says."""
    hook = sys.unraisablehook
    installed = end_on_sigterm()
    try:
        yield
    finally:
        if installed:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            sys.unraisablehook = hook


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
            raise _Ended(128 + number)  # as a shell reports it
        # A forked child has inherited this, and none of what is to be undone: it ends as it would without.
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    signal.signal(signal.SIGTERM, end)
    _signal_again_what_is_swallowed()
    return True


def _signal_again_what_is_swallowed() -> None:
    """Python drops what is raised in a `__del__` or a callback of a weak reference, of which an import has many."""
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs, /) -> None:
        if not isinstance(unraisable.exc_value, _Ended):
            before(unraisable)
            return
        again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), signal.SIGTERM))
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
