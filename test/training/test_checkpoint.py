"""What a run resumes from, and what it refuses to resume from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from short_runs import short_config, start_run
from tiny_depth_model import SPEC, small_model

from prv2_ros.errors import ConfigError, WeightsError
from prv2_ros.network.model import DepthModel
from prv2_ros.training.checkpoint import Saved, Start, load_average, saved_run
from prv2_ros.training.loop import Trainer

START = Start(init="a.yaml", refiner="b.yaml", seed=3)


def _rewrite(path: Path, *without: str, **changes: Any) -> None:
    state = torch.load(path, weights_only=True)
    torch.save({key: value for key, value in {**state, **changes}.items() if key not in without}, path)


def _older(path: Path) -> None:
    """Leave what checkpoints held before they said where the rest of the model comes from."""
    _rewrite(path, "origin", "learning", "untrained")


def test_a_run_leaves_and_exports_the_averaged_weights(frames: Path, tmp_path: Path) -> None:
    trainer = start_run(short_config(frames, ema=0.9, frozen=()), tmp_path)
    trainer.run()
    state = torch.load(trainer.checkpoint, weights_only=True)
    other = small_model()
    load_average(other, "coarse", tmp_path)
    for part in (trainer.model.coarse, other.coarse):
        assert all(torch.equal(value, state["average"][name]) for name, value in part.state_dict().items())
    assert not torch.equal(state["average"]["head.weight"], state["part"]["head.weight"])
    with pytest.raises(WeightsError, match=r"no checkpoint in .*absent to export"):
        load_average(other, "coarse", tmp_path / "absent")


def test_checkpoint_of_another_stage_is_refused(frames: Path, tile_scenes: Path, tmp_path: Path) -> None:
    start_run(short_config(frames), tmp_path)._save()
    with pytest.raises(WeightsError, match="of stage coarse, not refiner"):
        Trainer(small_model(), short_config(tile_scenes, stage="refiner"), tmp_path)


@pytest.mark.parametrize(("stage", "fixed"), [("coarse", "refiner"), ("refiner", "coarse"), ("noise", "coarse")])
def test_the_part_of_another_model_is_refused(stage: str, fixed: str, tile_scenes: Path, tmp_path: Path) -> None:
    config = short_config(tile_scenes, stage=stage)
    Trainer(small_model(), config, tmp_path, start=START)._save()
    other = small_model()
    assert Trainer(other, config, tmp_path).origin["start"] == dataclasses.asdict(START), "kept as the run began"
    next(other.get_submodule(fixed).parameters()).data[0] += 1e-3
    message = (
        rf"checkpoint\.pt: its run began with --init a\.yaml --refiner b\.yaml, and the model of this call has other "
        rf"weights where stage {stage} trains none: start from the same again, as it was then, or name another folder"
    )
    with pytest.raises(WeightsError, match=message):
        Trainer(other, config, tmp_path)
    with pytest.raises(WeightsError, match=message):
        load_average(other, stage, tmp_path)


def test_another_architecture_is_refused_even_where_the_weights_fit(tile_scenes: Path, tmp_path: Path) -> None:
    config = short_config(tile_scenes, stage="end_to_end", patch=(64, 64))
    Trainer(small_model(), config, tmp_path)._save()
    torch.manual_seed(1)
    other = DepthModel(dataclasses.replace(SPEC, name="renamed"))
    Trainer(other, config, tmp_path)  # the checkpoint holds all of it, and the name is no part of the architecture
    other.spec = dataclasses.replace(SPEC, second_look=0.0)
    with pytest.raises(WeightsError, match=r"began with another model, .* another architecture \(second_look\)"):
        Trainer(other, config, tmp_path)


def test_a_checkpoint_that_does_not_say_what_it_began_with_is_resumed_as_it_was(frames: Path, tmp_path: Path) -> None:
    config = short_config(frames, fixed_depthwise=True)
    with pytest.MonkeyPatch.context() as patch:  # such runs had random encoders fixed, too
        patch.setattr("prv2_ros.training.loop.untrained_encoders", lambda *_: ())
        older = Trainer(small_model(), config, tmp_path)
    older._save()
    _older(older.checkpoint)
    assert saved_run(tmp_path) == Saved(stage="coarse", start=None)
    again = Trainer(small_model(seed=1), config, tmp_path, start=START)
    assert again.untrained == ()
    assert torch.equal(again.part.get_parameter("head.weight"), older.part.get_parameter("head.weight"))
    again._save()
    assert saved_run(tmp_path) == Saved(stage="coarse", start=START)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "pickle", "other"])
def test_a_damaged_checkpoint_is_one_line_with_the_way_out(damage: str, frames: Path, tmp_path: Path) -> None:
    path = start_run(short_config(frames), tmp_path).checkpoint
    start_run(short_config(frames), tmp_path)._save()
    whole = path.read_bytes()
    damaged = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"not a checkpoint", "pickle": b"\x80\x02."}
    if damage == "other":
        torch.save({"state_dict": {}}, path)
        message = rf"checkpoint {path} is none of `prv2 train`: delete it, or name another folder"
    else:
        path.write_bytes(damaged[damage])
        message = rf"checkpoint {path} cannot be read, it may be cut short \(.*\): delete it to begin anew, or name"
    with pytest.raises(WeightsError, match=message) as error:
        start_run(short_config(frames), tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(WeightsError, match=message):
        saved_run(tmp_path)
    with pytest.raises(WeightsError, match=message):
        load_average(small_model(), "coarse", tmp_path)


def _trained_model() -> DepthModel:
    model = small_model()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.constant_(parameter, 0.01)
    return model


@pytest.mark.parametrize("older", [False, True])
@pytest.mark.parametrize(
    "changes", [{"frozen": ()}, {"frozen": ("conv_stem",)}, {"fixed_depthwise": True}, {"likelihood": 1.0}]
)
def test_other_layers_that_learn_are_refused(
    changes: dict[str, object], older: bool, frames: Path, tmp_path: Path
) -> None:
    trainer = Trainer(_trained_model(), short_config(frames), tmp_path)
    trainer._save()
    if older:
        _older(trainer.checkpoint)
    Trainer(_trained_model(), short_config(frames), tmp_path)
    with pytest.raises(ConfigError, match=r"other layers learn: give `frozen`, `fixed_depthwise` and `likelihood` \(0"):
        Trainer(_trained_model(), short_config(frames, **changes), tmp_path)


def test_as_many_other_layers_are_refused_too(frames: Path, tmp_path: Path) -> None:
    Trainer(_trained_model(), short_config(frames, frozen=("blocks.1.0",)), tmp_path)._save()
    with pytest.raises(ConfigError, match="other layers learn"):
        Trainer(_trained_model(), short_config(frames, frozen=("blocks.1.1",)), tmp_path)


def test_rates_and_decay_are_those_of_the_config_that_goes_on(frames: Path, tmp_path: Path) -> None:
    start_run(short_config(frames, steps=2, encoder_rate=0.4, weight_decay=0.02), tmp_path).run()
    again = start_run(short_config(frames, steps=4, encoder_rate=0.1, weight_decay=0.3), tmp_path)
    assert again.step == 2
    groups = again.optimizer.param_groups
    assert {group["lr_share"] for group in groups} == {0.1, 1.0}
    assert {group["weight_decay"] for group in groups} == {0.3, 0.0}
    assert again.optimizer.state_dict()["state"], "what Adam remembers is kept"


def test_what_is_left_out_is_taken_from_the_run_that_goes_on() -> None:
    saved = Start(init="a", refiner="b", teacher="t", seed=7)
    assert Start(seed=1).resuming(saved) == saved
    assert Start(init="c", seed=1).resuming(saved) == dataclasses.replace(saved, init="c")
    fresh = Start(coarse="default", variant="s", encoder="e.pth", seed=7)
    assert Start().resuming(fresh) == fresh
    assert Start(variant="m").resuming(fresh) == dataclasses.replace(fresh, variant="m")
    given = Start(init="c").resuming(fresh)
    assert (given.variant, given.encoder) == (None, None), "they are for a model that starts afresh"
    assert str(saved) == "--init a --refiner b"
    assert str(fresh) == "no --init (--coarse default --variant s --encoder e.pth --seed 7)"
