"""What a single step of training does, and when a run ends by the clock."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from short_runs import short_config, start_run

from prv2_ros.training.feed import Batch, Feed
from prv2_ros.training.loop import Trainer, learning_rate_share
from prv2_ros.training.parts import set_training_mode
from prv2_ros.training.stages import Figures


def _asked(trainer: Trainer, batch: Batch) -> list[torch.Tensor | None]:
    """Gradients of one batch's loss at the weights as they are."""
    return list(torch.autograd.grad(trainer.stage(batch)[0], _learning(trainer), allow_unused=True))


def _learning(trainer: Trainer) -> list[torch.nn.Parameter]:
    return [parameter for parameter in trainer.part.parameters() if parameter.requires_grad]


def _hold(trainer: Trainer, wanted: list[torch.Tensor | None]) -> None:
    assert any(each is not None for each in wanted)
    for parameter, expected in zip(_learning(trainer), wanted, strict=True):
        if expected is None:
            assert parameter.grad is None
        else:
            torch.testing.assert_close(parameter.grad, expected, rtol=1e-3, atol=1e-5)


def test_accumulated_gradients_are_the_mean_of_their_batches(frames: Path, tmp_path: Path) -> None:
    trainer = start_run(short_config(frames, accumulate=2, clip_norm=1e9, frozen=()), tmp_path)
    set_training_mode(trainer.model, trainer.config)
    first, second, third = (batch for batch, _ in zip(Feed(trainer.config), range(3), strict=False))
    of_both = zip(_asked(trainer, first), _asked(trainer, second), strict=True)
    wanted = [None if a is None or b is None else (a + b) / 2 for a, b in of_both]
    trainer._advance(first)
    trainer._advance(second)
    _hold(trainer, wanted)
    wanted = [None if each is None else each / 2 for each in _asked(trainer, third)]
    trainer._advance(third)
    _hold(trainer, wanted)


def test_a_step_has_the_rate_of_its_group_and_time_and_gradients_of_the_norm(frames: Path, tmp_path: Path) -> None:
    config = short_config(frames, steps=10, warmup=0.5, learning_rate=1e-3, encoder_rate=0.2, clip_norm=1e-3, frozen=())
    trainer = start_run(config, tmp_path)
    batch = next(iter(Feed(config)))
    for step in range(3):
        trainer._advance(batch)
        rate = 1e-3 * learning_rate_share(step / 10, 0.5)
        rates = {group["lr"] for group in trainer.optimizer.param_groups}
        assert sorted(rates) == pytest.approx([0.2 * rate, rate])
        norms = [p.grad.norm() for p in trainer.part.parameters() if p.grad is not None]
        assert float(torch.stack(norms).norm()) == pytest.approx(1e-3, rel=1e-2)


def test_the_rate_rises_from_the_share_that_the_config_names(frames: Path, tmp_path: Path) -> None:
    config = short_config(frames, steps=10, warmup=0.5, warmup_from=0.5, learning_rate=1e-3)
    trainer = start_run(config, tmp_path)
    trainer._advance(next(iter(Feed(config))))
    assert max(group["lr"] for group in trainer.optimizer.param_groups) == pytest.approx(0.5e-3)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_one_broken_batch_changes_no_weights(
    broken: float, frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start_run(short_config(frames), tmp_path)
    whole = trainer.stage

    def spoilt(batch: Batch) -> tuple[torch.Tensor, Figures]:
        loss, figures = whole(batch)
        return loss * broken, figures

    before = [parameter.clone() for parameter in trainer.part.parameters()]
    batch = next(iter(Feed(trainer.config)))
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "stage", spoilt)
        trainer._advance(batch)
    assert all(torch.equal(a, b) for a, b in zip(trainer.part.parameters(), before, strict=True))
    assert (trainer.step, trainer.average.count) == (1, 0)
    trainer._advance(batch)
    assert trainer.average.count == 1
    assert all(bool(torch.isfinite(value).all()) for value in trainer.part.state_dict().values())
    assert any(not torch.equal(a, b) for a, b in zip(trainer.part.parameters(), before, strict=True))


def test_one_broken_answer_leaves_no_trace_in_the_norms(frames: Path, tmp_path: Path) -> None:
    trainer = start_run(short_config(frames, steps=2, frozen=()), tmp_path)
    advance, broken = trainer._advance, [True, False]

    def spoilt(module: object, inputs: object, output: torch.Tensor) -> torch.Tensor:
        return output * math.inf if broken.pop(0) else output

    first = next(module for module in trainer.part.modules() if isinstance(module, torch.nn.Conv2d))
    handle = first.register_forward_hook(spoilt)
    before = {name: value.clone() for name, value in trainer.part.named_buffers()}
    batch = next(iter(Feed(trainer.config)))
    advance(batch)
    assert before
    assert all(torch.equal(value, before[name]) for name, value in trainer.part.named_buffers())
    trainer._mark()
    advance(batch)
    handle.remove()
    assert (broken, trainer.average.count) == ([], 1)
    assert all(bool(torch.isfinite(value).all()) for value in trainer.average.state.values())
    assert any(not torch.equal(value, before[name]) for name, value in trainer.part.named_buffers())


def test_a_run_that_begins_anew_leaves_no_rows_of_the_one_before(frames: Path, tmp_path: Path) -> None:
    for _ in range(2):
        trainer = start_run(short_config(frames, steps=2), tmp_path)
        trainer.run()
        trainer.checkpoint.unlink()
    steps = [json.loads(line)["step"] for line in trainer.journal.path.read_text().splitlines()]
    assert steps == [2]


@pytest.mark.parametrize(("accumulate", "ends"), [(1, 5), (2, 6), (4, 8)])
def test_a_clocked_run_ends_on_a_whole_step(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accumulate: int, ends: int
) -> None:
    now = [1000.0]
    monkeypatch.setattr("prv2_ros.training.loop.time", SimpleNamespace(monotonic=lambda: now[0]))
    config = short_config(frames, steps=0, seconds=20.0, accumulate=accumulate, checkpoint_every=4)
    trainer = start_run(config, tmp_path)
    advance = trainer._advance

    def timed(batch: Batch) -> Figures:
        now[0] += 4.0  # seconds of a batch
        return advance(batch)

    monkeypatch.setattr(trainer, "_advance", timed)
    trainer.run()
    assert trainer.step == torch.load(trainer.checkpoint, weights_only=True)["step"] == ends
    assert trainer.average.count == ends // accumulate


def test_a_clocked_run_ends_with_its_time_and_goes_on_where_it_was(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("prv2_ros.training.loop.time", SimpleNamespace(monotonic=lambda: now[0]))
    config = short_config(frames, steps=0, seconds=20.0, checkpoint_every=2)
    stops = [3, None]
    for stop in stops:
        trainer = start_run(config, tmp_path)
        advance = trainer._advance

        def timed(batch: Batch, trainer: Trainer = trainer, advance=advance, stop=stop) -> Figures:  # type: ignore[no-untyped-def]
            if trainer.step == stop:
                raise KeyboardInterrupt
            now[0] += 4.0  # seconds of a step
            return advance(batch)  # type: ignore[no-any-return]

        monkeypatch.setattr(trainer, "_advance", timed)
        if stop is None:
            assert (trainer.step, trainer.elapsed) == (2, 8.0)
            assert trainer.progress() == pytest.approx(0.4)
            trainer.run()
        else:
            with pytest.raises(KeyboardInterrupt):
                trainer.run()
        now[0] += 1e6  # between the runs
    assert (trainer.step, trainer.elapsed) == (5, 20.0)


def test_the_network_trains_in_training_mode_whatever_was_computed_before(
    tile_scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = start_run(short_config(tile_scenes, stage="refiner", steps=1, frozen=()), tmp_path)
    modes = []
    advance = trainer._advance

    def seen(batch: Batch) -> Figures:
        modes.append((trainer.model.coarse.training, trainer.part.training))
        return advance(batch)

    monkeypatch.setattr(trainer, "_advance", seen)
    trainer.run()
    assert modes == [(False, True)]
    assert not trainer.part.training, "a finished model is for inference"
