from __future__ import annotations

import logging
import weakref

import pytest
import torch

from prv2_ros.errors import DeviceError
from prv2_ros.inference.batches import Batches


def test_every_item_is_computed_once_and_in_order() -> None:
    batches = Batches(3, "tile", "tiles", "buy more")
    done = [answer for _, answers in batches.run(range(8), list) for answer in answers]
    assert done == list(range(8))


def test_batches_are_halved_where_memory_runs_out(caplog: pytest.LogCaptureFixture) -> None:
    def compute(part: range) -> list[int]:
        if len(part) > 2:
            raise torch.cuda.OutOfMemoryError
        return list(part)

    batches = Batches(8, "patch", "patches", "buy more")
    with caplog.at_level(logging.WARNING):
        sizes = [len(part) for part, _ in batches.run(range(7), compute)]
    assert sizes == [1, 1, 1, 1, 1, 1, 1] or sizes == [2, 2, 2, 1]
    assert sum(sizes) == 7
    assert caplog.messages[0] == "GPU memory ran out with 7 patches at once: using 3 from now on"


def test_no_memory_for_one_item_names_the_way_out() -> None:
    def compute(part: range) -> None:
        raise torch.cuda.OutOfMemoryError

    with pytest.raises(DeviceError, match="with a single tile: buy more"):
        list(Batches(1, "tile", "tiles", "buy more").run(range(2), compute))


def test_what_failed_is_freed_before_the_memory_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else there is nothing to give back: the error's traceback holds the tensors of the batch that failed."""
    made: list[weakref.ref[torch.Tensor]] = []
    alive: list[bool] = []

    def compute(part: range) -> int:
        large = torch.zeros(10)
        if len(part) > 1:
            made.append(weakref.ref(large))
            raise torch.cuda.OutOfMemoryError
        return len(part)

    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: alive.extend(tensor() is not None for tensor in made))
    list(Batches(2, "tile", "tiles", "buy more").run(range(2), compute))
    assert alive == [False]
