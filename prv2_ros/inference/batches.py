"""What is done where a GPU's memory runs out: smaller batches, and an error that names the way out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch

from prv2_ros.errors import DeviceMemoryError

_logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")


@contextmanager
def memory_for_image(height: int, width: int) -> Iterator[None]:
    """Say so where a GPU has too little memory for what is done with an image of this size (px) in the block.

    Raises:
        DeviceMemoryError: memory ran out.

    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"GPU memory ran out with an image of {width}x{height} px: make it smaller, and its camera with "
            f"camera.resized, or use device cpu"
        ) from error


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
            DeviceMemoryError: there is no memory for a single item.

        """
        start = 0
        while start < len(items):
            batch = items[start : start + self.size]
            try:
                answer = compute(batch)
            except torch.cuda.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise DeviceMemoryError(
                        f"GPU memory ran out with a single {self._what}: {self._way_out}"
                    ) from error
            else:
                yield batch, answer
                start += len(batch)
                continue
            # Only here: in the `except` the traceback still holds the failed batch's tensors, which are to be freed.
            self._halve(len(batch))

    def _halve(self, failed: int) -> None:
        self.size = failed // 2
        _logger.warning("GPU memory ran out with %d %s at once: using %d from now on", failed, self._whats, self.size)
        torch.cuda.empty_cache()
