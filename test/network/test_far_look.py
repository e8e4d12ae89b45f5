"""The closer look at what is far: what the network is shown, and where its answer counts."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.network.align import upsample_to
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.far_look import far_looks, far_share, has_closer, with_far_looks
from prv2_ros.network.model import STRIDE_PX, DepthModel, ModelSpec

MODEL = DepthModel(ModelSpec(coarse_area_px=96 * 160))


def coarse(log_depth: torch.Tensor) -> CoarseOutput:
    cells = torch.zeros(1, 1, 6, 10)
    return CoarseOutput(log_depth_B1hw=log_depth, features_BChw=cells.expand(1, 32, -1, -1), log_scale_B1hw=cells)


@pytest.mark.parametrize(
    ("area", "upright", "mirrored"),
    [(3.0, (96, 160), (128, 224)), (12.0, (192, 320), (256, 448))],  # the last is larger than the picture
)
def test_a_third_of_the_look_is_upright_and_the_rest_mirrored(
    area: float, upright: tuple[int, int], mirrored: tuple[int, int]
) -> None:
    ramp = torch.linspace(0, 1, 320).expand(1, 3, 192, 320)
    looks = far_looks(MODEL, ramp, 200.0, 220.0, area)
    for look, (h, w), sign in zip(looks, (upright, mirrored), (1, -1), strict=True):
        assert look.image_B3hw.shape == (1, 3, h, w)
        assert (look.image_B3hw.diff(dim=-1) * sign >= 0).all()
        assert look.f_px_B.tolist() == pytest.approx([math.sqrt(200 * w / 320 * 220 * h / 192)], rel=1e-6)


@pytest.mark.parametrize(("width", "height", "closer"), [(160, 96, False), (161, 96, True), (96, 64, False)])
def test_a_picture_no_larger_than_the_first_look_shows_nothing_closer(width: int, height: int, closer: bool) -> None:
    assert has_closer(MODEL, width, height) is closer


@given(height=st.integers(64, 900), width=st.integers(64, 900), area=st.floats(3, 24))
def test_sizes_are_what_the_network_takes(height: int, width: int, area: float) -> None:
    for look in far_looks(MODEL, torch.zeros(1, 3, height, width, dtype=torch.uint8), 100.0, 100.0, area):
        assert all(side % STRIDE_PX == 0 and side >= STRIDE_PX for side in look.image_B3hw.shape[-2:])


def test_the_answer_counts_where_the_first_looks_say_far() -> None:
    metres = torch.tensor([2.0, 18.0, 25.0, 36.0, 250.0]).repeat_interleave(4).expand(1, 1, 8, 20)
    halves = [torch.full((1, 1, 8, 20), math.log(closer_m)) for closer_m in (50.0, 200.0)]
    found = with_far_looks(coarse(metres.log()), halves, 36.0).log_depth_B1hw.exp()[0, 0, 4, 2::4]
    share = math.log2(25 / 18)
    expected = [2.0, 18.0, 25 ** (1 - share) * 100**share, 100.0, 100.0]
    assert found.tolist() == pytest.approx(expected, rel=1e-5)


def test_the_mirrored_half_is_turned_back_and_as_large_as_the_answer() -> None:
    plane = torch.linspace(4, 5, 40).expand(1, 1, 24, 40)
    wide = upsample_to(plane, (60, 100))
    found = with_far_looks(coarse(torch.full((1, 1, 24, 40), 9.0)), [plane, wide.flip(-1)], 36.0)
    torch.testing.assert_close(found.log_depth_B1hw, wide)


def test_what_is_near_and_all_but_the_depth_stay() -> None:
    near = torch.rand(1, 1, 24, 40)  # up to 2.7 m
    before = coarse(near)
    after = with_far_looks(before, [torch.full((1, 1, 36, 60), 7.0), torch.full((1, 1, 60, 100), 9.0)], 36.0)
    torch.testing.assert_close(after.log_depth_B1hw, upsample_to(near, (60, 100)))
    assert after.features_BChw is before.features_BChw
    assert after.log_scale_B1hw is before.log_scale_B1hw


def test_the_share_that_is_far_is_a_mean() -> None:
    metres = torch.tensor([3.0, 36.0 / 2**0.5, 40.0, 18.0]).view(1, 1, 2, 2)
    assert float(far_share(metres.log(), 36.0)) == pytest.approx((0 + 0.5 + 1 + 0) / 4, abs=1e-6)
