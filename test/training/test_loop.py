from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from short_runs import short_config, start_run
from tiny_depth_model import small_model

from prv2_ros.errors import ConfigError, InputError, StorageError
from prv2_ros.network.model import DepthModel
from prv2_ros.training.coarse_maps import write_coarse_maps
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import Batch, Feed, Prepared, loader
from prv2_ros.training.loop import Trainer
from prv2_ros.training.parts import set_training_mode
from prv2_ros.training.stages import Figures

RESUMED: dict[str, dict[str, object]] = {
    "coarse": {"workers": 2, "sizes": ((64, 64), (64, 96), (96, 64))},
    "refiner": {"accumulate": 2, "fixed_depthwise": True},
    "noise": {"bf16": True},
    "end_to_end": {"patches": "pair", "consistency": 1.0, "patch": (64, 64)},
}


@pytest.mark.parametrize("stage", sorted(RESUMED))
def test_a_run_stopped_and_resumed_gives_bit_equal_weights(
    stage: str, tile_scenes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prv2_ros.training.precision.bfloat16_is_slow", lambda: False)
    config = short_config(tile_scenes, stage=stage, checkpoint_every=2, **RESUMED[stage])
    whole = start_run(config, tmp_path / "whole")
    whole.run()
    stopped = start_run(config, tmp_path / "parts")
    advance = stopped._advance

    def interrupted(batch: Batch) -> Figures:
        if stopped.step == 3:
            raise KeyboardInterrupt
        return advance(batch)

    monkeypatch.setattr(stopped, "_advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    resumed = start_run(config, tmp_path / "parts")
    assert resumed.step == 2, "a step behind the last checkpoint is done again"
    resumed.run()
    first, second = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("whole", "parts"))
    assert first["step"] == second["step"] == 4
    assert first["average_count"] == second["average_count"] == 4 // config.accumulate
    for kind in ("part", "average", "figures"):
        assert first[kind].keys() == second[kind].keys()
        for key, value in first[kind].items():
            assert torch.equal(value, second[kind][key]), f"{kind} {key}"
    for key, value in whole.part.state_dict().items():
        assert torch.equal(value, resumed.part.state_dict()[key]), f"the result's {key}"


def test_feed_goes_on_where_it_was_whatever_the_workers(frames: Path) -> None:
    config = short_config(frames, sizes=((64, 64), (64, 96)), batch=1)
    plain = [batch["image"] for batch, _ in zip(Feed(config), range(7), strict=False)]
    many = short_config(frames, sizes=((64, 64), (64, 96)), batch=1, workers=2)
    for first in (3, 4):
        later = [batch["image"] for batch, _ in zip(loader(many, first, Prepared()), range(3), strict=False)]
        assert all(torch.equal(a, b) for a, b in zip(later, plain[first : first + 3], strict=True))


def _trained_model() -> DepthModel:
    """A model whose encoders have learnt: their biases are not 0."""
    torch.manual_seed(0)
    model = DepthModel()
    for name, parameter in model.named_parameters():
        if "encoder." in name and name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.01)
    return model


def test_training_changes_its_part_alone(frames: Path, tmp_path: Path) -> None:
    model = _trained_model()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    Trainer(model, short_config(frames, steps=2), tmp_path).run()
    after = model.state_dict()
    frozen = ("coarse.encoder.body.conv_stem", "coarse.encoder.body.blocks.0.")
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert all(key.startswith("coarse.") and not key.startswith(frozen) for key in changed)


def test_fixed_depthwise_kernels_stay_and_the_rest_learns_in_bfloat16(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prv2_ros.training.precision.bfloat16_is_slow", lambda: False)
    model = _trained_model()
    before = {key: value.clone() for key, value in model.coarse.state_dict().items()}
    Trainer(model, short_config(frames, steps=2, frozen=(), fixed_depthwise=True, bf16=True), tmp_path).run()
    after = model.coarse.state_dict()
    depthwise = {key for key in before if key.startswith("encoder.") and ".conv_dw." in key}
    assert len(depthwise) == 2 * 16, "EfficientNet-Lite0 has 16 depthwise convolutions, each with a kernel and a bias"
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert not depthwise & changed
    assert {"encoder.body.blocks.3.1.conv_pw.weight", "context.0.0.depthwise.weight", "head.weight"} <= changed
    assert not any("scale_head" in key for key in changed), "the error's scale has a stage of its own"


def test_refiner_stage_learns_from_tiles(tile_scenes: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DepthModel()
    trainer = Trainer(model, short_config(tile_scenes, stage="refiner", frozen=(), learning_rate=3e-3), tmp_path)
    prepared = trainer.prepare()
    set_training_mode(model, trainer.config)
    batch = next(iter(Feed(trainer.config, 0, prepared)))
    first = trainer._advance(batch)
    for _ in range(5):
        last = trainer._advance(batch)
    assert last["loss"] < first["loss"]
    assert float(first["all"]) == pytest.approx(float(first["all_coarse"]), rel=0.2), (
        "an untrained refiner changes little"
    )


def test_refiner_tiles_are_drawn_by_their_sources_shares(tile_scenes: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(tile_scenes, other)
    for path in other.glob("*-*.jpg"):
        cv2.imwrite(str(path), np.zeros((256, 256, 3), np.uint8))
    folders = (str(tile_scenes), str(other))
    prepared = Prepared(maps=write_coarse_maps(small_model(), folders, tmp_path))

    def blank(shares: tuple[float, ...]) -> float:
        config = TrainConfig(
            stage="refiner", data=folders, data_shares=shares, batch=20, sizes=((256, 256),), workers=0
        )
        image = next(iter(Feed(config, 0, prepared)))["image"].float()
        flat = torch.nn.functional.avg_pool2d(image, 16).flatten(2).std(2).amax(1) < 4  # noise is averaged away
        return float(flat.float().mean())

    assert blank((1.0, 0.0)) == 0
    assert blank((0.0, 3.0)) == 1
    assert 0.2 < blank((1.0, 1.0)) < 0.8
    assert 0.2 < blank(()) < 0.8


def test_accumulated_gradients_step_once_for_several_batches(frames: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trainer = Trainer(small_model(), short_config(frames, accumulate=2), tmp_path)
    before = trainer.part.head.weight.clone()
    batch = next(iter(Feed(trainer.config)))
    trainer._advance(batch)
    assert torch.equal(trainer.part.head.weight, before)
    trainer._advance(batch)
    assert not torch.equal(trainer.part.head.weight, before)


def test_what_a_run_cannot_do_is_said_before_it_starts(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fp16 needs CUDA, and the device is cpu: use bf16"):
        Trainer(small_model(), short_config(frames, fp16=True), tmp_path)
    with pytest.raises(ConfigError, match="needs a teacher for its pseudo labels: --teacher MODEL"):
        Trainer(small_model(), short_config(frames, stage="real"), tmp_path)


def test_log_has_a_row_of_figures(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prv2_ros.training.loop._LOG_EVERY", 2)
    Trainer(small_model(), short_config(frames), tmp_path).run()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert {"loss", "log_l1", "shape", "grad", "sky", "seconds"} <= set(rows[0])


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frames in"):
        next(iter(Feed(short_config(tmp_path))))


def test_scenes_are_rendered_where_no_folder_is_given() -> None:
    batch = next(iter(Feed(short_config(Path()).__class__(batch=1, sizes=((64, 64),), workers=0))))
    assert batch["image"].shape == (1, 3, 64, 64)


def test_a_run_of_few_steps_has_a_row_at_its_last_and_none_twice(frames: Path, tmp_path: Path) -> None:
    start_run(short_config(frames, checkpoint_every=2), tmp_path).run()
    log = tmp_path / "log.jsonl"
    (row,) = [json.loads(line) for line in log.read_text().splitlines()]
    assert row["step"] == 4
    assert row["loss"] > 0
    # Two later steps that a killed run had logged and not saved are done again.
    log.write_text(log.read_text() + '{"step": 5, "seconds": 9.0}\n{"step": 6, "sec')
    start_run(short_config(frames, steps=6), tmp_path).run()
    assert [json.loads(line)["step"] for line in log.read_text().splitlines()] == [4, 6]
    start_run(short_config(frames, steps=6), tmp_path).run()
    assert len(log.read_text().splitlines()) == 2, "a run at its end adds nothing"


def test_a_last_step_that_has_its_row_gets_no_second_one(
    frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prv2_ros.training.loop._LOG_EVERY", 3)
    start_run(short_config(frames, steps=6), tmp_path).run()
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [3, 6]


def test_a_checkpoint_that_does_not_fit_is_one_line_and_leaves_the_one_before(frames: Path, tmp_path: Path) -> None:
    trainer = start_run(short_config(frames), tmp_path)
    trainer._save()
    before = trainer.checkpoint.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))  # a write beyond it fails as one on a full disk does
    try:
        with pytest.raises(StorageError, match=r"checkpoint\.pt cannot be written: the disk is full; free space, or"):
            trainer._save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert trainer.checkpoint.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
