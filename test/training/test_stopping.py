"""A run that is stopped before its time loses nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from short_runs import short_config, start_run

from prv2_ros.errors import InputError
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import Batch, Feed
from prv2_ros.training.loop import Trainer
from prv2_ros.training.stages import Figures
from prv2_ros.training.stopping import Stop

BATCH: Batch = {"image": torch.zeros(1)}


def _before_step(trainer: Trainer, step: int, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Act within a step, before its batch is learnt from."""
    advance = trainer._advance

    def acting(batch: Batch) -> Figures:
        if trainer.step == step:
            act()
        return advance(batch)

    monkeypatch.setattr(trainer, "_advance", acting)


def _failing_feed(trainer: Trainer, step: int, act: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Act when the batch after so many is asked for."""

    def batches(_: object) -> Iterator[Batch]:
        for n, batch in enumerate(Feed(trainer.config, trainer.step), trainer.step):
            if n == step:
                act()
            yield batch

    monkeypatch.setattr(trainer, "_batches", batches)


def _raise(error: Exception) -> None:
    raise error


STOPS = {
    "SIGINT": (_before_step, lambda: os.kill(os.getpid(), signal.SIGINT), KeyboardInterrupt),
    "SIGTERM": (_before_step, lambda: os.kill(os.getpid(), signal.SIGTERM), SystemExit),
    "SIGTERM while waiting": (_failing_feed, lambda: os.kill(os.getpid(), signal.SIGTERM), SystemExit),
    "frame": (_failing_feed, lambda: _raise(InputError("frame 7 is damaged")), InputError),
    "feed": (_failing_feed, lambda: _raise(RuntimeError("a worker was killed")), RuntimeError),
}


@pytest.mark.parametrize("accumulate", [1, 4])
@pytest.mark.parametrize("stop", sorted(STOPS))
def test_a_stopped_run_saves_its_last_whole_step_and_goes_on_to_the_same_weights(
    stop: str, accumulate: int, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = short_config(frames, steps=8, accumulate=accumulate, frozen=(), checkpoint_every=100 * accumulate)
    whole = start_run(config, tmp_path / "whole")
    whole.run()
    stopped = start_run(config, tmp_path / "parts")
    place, act, error = STOPS[stop]
    place(stopped, 6, act, monkeypatch)
    with pytest.raises(error) as raised:
        stopped.run()
    if error is SystemExit:
        assert raised.value.code == 143  # type: ignore[attr-defined]
    done = 7 if place is _before_step else 6  # a step that has begun is ended
    resumed = start_run(config, tmp_path / "parts")
    assert resumed.step == done - done % accumulate
    resumed.run()
    first, second = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts"))
    for kind in ("part", "average", "figures"):
        for key, value in first[kind].items():
            assert torch.equal(value, second[kind][key]), f"{kind} {key}"


def test_where_and_how_to_go_on_is_said(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = start_run(short_config(frames), tmp_path)
    _before_step(trainer, 2, lambda: os.kill(os.getpid(), signal.SIGINT), monkeypatch)
    with caplog.at_level("INFO"), pytest.raises(KeyboardInterrupt):
        trainer.run()
    said = [record.getMessage() for record in caplog.records if "stopped" in record.getMessage()]
    assert said == [f"stopped at step 3, which {trainer.checkpoint} holds: the same command goes on"]


def test_a_run_that_has_done_nothing_new_writes_nothing(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for made in (0, 2):
        trainer = start_run(short_config(frames, checkpoint_every=2), tmp_path)
        assert trainer.step == made
        before = trainer.checkpoint.stat().st_mtime_ns if made else 0
        _failing_feed(trainer, made, lambda: _raise(InputError("damaged")), monkeypatch)
        with pytest.raises(InputError, match="damaged"):
            trainer.run()
        assert (trainer.checkpoint.stat().st_mtime_ns if trainer.checkpoint.exists() else 0) == before
        if not made:
            start_run(short_config(frames, steps=2), tmp_path).run()


def test_a_signal_in_the_last_step_leaves_a_finished_run(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start_run(short_config(frames), tmp_path)
    _before_step(trainer, 3, lambda: os.kill(os.getpid(), signal.SIGTERM), monkeypatch)
    with pytest.raises(SystemExit):
        trainer.run()
    assert start_run(short_config(frames), tmp_path).is_finished


def test_handlers_are_put_back_and_what_is_ignored_stays_ignored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    ignored = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Stop(alone=True) as stop:
            os.kill(os.getpid(), signal.SIGINT)
            assert stop.next(iter([BATCH])) is BATCH
            os.kill(os.getpid(), signal.SIGTERM)
            assert stop.next(iter([BATCH])) is None
            assert isinstance(stop.cause, SystemExit)
    finally:
        signal.signal(signal.SIGINT, ignored)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_batch_is_not_waited_for_long_once_a_signal_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prv2_ros.training.stopping._PATIENCE_S", 0.2)

    def slow(seconds: float) -> Iterator[Batch]:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(seconds)
        yield BATCH

    for seconds in (0.0, 60.0):
        began = time.monotonic()
        with Stop(alone=True) as stop:
            assert stop.next(slow(seconds)) is None
        assert isinstance(stop.cause, KeyboardInterrupt)
        assert time.monotonic() - began < 30


def test_a_second_interrupt_ends_one_process_at_once_and_not_one_of_many() -> None:
    for alone in (True, False):
        with Stop(alone=alone) as stop:
            os.kill(os.getpid(), signal.SIGINT)
            if alone:
                with pytest.raises(KeyboardInterrupt):
                    os.kill(os.getpid(), signal.SIGINT)
            else:
                os.kill(os.getpid(), signal.SIGINT)
            assert isinstance(stop.cause, KeyboardInterrupt)


def test_a_stop_is_for_the_process_that_trains_alone(frames: Path) -> None:
    """A worker process inherits the handlers, and goes on."""
    with Stop(alone=True) as stop:
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(0 if stop.cause is None else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert stop.next(iter(Feed(TrainConfig(data=(str(frames),), batch=1, workers=0)))) is not None
