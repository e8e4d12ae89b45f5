"""Frames that are written while a resident run trains."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from prv2_ros.data.frames import Frame, write_frame
from prv2_ros.data.synthetic import render
from prv2_ros.errors import InputError
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import Batch
from prv2_ros.training.resident import ResidentFeed

CPU = torch.device("cpu")


def _config(folder: Path) -> TrainConfig:
    return TrainConfig(
        resident=True, data=(str(folder),), batch=2, sizes=((96, 128), (128, 96)), workers=2, device="cpu"
    )


def _write(folder: Path, seed: int, width: int, height: int) -> None:
    made = render(seed, width, height, kind="room")
    write_frame(
        folder, Frame(name=f"{seed:08d}", image=made.image, depth_m=made.depth_m, camera=made.camera, kind="room")
    )


def test_frames_that_come_later_are_seen(tmp_path: Path) -> None:
    _write(tmp_path, 0, 160, 96)
    feed = ResidentFeed(_config(tmp_path), 0, CPU)
    batches = iter(feed)
    next(batches)
    _write(tmp_path, 1, 96, 96)
    next(batches)
    assert feed.slots == [[0]], "folders are listed now and then only"
    feed.look_every_s = 0.0
    for _ in range(200):
        next(batches)
        if len(feed.pool) == 2:
            break
        time.sleep(0.01)
    assert feed.slots == [[0, 1]]
    for _ in range(3):
        next(batches)
    assert feed.slots == [[0, 1]], "taken once"


def _grown(feed: ResidentFeed, batches: Iterator[Batch], known: int) -> None:
    """Take batches and look at the folders, until so many frames are known."""
    feed.look_every_s = 0.0
    for _ in range(400):
        next(batches)
        if len(feed._known[0]) == known:
            break
        time.sleep(0.01)
    feed.look_every_s = 1e9
    while feed._growth is not None:
        next(batches)
    assert len(feed._known[0]) == known


def test_later_frames_that_cannot_be_taken_are_left_out_and_told_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _write(tmp_path, 0, 160, 96)
    feed = ResidentFeed(_config(tmp_path), 0, CPU)
    batches = iter(feed)
    _write(tmp_path, 1, 192, 96)
    _grown(feed, batches, 2)
    first = f"{tmp_path / '00000001.json'}: 192x96 px, and the largest frame at the start had 160x96; begin with one"
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith(f"left out of training: {first}")
    caplog.clear()
    for seed in (2, 3, 4):
        _write(tmp_path, seed, 96, 96)
    (tmp_path / "00000002.jpg").write_bytes(b"no picture")
    (tmp_path / "00000004_depth.png").unlink()
    _grown(feed, batches, 5)
    assert feed.slots == [[0, 1]], "the first frame and number 3"
    (said,) = [record.getMessage() for record in caplog.records]  # one line for all of a look, none for what is known
    assert said.startswith("left out of training: frame ")
    assert "00000002" in said
    assert said.endswith("(3 frames were left out so far)")
    with pytest.raises(InputError, match=r"frame .*00000002"):
        ResidentFeed(_config(tmp_path), 0, CPU)


def test_left_out_frames_are_told_of_when_their_number_has_doubled(
    frames: Path, caplog: pytest.LogCaptureFixture
) -> None:
    feed = ResidentFeed(_config(frames), 0, CPU)
    for number in range(1, 9):
        feed._tell_of([InputError(f"frame {number}")])
        feed._tell_of([])
    said = [record.getMessage().removeprefix("left out of training: ") for record in caplog.records]
    assert said == ["frame 1", *(f"frame {n} ({n} frames were left out so far)" for n in (2, 4, 8))]


def test_after_a_look_at_the_folders_there_is_a_pause(frames: Path) -> None:
    feed = ResidentFeed(_config(frames), 0, CPU)
    batches = iter(feed)
    feed._looked -= 2 * feed.look_every_s
    next(batches)
    assert feed._growth is not None
    assert feed._growth.result(60) == []
    next(batches)
    assert feed._growth is None
