"""Frames whose messages were recorded far apart, and what waits for them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from tempfile import TemporaryFile
from types import SimpleNamespace
from typing import Any

import pytest

from prv2_ros.evaluation import streaming
from prv2_ros.evaluation.pairing import PlannedFrame
from prv2_ros.evaluation.streaming import stream_frames
from prv2_ros.messages.bags import RawMessage

CLOCK_NS = 1000
"""How far stamps are ahead of recording."""


def raw(topic: str, at_ns: int) -> RawMessage:
    """A message whose bytes tell it from every other; no two are of one length."""
    return RawMessage(topic=topic, msgtype="kind", bag_ns=at_ns, data=f"{topic}@{at_ns}.".encode() * (at_ns + 1))


def streamed(pairs: list[tuple[int, int]], recorded: list[RawMessage]) -> list[tuple[bytes | None, bytes | None]]:
    """Bytes of image and truth of frames that are planned by when both were recorded."""

    def messages(topics: list[str], *, start_ns: int, stop_ns: int) -> Iterator[RawMessage]:
        assert topics == ["/image", "/truth"]
        yield from (message for message in recorded if start_ns <= message.bag_ns < stop_ns)

    bag: Any = SimpleNamespace(messages=messages, stamp_ns=lambda message: message.bag_ns + CLOCK_NS)
    frames = [
        PlannedFrame(stamp_ns=image + CLOCK_NS, image_ns=image, truth_stamp_ns=truth + CLOCK_NS, truth_ns=truth, info=0)
        for image, truth in pairs
    ]
    plan: Any = SimpleNamespace(image_topic="/image", truth_topic="/truth", frames=frames)
    found = list(stream_frames(bag, plan, "header"))
    assert [frame.planned for frame in found] == frames
    return [tuple(m and m.data for m in (frame.image, frame.truth)) for frame in found]  # type: ignore[misc]


@pytest.mark.parametrize("budget", [0, 60, 10**6])
@pytest.mark.parametrize("truth_first", [True, False])
def test_messages_that_wait_in_memory_and_on_disk_come_back(
    monkeypatch: pytest.MonkeyPatch, budget: int, truth_first: bool
) -> None:
    monkeypatch.setattr(streaming, "WAITING_BYTES", budget)
    images, truths = range(8), range(1, 9, 2)
    pairs = [(image, image + 1 if image % 2 == 0 else image) for image in images]  # one truth serves two images
    topics = [("/truth", truths), ("/image", images)] if truth_first else [("/image", images), ("/truth", truths)]
    recorded = [raw(topic, at) for topic, times in topics for at in times]
    expected = [(raw("/image", image).data, raw("/truth", truth).data) for image, truth in pairs]
    assert streamed(pairs, recorded) == expected


@pytest.mark.parametrize("budget", [0, 10**6])
def test_a_frame_whose_message_is_gone_comes_without_it(monkeypatch: pytest.MonkeyPatch, budget: int) -> None:
    monkeypatch.setattr(streaming, "WAITING_BYTES", budget)
    recorded = [raw("/image", 0), raw("/image", 1), raw("/truth", 1), raw("/image", 2), raw("/truth", 2)]
    found = streamed([(0, 0), (1, 1), (2, 2)], recorded)
    assert found[0] == (recorded[0].data, None)
    assert found[1:] == [(recorded[1].data, recorded[2].data), (recorded[3].data, recorded[4].data)]


def test_what_was_taken_makes_room_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "WAITING_BYTES", 100)
    monkeypatch.setattr(streaming.tempfile, "TemporaryFile", lambda: pytest.fail("memory was enough"))
    recorded = [raw(topic, at) for at in range(4) for topic in ("/image", "/truth")]
    assert sum(len(message.data) for message in recorded) > 100
    assert len(streamed([(at, at) for at in range(4)], recorded)) == 4


def test_what_waits_on_disk_is_not_overwritten_after_a_part_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "WAITING_BYTES", 0)
    order = [("/image", 0), ("/image", 1), ("/image", 2), ("/truth", 0), ("/truth", 1), ("/image", 3), ("/image", 4)]
    recorded = [raw(topic, at) for topic, at in [*order, ("/truth", 2), ("/truth", 3), ("/truth", 4)]]
    expected = [(raw("/image", at).data, raw("/truth", at).data) for at in range(5)]
    assert streamed([(at, at) for at in range(5)], recorded) == expected


def test_a_truth_that_always_comes_late_does_not_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "WAITING_BYTES", 2000)
    opened: list[weakref.ref[Any]] = []
    most = 0

    def temporary() -> Any:
        nonlocal most
        file = TemporaryFile()  # noqa: SIM115 - the reader ends it
        opened.append(weakref.ref(file))
        most = max(most, sum(kept() is not None for kept in opened))
        return file

    monkeypatch.setattr(streaming.tempfile, "TemporaryFile", temporary)
    late = 4
    recorded = [raw("/image", 500 + at) for at in range(late)]
    for at in range(60):
        recorded += [raw("/truth", 500 + at), raw("/image", 500 + at + late)]
    recorded.sort(key=lambda message: message.bag_ns + (late if message.topic == "/truth" else 0))
    found = streamed([(500 + at, 500 + at) for at in range(60)], recorded)
    assert all(image is not None and truth is not None for image, truth in found)
    assert len(opened) > 20
    assert most <= 6
