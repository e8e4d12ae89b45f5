from __future__ import annotations

import math

import pytest
import torch

from prv2_ros.network.coarse_lite import FEATURE_CHANNELS, LENS_RANGE_PX, LensResponse
from prv2_ros.network.model import DepthModel


@pytest.mark.parametrize("size", [(64, 64), (96, 160), (160, 96)])
def test_shapes(model: DepthModel, size: tuple[int, int]) -> None:
    with torch.no_grad():
        out = model.predict_coarse(torch.rand(2, 3, *size), torch.tensor([300.0, 500.0]))
    assert out.log_depth_B1hw.shape == (2, 1, *size)
    assert out.features_BChw.shape == (2, FEATURE_CHANNELS, size[0] // 4, size[1] // 4)
    assert out.log_depth_B1hw.dtype == torch.float32


def test_untrained_depth_is_proportional_to_the_focal_length(model: DepthModel) -> None:
    """The canonical camera transform: the same pixels through a lens twice as long lie twice as far away."""
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        near = model.predict_coarse(image, torch.tensor([400.0])).log_depth_B1hw
        far = model.predict_coarse(image, torch.tensor([800.0])).log_depth_B1hw
    torch.testing.assert_close(far, near + math.log(2), atol=1e-5, rtol=0)


def test_what_the_focal_length_tells_is_learnt_and_ends_where_training_did() -> None:
    torch.manual_seed(0)
    model = DepthModel().eval()
    assert model.coarse.lens is not None
    low, high = LENS_RANGE_PX
    with torch.no_grad():
        for level in model.coarse.lens.levels:
            level.weight.normal_(0, 0.1)
        image = torch.rand(1, 3, 64, 96)
        canonical = {
            f_px: model.predict_coarse(image, torch.tensor([f_px])).log_depth_B1hw - math.log(f_px)
            for f_px in (low / 1.2, low, 400.0, 800.0, high, 1.2 * high)
        }
    assert (canonical[400.0] - canonical[800.0]).abs().max() > 1e-3
    torch.testing.assert_close(canonical[low], canonical[low / 1.2], atol=1e-5, rtol=0)
    torch.testing.assert_close(canonical[high], canonical[1.2 * high], atol=1e-5, rtol=0)


def test_lens_response_is_an_affine_map_of_each_channel() -> None:
    response = LensResponse((3, 5, 7, 9))
    found = response(torch.tensor([300.0, 600.0]))
    assert [(scale.shape, shift.shape) for scale, shift in found] == [
        ((2, w, 1, 1), (2, w, 1, 1)) for w in (3, 5, 7, 9)
    ]
    assert all(not part.any() for pair in found for part in pair)


def test_samples_of_a_batch_do_not_touch_each_other(model: DepthModel) -> None:
    images = torch.rand(3, 3, 64, 64)
    f_px = torch.tensor([200.0, 400.0, 800.0])
    with torch.no_grad():
        together = model.predict_coarse(images, f_px).log_depth_B1hw
        alone = model.predict_coarse(images[1:2], f_px[1:2]).log_depth_B1hw
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=0)


def test_every_parameter_gets_a_finite_gradient() -> None:
    torch.manual_seed(0)
    coarse = DepthModel().coarse.train()
    found = coarse(torch.rand(2, 3, 64, 64), torch.tensor([300.0, 500.0]))
    (found.log_depth_B1hw.sum() + found.log_scale_B1hw.sum()).backward()
    for name, parameter in coarse.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_depth_stays_in_range_whatever_the_lens(model: DepthModel) -> None:
    with torch.no_grad():
        out = model.predict_coarse(torch.rand(2, 3, 64, 64), torch.tensor([1e-3, 1e9])).log_depth_B1hw.exp()
    torch.testing.assert_close(out[0], torch.full_like(out[0], 0.05))
    torch.testing.assert_close(out[1], torch.full_like(out[1], 400.0))
