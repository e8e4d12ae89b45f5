"""Log lines of the node: repeated ones at most once a second, one-off ones once."""

from __future__ import annotations

import logging
import traceback
from typing import Any

from prv2_ros.ros.statistics import Throttle


class Reporter:
    """Thin layer over an rclpy logger."""

    def __init__(self, logger: Any, throttle: Throttle | None = None) -> None:
        self._logger = logger
        self._throttle = throttle or Throttle()
        self._said: set[str] = set()

    def warn(self, kind: str, text: str) -> None:
        """Log a warning unless one of the same kind was logged within the last second."""
        passed = self._throttle.pass_text(kind, text)
        if passed is not None:
            self._logger.warning(passed)

    def failure(self, kind: str, text: str, error: BaseException) -> None:
        """Log an error, under the same limit as `warn`, with the traceback at debug level."""
        passed = self._throttle.pass_text(kind, text)
        if passed is not None:
            self._logger.error(passed)
            self._logger.debug("".join(traceback.format_exception(type(error), error, error.__traceback__)))

    def warn_once(self, kind: str, text: str) -> None:
        """Log a warning the first time, and again only after `forget`, under the same limit as `warn`."""
        if kind not in self._said:
            self._said.add(kind)
            self.warn(f"once {kind}", text)

    def forget(self, kind: str) -> None:
        """Let `warn_once` say this kind again."""
        self._said.discard(kind)

    def info(self, text: str) -> None:
        """Log as information."""
        self._logger.info(text)

    def error(self, text: str) -> None:
        """Log as an error."""
        self._logger.error(text)


class RosLogs(logging.Handler):
    """Passes on what the layers below log (a batch made smaller, compiling that failed), so that it reaches /rosout."""

    def __init__(self, logger: Any) -> None:
        """Take the rclpy logger."""
        super().__init__(logging.WARNING)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log a warning or an error; each level has a line of its own, as rclpy asks."""
        try:
            text = self.format(record)
            if record.levelno >= logging.ERROR:
                self._logger.error(text)
            else:
                self._logger.warning(text)
        except Exception:  # as handlers do: who logs is not to fail of it
            self.handleError(record)
