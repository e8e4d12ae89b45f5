"""The model as inference has it answers as the one that it was made of."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from prv2_ros.network.checkpoint import load_model
from prv2_ros.network.lean import lean_model
from prv2_ros.network.model import DepthModel

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def model() -> DepthModel:
    """The packaged model, whose norms have learnt something, with a network for what is far."""
    model = load_model("default").eval()
    model.add_far_network()
    return model


@pytest.fixture(scope="module")
def image_13hw() -> torch.Tensor:
    return torch.rand(1, 3, 96, 160, generator=torch.Generator().manual_seed(0))


def answers(model: DepthModel, image_13hw: torch.Tensor, dtype: torch.dtype) -> list[torch.Tensor]:
    """All networks' depth and scale."""
    with torch.inference_mode(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
        coarse = model.predict_coarse(image_13hw, torch.tensor([120.0]))
        cells = coarse.log_depth_B1hw[..., ::4, ::4]
        far = model.predict_far(image_13hw, torch.tensor([120.0]))
        fine = model.refine(image_13hw, cells, coarse.features_BChw[..., ::2, ::2], coarse.log_scale_B1hw)
    found = (coarse.log_depth_B1hw, coarse.log_scale_B1hw, far.log_depth_B1hw, fine.log_depth_B1HW, fine.log_scale_B1hw)
    return [value.float() for value in found]


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 2e-5), (torch.bfloat16, 0.25)])
def test_it_answers_as_the_model_does(
    model: DepthModel, image_13hw: torch.Tensor, dtype: torch.dtype, most: float
) -> None:
    lean = lean_model(model, CPU, dtype)
    for ours, theirs in zip(answers(lean, image_13hw, dtype), answers(model, image_13hw, dtype), strict=True):
        assert (ours - theirs).abs().max() < most
        assert (ours - theirs).abs().mean() < most / 10


def test_weights_are_rounded_once_where_each_call_would_round_them(model: DepthModel) -> None:
    lean = lean_model(model, CPU, torch.bfloat16)
    kinds = {name: module.weight.dtype for name, module in lean.named_modules() if isinstance(module, nn.Conv2d)}
    exact = {name for name, dtype in kinds.items() if dtype == torch.float32}
    heads = ("coarse.head", "coarse.scale_head", "far.head", "far.scale_head")
    heads += ("refiner.offset", "refiner.upsample", "refiner.scale_head")
    assert all(name.startswith(heads) or name.endswith(".depthwise") for name in exact)
    assert len(exact) < len(kinds) / 5
    assert all(module.weight.dtype == torch.float32 for module in lean.modules() if isinstance(module, nn.Linear))


def test_it_has_no_norms_and_the_model_keeps_its_own(model: DepthModel) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    lean = lean_model(model, CPU, torch.bfloat16)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in lean.modules())
    assert not any(parameter.requires_grad for parameter in lean.parameters())
    assert not lean.training
    after = model.state_dict()
    assert list(before) == list(after)
    assert all(np.array_equal(before[name].numpy(), after[name].numpy()) for name in before)
    assert any(isinstance(module, nn.BatchNorm2d) for module in model.modules())
