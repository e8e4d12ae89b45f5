"""Second reading of a bag: the frames of one camera in the order of their stamps, few of them in memory at a time.

Messages come in the order of recording. One is kept while a frame that needs it waits for the other; beyond a small
budget the waiting ones go to temporary files, so that memory stays small however late a topic was recorded.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

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


class _Segment:
    """Up to `WAITING_BYTES` (and one message) in a temporary file without a name, which ends with this object."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the messages in it
        self._size = 0

    @property
    def is_full(self) -> bool:
        return self._size >= WAITING_BYTES

    def append(self, data: bytes) -> int:
        start, self._size = self._size, self._size + len(data)
        self._file.seek(start)
        self._file.write(data)
        return start

    def read(self, start: int, size: int) -> bytes:
        self._file.seek(start)
        return self._file.read(size)


class _Stored:
    """A message whose bytes are in a segment."""

    def __init__(self, message: RawMessage, segment: _Segment) -> None:
        self._empty = replace(message, data=b"")
        self._segment, self._size = segment, len(message.data)
        self._start = segment.append(message.data)

    def read(self) -> RawMessage:
        return replace(self._empty, data=self._segment.read(self._start, self._size))


class _Shelf:
    """Messages that wait, by key; in memory up to a budget, then in temporary files."""

    def __init__(self) -> None:
        self._in_memory: dict[_Key, RawMessage] = {}
        self._on_disk: dict[_Key, _Stored] = {}
        self._bytes = 0
        self._segment: _Segment | None = None

    def put(self, key: _Key, message: RawMessage) -> None:
        if key in self:
            return
        if self._bytes + len(message.data) <= WAITING_BYTES or not self._in_memory:
            self._in_memory[key] = message
            self._bytes += len(message.data)
            return
        if self._segment is None or self._segment.is_full:
            self._segment = _Segment()
        self._on_disk[key] = _Stored(message, self._segment)

    def __contains__(self, key: _Key) -> bool:
        return key in self._in_memory or key in self._on_disk

    def get(self, key: _Key) -> RawMessage | None:
        stored = self._on_disk.get(key)
        return self._in_memory.get(key) if stored is None else stored.read()

    def drop(self, key: _Key) -> None:
        message = self._in_memory.pop(key, None)
        if message is not None:
            self._bytes -= len(message.data)
        # The file of a segment whose last message this was goes with it: a bag whose truth always comes late would
        # fill the disk otherwise.
        self._on_disk.pop(key, None)


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
