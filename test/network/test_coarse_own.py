from __future__ import annotations

import pytest
import torch

from prv2_ros.network.coarse_lite import CoarseLite
from prv2_ros.network.coarse_own import CoarseLiteMaps
from prv2_ros.network.refiner_published import build_published_refiner


@pytest.fixture(scope="module")
def maps() -> CoarseLiteMaps:
    torch.manual_seed(3)
    return CoarseLiteMaps(CoarseLite(), 32).eval()


def test_depth_is_coarse_lites_own_and_grows_with_the_focal_length(maps: CoarseLiteMaps) -> None:
    image = torch.rand(2, 3, 64, 96)
    f_px = torch.tensor([250.0, 1000.0])
    with torch.no_grad():
        found = maps(image, f_px)
        torch.testing.assert_close(found.depth_m_B1hw, torch.exp(maps.body(image, f_px).log_depth_B1hw))
        canonical = maps(image)
    torch.testing.assert_close(found.depth_m_B1hw, canonical.depth_m_B1hw * torch.tensor([0.5, 2.0]).view(2, 1, 1, 1))


def test_six_maps_lowest_resolution_first(maps: CoarseLiteMaps) -> None:
    with torch.no_grad():
        found = maps(torch.rand(1, 3, 64, 96))
    assert [tuple(f.shape[1:]) for f in found.features] == [
        (32, 2, 3),
        (32, 4, 6),
        (32, 8, 12),
        (32, 16, 24),
        (32, 32, 48),
        (16, 64, 96),
    ]
    assert maps.feature_channels == (16, 32, 32, 32, 32, 32)


def test_the_published_refiner_learns_through_it_end_to_end(maps: CoarseLiteMaps) -> None:
    torch.manual_seed(1)
    coarse = CoarseLiteMaps(CoarseLite(), 32).train()
    refiner = build_published_refiner("mobilenetv4_conv_small", coarse.feature_channels).train()
    image = torch.rand(2, 3, 64, 64)
    found = coarse(image)
    refiner(image, found.depth_m_B1hw, found.features).mean().backward()
    for name, parameter in coarse.named_parameters():
        if name.startswith("body.scale_head"):  # how sure an answer is does not enter
            continue
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
