from __future__ import annotations

import pytest
import torch

from prv2_ros.network.coarse_lite import FEATURE_CHANNELS
from prv2_ros.network.model import DepthModel
from prv2_ros.network.refiner_realtime import RefinerRealtime


def _inputs(height: int, width: int, batch: int = 1) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(2)
    return (
        torch.rand(batch, 3, height, width),
        torch.rand(batch, 1, height, width) * 3,
        torch.rand(batch, FEATURE_CHANNELS, height // 8, width // 8),
    )


def test_an_untrained_refiner_nearly_keeps_the_coarse_depth(model: DepthModel) -> None:
    image, _, features = _inputs(64, 96)
    ramp = torch.linspace(0, 1, 96).expand(1, 1, 64, 96)
    with torch.no_grad():
        change = model.refine(image, ramp, features) - ramp
    assert float(change.abs().max()) < 0.1
    flat = torch.full_like(ramp, 1.3)
    with torch.no_grad():
        torch.testing.assert_close(model.refine(image, flat, features), flat)


def test_a_pixel_may_take_its_depth_from_beside_it() -> None:
    """With all weight on one direction, the result is the coarse depth moved by that reach."""
    refiner = RefinerRealtime().eval()
    torch.nn.init.zeros_(refiner.head.weight)
    with torch.no_grad():
        refiner.head.bias.fill_(-100.0)
        refiner.head.bias[0] = 0.0
        refiner.head.bias[1 + 5] = 100.0  # reach 6, no step down, 6 px to the right
    image, log_coarse, features = _inputs(64, 96)
    with torch.no_grad():
        moved = refiner(image, log_coarse, features)
    torch.testing.assert_close(moved[..., :-6], log_coarse[..., 6:])
    torch.testing.assert_close(moved[..., -6:], log_coarse[..., -1:].expand(1, 1, 64, 6))


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (96, 32)])
def test_any_tile_of_multiples_of_32(model: DepthModel, size: tuple[int, int]) -> None:
    with torch.no_grad():
        assert model.refine(*_inputs(*size, batch=2)).shape == (2, 1, *size)


def test_every_parameter_gets_a_finite_gradient() -> None:
    torch.manual_seed(0)
    refiner = RefinerRealtime().train()
    torch.nn.init.normal_(refiner.head.weight, std=0.1)  # zero at the start, which would hide the rest
    refiner(*_inputs(64, 64, batch=2)).square().sum().backward()
    for name, parameter in refiner.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_what_is_far_from_a_pixel_does_not_change_it() -> None:
    """Fully convolutional without global pooling: tiles that overlap agree away from their borders."""
    torch.manual_seed(0)
    refiner = RefinerRealtime().eval()
    torch.nn.init.normal_(refiner.head.weight, std=0.1)
    image, log_coarse, features = _inputs(64, 1024)
    changed = image.clone()
    changed[..., 960:] = 0.5
    with torch.no_grad():
        a, b = refiner(image, log_coarse, features), refiner(changed, log_coarse, features)
    assert float((a - b)[..., :256].abs().max()) < 1e-5
    assert float((a - b)[..., 960:].abs().max()) > 1e-3
