"""Bytes of outgoing messages, kept from frame to frame.

A fresh buffer of some megabytes costs more in page faults than filling it, so each publisher keeps one message
and writes into its bytes through a numpy view. That is safe because `publish` serialises before it returns.
"""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class MessageBuffer:
    """The `data` field of one message as numpy arrays."""

    def __init__(self, message: Any) -> None:
        """Take a message with a field `data` of type uint8[]; nobody else may assign to that field."""
        self._message = message
        self._view: NDArray[Any] = np.empty(0, np.uint8)

    def view(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return a writable view of the message's bytes; they are new only where their number changed."""
        kind = np.dtype(dtype)
        if self._view.shape == shape and self._view.dtype == kind:
            return self._view
        size = int(np.prod(shape)) * kind.itemsize
        if len(self._message.data) != size:
            self._message.data = array.array("B", bytes(size))
        # Of the field, not of what was assigned: newer message classes copy an assigned array.
        self._view = np.frombuffer(self._message.data, kind).reshape(shape)
        return self._view
