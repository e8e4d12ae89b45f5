"""Second reading of a bag: the frames of one camera in the order of their stamps, few of them in memory at a time.

Messages come in the order of recording. One is kept while a frame that needs it waits for the other; beyond a small
budget the waiting ones go to a temporary file, so that memory stays small however late a topic was recorded.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from prv2_ros.evaluation.cameras import CameraPlan
from prv2_ros.evaluation.pairing import PlannedFrame
from prv2_ros.messages.bags import Bag, RawMessage

WAITING_BYTES = 64 * 1024 * 1024
"""Waiting messages take this much memory at most; more are put on disk."""

_Key = tuple[str, int, int]


@dataclass(frozen=True, kw_only=True)
class StreamedFrame:
    """A planned frame with its messages; None where the second reading did not find one."""

    planned: PlannedFrame
    image: RawMessage | None
    truth: RawMessage | None


class _Shelf:
    """Messages that wait, by key; in memory up to a budget, then in a temporary file that has no name."""

    def __init__(self) -> None:
        self._in_memory: dict[_Key, RawMessage] = {}
        self._on_disk: dict[_Key, tuple[RawMessage, int, int]] = {}
        self._bytes = 0
        self._file: IO[bytes] | None = None

    def put(self, key: _Key, message: RawMessage) -> None:
        if key in self:
            return
        if self._bytes + len(message.data) <= WAITING_BYTES or not self._in_memory:
            self._in_memory[key] = message
            self._bytes += len(message.data)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the shelf
        start = self._file.seek(0, 2)
        self._file.write(message.data)
        empty = RawMessage(topic=message.topic, msgtype=message.msgtype, bag_ns=message.bag_ns, data=b"")
        self._on_disk[key] = (empty, start, len(message.data))

    def __contains__(self, key: _Key) -> bool:
        return key in self._in_memory or key in self._on_disk

    def get(self, key: _Key) -> RawMessage | None:
        if key not in self._on_disk:
            return self._in_memory.get(key)
        assert self._file is not None
        empty, start, size = self._on_disk[key]
        self._file.seek(start)
        return RawMessage(topic=empty.topic, msgtype=empty.msgtype, bag_ns=empty.bag_ns, data=self._file.read(size))

    def drop(self, key: _Key) -> None:
        message = self._in_memory.pop(key, None)
        if message is not None:
            self._bytes -= len(message.data)
        self._on_disk.pop(key, None)
        if self._file is not None and not self._on_disk:
            self._file.truncate(0)


def stream_frames(bag: Bag, plan: CameraPlan, stamps: str) -> Iterator[StreamedFrame]:
    """Frames of a camera in the order of `plan.frames`, each once.

    Args:
        bag: the open bag.
        plan: which frames; only the part of the bag that they lie in is read.
        stamps: `header` or `bag`, as the plan was made.

    """
    if not plan.frames:
        return
    keys = [_keys(plan, frame) for frame in plan.frames]
    uses = Counter(key for pair in keys for key in pair)
    times = [at for frame in plan.frames for at in (frame.image_ns, frame.truth_ns)]
    topics = [plan.image_topic, plan.truth_topic]
    shelf = _Shelf()
    done = 0
    for raw in bag.messages(topics, start_ns=min(times), stop_ns=max(times) + 1):
        key = (raw.topic, raw.bag_ns, bag.stamp_ns(raw) if stamps == "header" else raw.bag_ns)
        if not uses[key]:
            continue
        shelf.put(key, raw)
        while done < len(keys) and all(part in shelf for part in keys[done]):
            yield _take(plan.frames[done], keys[done], shelf, uses)
            done += 1
    for planned, pair in zip(plan.frames[done:], keys[done:], strict=True):
        yield _take(planned, pair, shelf, uses)


def _keys(plan: CameraPlan, frame: PlannedFrame) -> tuple[_Key, _Key]:
    return (
        (plan.image_topic, frame.image_ns, frame.stamp_ns),
        (plan.truth_topic, frame.truth_ns, frame.truth_stamp_ns),
    )


def _take(planned: PlannedFrame, keys: tuple[_Key, _Key], shelf: _Shelf, uses: Counter[_Key]) -> StreamedFrame:
    image, truth = (shelf.get(key) for key in keys)
    for key in keys:
        uses[key] -= 1
        if not uses[key]:
            shelf.drop(key)
    return StreamedFrame(planned=planned, image=image, truth=truth)
