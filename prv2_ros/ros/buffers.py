"""Bytes of outgoing messages, kept from frame to frame.

A fresh buffer of some megabytes costs more in page faults than filling it, so each publisher owns one and
writes into it through a numpy view. That is safe because `publish` serialises before it returns.
"""

from __future__ import annotations

import array
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class MessageBuffer:
    """An `array.array` of bytes for a message's `data` field, and the numpy view that fills it."""

    def __init__(self) -> None:
        self.data = array.array("B")
        self._view: NDArray[Any] = np.empty(0, np.uint8)

    def view(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return a writable view of `data` with this shape and dtype; `data` is new only where the size changed."""
        kind = np.dtype(dtype)
        if self._view.shape == shape and self._view.dtype == kind:
            return self._view
        size = int(np.prod(shape)) * kind.itemsize
        if len(self.data) != size:
            # A new object, not a resize: an earlier view still holds the old one.
            self.data = array.array("B", bytes(size))
        self._view = np.frombuffer(self.data, kind).reshape(shape)
        return self._view
