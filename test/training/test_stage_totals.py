"""A stage's loss is the sum of its figures, each with its weight."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from short_runs import short_config
from tiny_depth_model import small_model

from prv2_ros.network.refiner_realtime import RefinedTile
from prv2_ros.training.feed import Feed
from prv2_ros.training.stages import STEPS


@pytest.mark.parametrize("likelihood", [0.0, 0.3])
def test_the_coarse_networks_loss_has_every_figure(likelihood: float, frames: Path) -> None:
    config = short_config(frames, likelihood=likelihood, relative=0.25)
    batch = next(iter(Feed(config)))
    batch["log_depth"][..., :32, :] = torch.inf
    with torch.no_grad():
        total, figures = STEPS["coarse"](small_model().eval(), batch, config)
    weights = {"log_l1": 0.75, "shape": 0.5, "grad": 0.5, "sky": 0.2, "relative": 0.25}
    if likelihood:
        weights["nll"] = likelihood
    assert set(figures) == set(weights)
    assert all(abs(float(value)) > 1e-2 for value in figures.values())
    expected = sum(weight * float(figures[name]) for name, weight in weights.items())
    assert float(total) == pytest.approx(expected, rel=1e-5)


def test_the_end_to_end_loss_has_the_shortfall_of_the_sky(frames: Path) -> None:
    config = short_config(frames, stage="end_to_end", patch=(64, 64), gradient=0.5)
    batch, model = next(iter(Feed(config))), small_model().eval()
    batch["patch_log_depth"][..., :32, :] = torch.inf
    answer = RefinedTile(log_depth_B1HW=torch.zeros(2, 1, 64, 64), log_scale_B1hw=torch.zeros(2, 1, 16, 16))
    model.refine = lambda *_: answer  # type: ignore[method-assign]
    total, figures = STEPS["end_to_end"](model, batch, config)
    shortfall = math.log(250)  # of an answer of 1 m
    assert float(total) == pytest.approx(float(figures["silog"] + 0.5 * figures["grad"]) + 0.2 * shortfall, rel=1e-5)


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_the_real_stages_loss_weighs_the_pseudo_label(weight: float, frames: Path) -> None:
    config = short_config(frames, stage="real", patch=(64, 64), pseudo=weight)
    batch = next(iter(Feed(config)))
    batch["patch_label"] = torch.randn(batch["patch_label"].shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        total, figures = STEPS["real"](small_model().eval(), batch, config)
    assert float(figures["ssigm"]) > 1e-2
    assert float(total) == pytest.approx(float(figures["silog"] + weight * figures["ssigm"]), rel=1e-5)
