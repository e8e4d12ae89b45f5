from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from prv2_ros.data import tiles
from prv2_ros.data.frames import Frame, write_frame
from prv2_ros.data.synthetic import render
from prv2_ros.errors import InputError, WeightsError
from prv2_ros.network.model import DepthModel
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import Feed
from prv2_ros.training.loop import Average, Trainer, learning_rate_share
from prv2_ros.training.parts import set_training_mode


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for seed in range(2):
        made = render(seed, 96, 64, kind="room")
        write_frame(
            folder,
            Frame(name=f"{seed:08d}", image=made.image, depth_m=made.depth_m, camera=made.camera, kind=made.kind),
        )
    return folder


@pytest.fixture(scope="module")
def tile_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiles")
    tiles.write_tile_scene(folder, tiles.render(1, count=1))
    return folder


def _config(folder: Path, **changes: object) -> TrainConfig:
    values: dict[str, object] = {"data": (str(folder),), "steps": 4, "batch": 2, "sizes": ((64, 64),), "workers": 0}
    return TrainConfig(**{**values, **changes})  # type: ignore[arg-type]


def _train(config: TrainConfig, folder: Path, stop_after: int | None = None) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    trainer = Trainer(DepthModel(), config, folder)
    if stop_after is None:
        trainer.run()
        return {key: value.clone() for key, value in trainer.part.state_dict().items()}
    for _, batch in zip(range(stop_after), Feed(config, trainer.step), strict=False):
        trainer._advance(batch)
    trainer._save()
    return {}


def test_a_run_stopped_and_resumed_gives_bit_equal_weights(frames: Path, tmp_path: Path) -> None:
    config = _config(frames)
    whole = _train(config, tmp_path / "whole")
    _train(config, tmp_path / "parts", stop_after=2)
    resumed = _train(config, tmp_path / "parts")
    assert set(whole) == set(resumed)
    for key, value in whole.items():
        assert torch.equal(value, resumed[key]), key


def test_training_changes_its_part_alone(frames: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DepthModel()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    Trainer(model, _config(frames, steps=2), tmp_path).run()
    after = model.state_dict()
    frozen = ("coarse.encoder.body.conv_stem", "coarse.encoder.body.blocks.0.")
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert all(key.startswith("coarse.") and not key.startswith(frozen) for key in changed)


def test_fixed_depthwise_kernels_stay_and_the_rest_learns_in_bfloat16(frames: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = DepthModel()
    before = {key: value.clone() for key, value in model.coarse.state_dict().items()}
    Trainer(model, _config(frames, steps=2, frozen=(), fixed_depthwise=True, bf16=True), tmp_path).run()
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
    trainer = Trainer(model, _config(tile_scenes, stage="refiner", frozen=(), learning_rate=3e-3), tmp_path)
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


def test_accumulated_gradients_step_once_for_several_batches(frames: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    trainer = Trainer(DepthModel(), _config(frames, accumulate=2), tmp_path)
    before = trainer.part.head.weight.clone()
    batch = next(iter(Feed(trainer.config)))
    trainer._advance(batch)
    assert torch.equal(trainer.part.head.weight, before)
    trainer._advance(batch)
    assert not torch.equal(trainer.part.head.weight, before)


def test_checkpoint_of_another_stage_is_refused(frames: Path, tile_scenes: Path, tmp_path: Path) -> None:
    _train(_config(frames), tmp_path, stop_after=1)
    with pytest.raises(WeightsError, match="of stage coarse, not refiner"):
        Trainer(DepthModel(), _config(tile_scenes, stage="refiner"), tmp_path)


def test_log_has_a_row_of_figures(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prv2_ros.training.loop._LOG_EVERY", 2)
    Trainer(DepthModel(), _config(frames), tmp_path).run()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [2, 4]
    assert {"loss", "log_l1", "shape", "grad", "sky", "seconds"} <= set(rows[0])


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frames in"):
        next(iter(Feed(_config(tmp_path))))


def test_scenes_are_rendered_where_no_folder_is_given() -> None:
    batch = next(iter(Feed(_config(Path()).__class__(batch=1, sizes=((64, 64),), workers=0))))
    assert batch["image"].shape == (1, 3, 64, 64)


def test_learning_rate_warms_up_and_falls() -> None:
    shares = [learning_rate_share(p / 100, 0.1) for p in range(101)]
    assert shares[10] == pytest.approx(1.0)
    assert shares[:11] == sorted(shares[:11])
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[100] == pytest.approx(0.01)


def test_average_moves_from_mean_to_exponential() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    average = Average(module, 0.9)
    for value in range(1, 400):
        module.weight.data.fill_(float(value))
        average.update(module)
    # An exponential mean of a ramp lags by decay / (1 - decay) steps.
    assert float(average.state["weight"]) == pytest.approx(399 - 9, abs=0.5)
