from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from prv2_ros.errors import ConfigError
from prv2_ros.network.coarse_lite import FEATURE_CHANNELS
from prv2_ros.network.layers import convex_upsample
from prv2_ros.network.model import DepthModel
from prv2_ros.network.refiner_realtime import RefinerRealtime


def _inputs(height: int, width: int, batch: int = 1) -> list[torch.Tensor]:
    torch.manual_seed(2)
    return [
        torch.rand(batch, 3, height, width),
        torch.rand(batch, 1, height // 4, width // 4) * 3,
        torch.rand(batch, FEATURE_CHANNELS, height // 8, width // 8),
        torch.full((batch, 1, height // 4, width // 4), -1.5),
    ]


def _lively() -> RefinerRealtime:
    torch.manual_seed(0)
    refiner = RefinerRealtime()
    for head in (refiner.offset, refiner.upsample, refiner.scale_head[2]):
        torch.nn.init.normal_(head.weight, std=0.1)
    return refiner


def test_an_untrained_refiner_nearly_keeps_the_coarse_depth(model: DepthModel) -> None:
    image, _, features, scale = _inputs(64, 96)
    ramp = torch.linspace(0, 1, 24).expand(1, 1, 16, 24)
    with torch.no_grad():
        found = model.refine(image, ramp, features, scale)
        plain = F.interpolate(ramp, (64, 96), mode="bilinear")
        assert float((found.log_depth_B1HW - plain).abs().max()) < 0.1
        torch.testing.assert_close(found.log_scale_B1hw, scale, atol=0.2, rtol=0)
        flat = torch.full_like(ramp, 1.3)
        found = model.refine(image, flat, features, scale)
    torch.testing.assert_close(found.log_depth_B1HW, torch.full((1, 1, 64, 96), 1.3))


def test_a_cell_may_take_its_depth_from_beside_it() -> None:
    """With all weight on one direction, the result is the coarse depth moved by that reach, then upsampled."""
    refiner = RefinerRealtime().eval()
    with torch.no_grad():
        for head in (refiner.offset, refiner.upsample):
            head.weight.zero_()
        refiner.upsample.bias.view(9, -1)[4] = 10.0
        refiner.offset.bias.fill_(-100.0)
        refiner.offset.bias[0] = 0.0
        refiner.offset.bias[1 + 8 + 5] = 100.0  # reach 3, no step down, 3 cells to the right
        image, log_coarse, features, scale = _inputs(64, 96)
        found = refiner(image, log_coarse, features, scale).log_depth_B1HW
    moved = torch.cat([log_coarse[..., 3:], log_coarse[..., -1:].expand(1, 1, 16, 3)], -1)
    torch.testing.assert_close(found, F.interpolate(moved, (64, 96), mode="bilinear"), atol=2e-3, rtol=0)


@pytest.mark.parametrize("size", [(32, 32), (64, 96), (96, 32)])
def test_any_tile_of_multiples_of_32(model: DepthModel, size: tuple[int, int]) -> None:
    with torch.no_grad():
        found = model.refine(*_inputs(*size, batch=2))
    assert found.log_depth_B1HW.shape == (2, 1, *size)
    assert found.log_scale_B1hw.shape == (2, 1, size[0] // 4, size[1] // 4)


def test_every_parameter_gets_a_finite_gradient() -> None:
    refiner = _lively().train()
    found = refiner(*_inputs(64, 64, batch=2))
    (found.log_depth_B1HW.square().sum() + found.log_scale_B1hw.sum()).backward()
    for name, parameter in refiner.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_how_sure_an_answer_is_does_not_change_the_answer() -> None:
    refiner = _lively().train()
    refiner(*_inputs(64, 64)).log_scale_B1hw.sum().backward()
    learning = {name.partition(".")[0] for name, p in refiner.named_parameters() if p.grad is not None}
    assert learning == {"scale_head"}


def test_what_is_far_from_a_pixel_does_not_change_it() -> None:
    """Fully convolutional without global pooling: tiles that overlap agree away from their borders."""
    refiner = _lively().eval()
    image, *known = _inputs(64, 1536)
    changed = image.clone()
    changed[..., 1472:] = 0.5
    with torch.no_grad():
        difference = refiner(image, *known).log_depth_B1HW - refiner(changed, *known).log_depth_B1HW
    assert float(difference[..., :512].abs().max()) < 1e-5
    assert float(difference[..., 1472:].abs().max()) > 1e-3


@pytest.mark.parametrize(
    ("encoder", "shrink"),
    [("mobilenetv4_conv_small", 2), ("tf_efficientnet_b0", 1), ("convnext_nano", 1), ("convnext_nano", 2)],
)
def test_encoders_of_other_strides(encoder: str, shrink: int) -> None:
    refiner = RefinerRealtime(encoder, (8, 12, 16, 20), shrink).eval()
    with torch.no_grad():
        assert refiner(*_inputs(64, 96)).log_depth_B1HW.shape == (1, 1, 64, 96)


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"shrink 3: expected four widths, and 1 or 2"):
        RefinerRealtime(shrink=3)
    with pytest.raises(ConfigError, match=r"'vit_tiny_patch16_224' has maps at strides \[32, .*expected 8, 16 and 32"):
        RefinerRealtime("vit_tiny_patch16_224")
    with pytest.raises(ConfigError, match="timm knows no such model"):
        RefinerRealtime("no_such_net")


def test_the_first_weights_upsample_bilinearly() -> None:
    torch.manual_seed(4)
    x = torch.rand(2, 1, 5, 7)
    logits = torch.full((9, 16), -20.0).index_fill(0, torch.tensor(4), 0.0).view(1, -1, 1, 1).expand(2, -1, 5, 7)
    torch.testing.assert_close(
        convex_upsample(x, logits, 4), F.interpolate(x, (20, 28), mode="bilinear"), atol=1e-6, rtol=0
    )


def test_each_direction_is_one_cell_away() -> None:
    x = torch.arange(8.0).expand(1, 1, 6, 8)
    logits = torch.full((9, 16), -20.0).index_fill(0, torch.tensor(5), 0.0)  # all pixels look to the right
    inside = convex_upsample(x, logits.view(1, -1, 1, 1).expand(1, -1, 6, 8), 4)[0, 0, :, 4:-8]
    plain = F.interpolate(x, (24, 32), mode="bilinear")[0, 0, :, 4:-8]
    torch.testing.assert_close(inside, plain + 1, atol=1e-4, rtol=0)


@given(seed=st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_weights_that_change_from_cell_to_cell_leave_no_step_on_a_plane(seed: int) -> None:
    """Symmetric weights of any strength, different in each cell: RAFT's upsampling fails this."""
    generator = torch.Generator().manual_seed(seed)
    x = 0.3 * torch.arange(9.0)[:, None] + 0.2 * torch.arange(7.0)
    half = 3 * torch.randn(1, 4, 16, 9, 7, generator=generator)
    logits = torch.cat([half, torch.zeros(1, 1, 16, 9, 7), half.flip(1)], 1).view(1, -1, 9, 7)
    fine = convex_upsample(x[None, None], logits, 4)[0, 0, 8:-8, 8:-8]
    torch.testing.assert_close(fine.diff(dim=0), torch.full_like(fine.diff(dim=0), 0.3 / 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(fine.diff(dim=1), torch.full_like(fine.diff(dim=1), 0.2 / 4), atol=1e-5, rtol=0)


@given(seed=st.integers(0, 1000), stride=st.sampled_from([2, 4]))
@settings(max_examples=20, deadline=None)
def test_convex_upsampling_stays_within_the_cells_around(seed: int, stride: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(1, 1, 6, 5, generator=generator)
    logits = 5 * torch.randn(1, 9 * stride**2, 6, 5, generator=generator)
    fine = convex_upsample(x, logits, stride)
    high, low = (s * F.max_pool2d(s * F.pad(x, (2,) * 4, mode="replicate"), 5, 1) for s in (1, -1))
    up = lambda y: y.repeat_interleave(stride, -1).repeat_interleave(stride, -2)  # noqa: E731
    assert (fine <= up(high) + 1e-5).all()
    assert (fine >= up(low) - 1e-5).all()
