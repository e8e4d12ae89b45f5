"""Every stage learns, and learns only what is its own."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_depth_model import small_model
from torch import Tensor

from prv2_ros.network.align import upsample_to
from prv2_ros.network.looks import merge_looks, network_looks
from prv2_ros.network.refiner_realtime import RefinedTile
from prv2_ros.training import losses
from prv2_ros.training.coarse_maps import write_coarse_maps
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import Batch, Feed, Prepared
from prv2_ros.training.parts import parameter_groups, set_training_mode
from prv2_ros.training.pseudo_labels import Teacher, write_pseudo_labels
from prv2_ros.training.stages import STEPS

OPTIONS: dict[str, dict[str, object]] = {
    "noise": {"learning_rate": 5e-3},
    "end_to_end": {"patches": "group", "consistency": 4.0, "overlap": 0.4, "gradient": 0.5},
    "real": {"window_px": 16},
    "confidence": {"learning_rate": 2e-2},
}


def _config(stage: str, folder: Path, **changes: object) -> TrainConfig:
    values: dict[str, object] = {
        "stage": stage,
        "data": (str(folder),),
        "batch": 2,
        "sizes": ((64, 96),),
        "patch": (64, 64),
        "frozen": (),
        "encoder_rate": 0.2,
        "learning_rate": 2e-3,
    }
    return TrainConfig(**{**values, **changes})  # type: ignore[arg-type]


def _prepared(config: TrainConfig, folder: Path) -> Prepared:
    if config.stage != "real":
        return Prepared()
    teacher = Teacher(name="truth_x2", predict=lambda frame: np.asarray(2 * frame.depth_m, np.float32))
    return Prepared(labels=write_pseudo_labels(teacher, config.data, folder))


def _train(config: TrainConfig, folder: Path, steps: int = 8) -> tuple[list[dict[str, float]], set[str]]:
    """Figures of each step on one batch, and the names of the tensors that changed."""
    model = small_model()
    with torch.no_grad():  # features of random weights are large, and would hold the scale at the end of its range
        model.coarse.scale_head[0].weight.mul_(1e-3)  # type: ignore[operator, union-attr]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    set_training_mode(model, config)
    groups = parameter_groups(model, config)
    optimizer = torch.optim.AdamW([{**group, "lr": config.learning_rate * group["lr_share"]} for group in groups])  # type: ignore[operator]
    batch = next(iter(Feed(config, 0, _prepared(config, folder))))
    rows = []
    for _ in range(steps):
        loss, figures = STEPS[config.stage](model, batch, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rows.append({"loss": float(loss.detach()), **{name: float(value) for name, value in figures.items()}})
    after = model.state_dict()
    return rows, {name for name in before if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("stage", sorted(OPTIONS))
def test_a_stage_learns_what_is_its_own(stage: str, tile_scenes: Path, frames: Path, tmp_path: Path) -> None:
    folder = frames if stage == "real" else tile_scenes
    rows, changed = _train(_config(stage, folder, **OPTIONS[stage]), tmp_path)
    assert rows[-1]["loss"] < rows[0]["loss"]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    if stage == "confidence":
        assert {name.split(".")[1] for name in changed} == {"scale_head"}
        assert {name.split(".")[0] for name in changed} == {"coarse", "refiner"}
        return
    assert not any("scale_head" in name for name in changed)
    assert {"refiner.head.0.weight", "refiner.encoder.body.conv_stem.weight"} <= changed
    coarse = {name for name in changed if name.startswith("coarse.")}
    assert bool(coarse) is (stage != "noise")
    assert not any("running_" in name for name in coarse), "norms keep the statistics of whole batches"


def test_overlapping_patches_are_made_to_agree(tile_scenes: Path, tmp_path: Path) -> None:
    ends = {}
    for weight in (0.0, 30.0):
        config = _config("end_to_end", tile_scenes, patches="group", overlap=0.4, consistency=weight, batch=1)
        ends[weight] = _train(config, tmp_path, steps=24)[0][-1]["disagreement"]
    assert ends[30.0] < 0.8 * ends[0.0], "reported with and without the loss, and smaller with it"


def test_pair_of_patches_reports_its_disagreement(tile_scenes: Path, tmp_path: Path) -> None:
    rows, _ = _train(_config("end_to_end", tile_scenes, patches="pair", consistency=1.0), tmp_path, steps=1)
    assert rows[0]["disagreement"] > 0
    assert rows[0]["consistency"] >= rows[0]["disagreement"] ** 2, "a mean of squares"


@pytest.mark.parametrize("stage", ["coarse", "end_to_end"])
def test_likelihood_beside_depth_trains_the_scale_and_leaves_the_depth(stage: str, tile_scenes: Path) -> None:
    gradients = {}
    for weight in (0.0, 1.0):
        config = _config(stage, tile_scenes, likelihood=weight)
        model = small_model()
        set_training_mode(model, config)
        loss, _ = STEPS[stage](model, next(iter(Feed(config))), config)
        loss.backward()
        gradients[weight] = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    extra = set(gradients[1.0]) - set(gradients[0.0])
    assert extra
    assert all("scale_head" in name for name in extra)
    for name, gradient in gradients[0.0].items():
        torch.testing.assert_close(gradients[1.0][name], gradient)


@pytest.mark.parametrize("stage", STEPS)
def test_each_sample_weighs_the_same_in_whatever_batch(
    stage: str, tile_scenes: Path, frames: Path, tmp_path: Path
) -> None:
    config = _config(stage, frames if stage == "real" else tile_scenes, bf16=True)
    model = small_model().eval()
    prepared = _prepared(config, tmp_path)
    if stage == "refiner":
        prepared = Prepared(maps=write_coarse_maps(model, config.data, tmp_path, bf16=True))
    batch = next(iter(Feed(config, 0, prepared)))
    for name in ("log_depth", "patch_log_depth"):  # one sample that is far harder than the other
        if name in batch:
            batch[name][0] += torch.linspace(-2, 2, batch[name].shape[-1])
    ones = [{name: value[k : k + 1] for name, value in batch.items()} for k in range(2)]
    with torch.no_grad():
        together, figures = STEPS[stage](model, batch, config)
        alone = [STEPS[stage](model, one, config) for one in ones]
    assert float(together) == pytest.approx(sum(float(loss) for loss, _ in alone) / 2, rel=1e-4)
    for name, value in figures.items():
        assert float(value) == pytest.approx(sum(float(other[name]) for _, other in alone) / 2, rel=1e-4, abs=1e-6)


def test_pixels_between_strides_do_not_count(frames: Path) -> None:
    config = _config("coarse", frames, loss_stride=2)
    batch, model = next(iter(Feed(config))), small_model().eval()
    truth = batch["log_depth"]
    counted = torch.zeros_like(truth, dtype=torch.bool)
    counted[..., 1::2, 1::2] = True

    def metric(log_depth: Tensor, stride: int) -> float:
        changes = _config("coarse", frames, loss_stride=stride)
        return float(STEPS["coarse"](model, {**batch, "log_depth": log_depth}, changes)[1]["log_l1"])

    assert metric(torch.where(counted, truth, torch.nan), 2) == metric(truth, 2)
    assert metric(torch.where(counted, truth, torch.nan), 1) == pytest.approx(metric(truth, 2), rel=1e-5)
    assert metric(torch.where(counted, truth + 1, truth), 2) != pytest.approx(metric(truth, 2), rel=0.05)


def test_relative_is_a_share_of_the_coarse_networks_metric_loss(frames: Path) -> None:
    totals, figures = {}, {}
    for share in (0.0, 0.25, 1.0):
        config = _config("coarse", frames, relative=share)
        with torch.no_grad():
            batch = next(iter(Feed(config)))
            totals[share], figures[share] = STEPS["coarse"](small_model().eval(), batch, config)
    difference = figures[1.0]["relative"] - figures[1.0]["log_l1"]
    assert "relative" not in figures[0.0]
    assert abs(float(difference)) > 1e-3
    assert float(totals[1.0] - totals[0.0]) == pytest.approx(float(difference), abs=1e-5)
    assert float(totals[0.25] - totals[0.0]) == pytest.approx(0.25 * float(difference), abs=1e-5)


def test_relative_makes_the_refiner_pay_more_for_what_is_too_far() -> None:
    """By as much as the relative error is more than that of the logarithm: ln 2 too far is 100%, too near 50%."""
    depth, generator = torch.zeros(1, 1, 32, 32), torch.Generator().manual_seed(0)
    depth[..., 16:] = 1.0
    batch: Batch = {
        "image": torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
        "log_depth": depth,
        "log_coarse": torch.rand(1, 1, 8, 8, generator=generator),
        "log_scale": torch.zeros(1, 1, 8, 8),
        "features": torch.zeros(1, 32, 4, 4),
    }
    coarse = upsample_to(batch["log_coarse"], (32, 32))
    truth = losses.align_offset(depth, coarse)
    near = torch.isfinite(truth) & (losses.edge_weight(truth) > 0)
    before = (coarse - truth).abs()
    scale = before.mean() + before[near].mean() + 0.05
    for error, dearer in ((math.log(2), 1 - math.log(2)), (-math.log(2), 0.5 - math.log(2))):
        totals = [float(_refiner_loss(batch, truth + error, share)) for share in (0.0, 0.5)]
        assert totals[1] - totals[0] == pytest.approx(float(0.5 * 2 * dearer / scale), rel=1e-4)


@pytest.mark.parametrize(("depth_m", "learns"), [(5.0, False), (80.0, True)])
def test_the_refiner_learns_metres_from_the_depth_on_that_it_is_told(depth_m: float, learns: bool) -> None:
    """A coarse depth that is right but for 20% of scale: nothing to learn where the scale does not count."""
    depth = torch.full((1, 1, 32, 32), math.log(depth_m))
    depth[..., 16:] += 1.0
    batch: Batch = {
        "image": torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
        "log_depth": depth,
        "log_coarse": torch.nn.functional.avg_pool2d(depth, 4) + math.log(1.2),
        "log_scale": torch.zeros(1, 1, 8, 8),
        "features": torch.zeros(1, 32, 4, 4),
    }
    as_coarse, right = (
        float(_refiner_loss(batch, log_answer, 0.0, metric_from_m=50.0))
        for log_answer in (depth + math.log(1.2), depth)
    )
    assert (right < 0.01 < as_coarse) if learns else (as_coarse < 0.01 < right)
    # Not asked for metres, it learns none at any depth.
    assert float(_refiner_loss(batch, depth + math.log(1.2), 0.0)) == pytest.approx(0, abs=1e-4)


def _refiner_loss(batch: Batch, log_answer: Tensor, share: float, **options: float) -> Tensor:
    """Loss of a refiner that gives this answer."""
    model = small_model()
    answer = RefinedTile(log_depth_B1HW=log_answer, log_scale_B1hw=batch["log_scale"])
    model.refine = lambda *_: answer  # type: ignore[method-assign]
    return STEPS["refiner"](model, batch, TrainConfig(stage="refiner", relative=share, **options))[0]


def test_refiner_sees_noise_and_a_flat_coarse_depth(tile_scenes: Path) -> None:
    config = _config("noise", tile_scenes, batch=4)
    batches = iter(Feed(config))
    first, second = next(batches), next(batches)
    assert first["features"].shape == (4, 32, 8, 12)
    assert abs(float(first["features"].mean())) < 0.02
    assert float(first["features"].std()) == pytest.approx(1.0, abs=0.02)
    assert not torch.equal(first["features"], second["features"]), "fresh for every batch"


def test_confidence_is_the_likelihood_at_the_maps_sizes(tile_scenes: Path) -> None:
    config = _config("confidence", tile_scenes)
    model = small_model().eval()
    batch: Batch = next(iter(Feed(config)))
    with torch.no_grad():
        total, figures = STEPS["confidence"](model, batch, config)
        looks = network_looks(model, batch["image"].float() / 255, batch["f_px"], batch["f_px"], (64, 96))
        assert len(looks) == 2
        coarse = merge_looks([model.predict_coarse(look.image_B3hw, look.f_px_B) for look in looks])
    scale = upsample_to(coarse.log_scale_B1hw, (64, 96))
    expected = losses.laplace_nll(coarse.log_depth_B1hw, batch["log_depth"], scale)
    assert float(figures["nll_coarse"]) == pytest.approx(float(expected), rel=1e-4)
    assert float(total) == pytest.approx(float(figures["nll_coarse"] + figures["nll"]), rel=1e-5)


def test_rates_of_the_parts() -> None:
    model = small_model()
    config = TrainConfig(stage="end_to_end", frozen=(), encoder_rate=0.1, coarse_rate=0.03)
    set_training_mode(model, config)
    shares: dict[int, float] = {}
    for group in parameter_groups(model, config):
        params = group["params"]
        assert isinstance(params, list)
        assert isinstance(group["lr_share"], float)
        shares.update({id(parameter): group["lr_share"] for parameter in params})
        assert all((p.ndim > 1) is (group["weight_decay"] != 0) for p in params)
    learning = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert set(shares) == {id(p) for p in learning.values()}

    def share(name: str) -> float:
        return shares[id(learning[name])]

    assert share("coarse.head.weight") == share("coarse.encoder.body.conv_stem.weight") == 0.03
    assert share("refiner.encoder.body.conv_stem.weight") == 0.1
    assert share("refiner.offset.weight") == 1.0


def test_real_stage_takes_shape_from_the_label_and_scale_from_the_truth(frames: Path, tmp_path: Path) -> None:
    config = _config("real", frames)
    batch = next(iter(Feed(config, 0, _prepared(config, tmp_path))))
    model = small_model()
    truth = batch["patch_log_depth"]

    def figures(label: Tensor) -> dict[str, Tensor]:
        return STEPS["real"](model, {**batch, "patch_label": label}, config)[1]

    plain = figures(batch["patch_label"])
    scaled = figures(0.5 * batch["patch_label"] + 3)
    assert float(scaled["ssigm"]) == pytest.approx(0.5 * float(plain["ssigm"]), rel=1e-3)
    assert float(scaled["silog"]) == float(plain["silog"])
    sparse = torch.where(torch.rand(truth.shape, generator=torch.Generator().manual_seed(0)) < 0.05, truth, torch.nan)
    assert math.isfinite(STEPS["real"](model, {**batch, "patch_log_depth": sparse}, config)[0].item())
