"""Work in batches that shrink where a GPU's memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from prv2_ros.errors import DeviceError

_logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batches:
    """Size of the batches of one kind of work; halved for good when the GPU's memory runs out, and said so once."""

    def __init__(self, size: int, what: str, whats: str, way_out: str) -> None:
        """Start with `size` items at once.

        Args:
            size: items at once.
            what: an item's name in messages.
            whats: the name of several.
            way_out: what helps where there is no memory for one.

        """
        self.size = size
        self._what, self._whats = what, whats
        self._way_out = way_out

    def run(
        self, items: Sequence[Item], compute: Callable[[Sequence[Item]], Answer]
    ) -> Iterator[tuple[Sequence[Item], Answer]]:
        """Yield each batch with its answer, in order.

        Raises:
            DeviceError: there is no memory for a single item.

        """
        start = 0
        while start < len(items):
            batch = items[start : start + self.size]
            try:
                answer = compute(batch)
            except torch.cuda.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise DeviceError(f"GPU memory ran out with a single {self._what}: {self._way_out}") from error
                self.size = len(batch) // 2
                _logger.warning(
                    "GPU memory ran out with %d %s at once: using %d from now on", len(batch), self._whats, self.size
                )
                torch.cuda.empty_cache()
                continue
            yield batch, answer
            start += len(batch)
