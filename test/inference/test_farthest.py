"""How far the coarse depth reaches around each pixel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from engine_pictures import picture, small_model
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from prv2_ros.geometry.tiles import tile_grid
from prv2_ros.inference.blending import BlendWeights, ImageMaps
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.inference.farthest import farthest_around
from prv2_ros.network.align import upsample_to
from prv2_ros.network.coarse_lite import CoarseOutput


@settings(max_examples=25)
@given(rows=st.integers(2, 9), columns=st.integers(2, 9), seed=st.integers(0, 2**31))
def test_a_cell_reaches_as_far_as_its_farthest_pixel(rows: int, columns: int, seed: int) -> None:
    log_depth = torch.from_numpy(np.random.default_rng(seed).normal(2, 1, (1, 1, rows, columns)).astype(np.float32))
    fine = upsample_to(log_depth, (65 * rows, 65 * columns))  # odd: a pixel at each cell's middle
    expected = F.max_pool2d(fine, 65)[0, 0]
    found = farthest_around(log_depth, (rows, columns))
    assert (found >= expected - 1e-5).all()
    assert (found - expected).abs().max() < 0.15, "a border's value lies half a pixel off the outermost pixels"


@settings(max_examples=25)
@given(height=st.integers(20, 70), width=st.integers(20, 70), seed=st.integers(0, 2**31))
def test_the_coarse_depth_itself_is_nowhere_farther(height: int, width: int, seed: int) -> None:
    log_depth = torch.from_numpy(np.random.default_rng(seed).normal(2, 1, (1, 1, 6, 9)).astype(np.float32))
    assert (upsample_to(log_depth, (height, width))[0, 0] <= farthest_around(log_depth, (height, width)) + 1e-5).all()


def _maps(log_depth_11hw: torch.Tensor) -> ImageMaps:
    features = torch.zeros(1, 1, *log_depth_11hw.shape[-2:])
    coarse = CoarseOutput(log_depth_B1hw=log_depth_11hw, features_BChw=features, log_scale_B1hw=features)
    return ImageMaps(coarse, (64, 96), BlendWeights(tile_grid(64, 96), torch.device("cpu")), scale=False)


def test_what_is_found_farther_is_brought_nearer_and_what_is_nearer_stays() -> None:
    wall = torch.full((1, 1, 16, 24), math.log(4.0))
    wall[..., 12:] = math.log(20.0)
    maps = _maps(wall)
    maps.log_depth_HW[:20, :20] = math.log(250.0)  # a window taken for the sky
    maps.log_depth_HW[30:40, :20] = math.log(1.0)  # a pole that the coarse depth missed
    maps.log_depth_HW[50:, 46:48] = math.log(20.0)  # the border of the farther part, sharpened
    maps.leave_out_farther(0.1)
    depth = maps.log_depth_HW.exp()
    torch.testing.assert_close(depth[:20, :20], torch.full((20, 20), 4.4))
    torch.testing.assert_close(depth[30:40, :20], torch.ones(10, 20))
    assert (depth[50:, 46:48] > 10).all()
    torch.testing.assert_close(depth[:, 60:], torch.full((64, 36), 20.0))


def test_without_a_bound_nothing_changes() -> None:
    maps = _maps(torch.zeros(1, 1, 16, 24))
    maps.log_depth_HW[:] = 7.0
    maps.leave_out_farther(math.inf)
    assert (maps.log_depth_HW == 7.0).all()


def test_what_is_far_may_be_found_twice_as_much_farther() -> None:
    near_and_far = torch.full((1, 1, 16, 24), math.log(10.0))
    near_and_far[..., 12:] = math.log(100.0)
    maps = _maps(near_and_far)
    near_HW = maps.near(50.0)
    assert near_HW is not None
    assert (near_HW[:, :40] == 1).all()
    assert (near_HW[:, 60:] == 0).all()
    maps.log_depth_HW += 2.0
    maps.leave_out_farther(0.5, near_HW)
    depth = maps.log_depth_HW.exp()
    torch.testing.assert_close(depth[:, :40], torch.full((64, 40), 15.0))
    torch.testing.assert_close(depth[:, 60:], torch.full((64, 36), 200.0))


def test_wide_changes_are_kept_where_it_is_far() -> None:
    near_and_far = torch.full((1, 1, 16, 24), math.log(10.0))
    near_and_far[..., 12:] = math.log(100.0)
    maps = _maps(near_and_far)
    before = maps.log_depth_HW.clone()
    maps.log_depth_HW += 0.1
    maps.leave_out_wide_changes(1.0, maps.near(50.0))
    torch.testing.assert_close(maps.log_depth_HW[:, :40], before[:, :40])
    torch.testing.assert_close(maps.log_depth_HW[:, 60:], before[:, 60:] + 0.1)
    assert maps.near(math.inf) is None


def test_a_pixel_that_is_no_number_stays_one_and_spoils_no_other() -> None:
    maps = _maps(torch.zeros(1, 1, 16, 24))
    maps.log_depth_HW[3, 4] = math.nan
    maps.leave_out_farther(0.1)
    assert maps.log_depth_HW.isnan().sum() == 1


def test_the_engine_holds_refined_depth_by_default() -> None:
    assert EngineConfig().farther == pytest.approx(0.5)


def test_refined_depth_is_held_to_what_the_coarse_depth_reaches() -> None:
    free, held = (
        DepthEngine(
            small_model(refines=True),
            device="cpu",
            config=EngineConfig(max_tile_px=128, overlap_px=32, wide_cells=0, farther=share),
        ).infer(picture(200, 300))
        for share in (math.inf, 0.0)
    )
    assert (held.depth_m <= free.depth_m * (1 + 1e-5)).all()
    assert 0.02 < (held.depth_m < 0.999 * free.depth_m).mean() < 0.98
    assert held.coarse_depth_m is not None
    around_m = ndimage.maximum_filter(held.coarse_depth_m, 9)  # more than a cell of the coarse map
    assert (free.depth_m > 1.01 * around_m).any()
    assert (held.depth_m <= around_m * (1 + 1e-3)).all()


def test_the_engine_trusts_the_refiner_with_what_is_far() -> None:
    near, far = (
        DepthEngine(
            small_model(refines=True),
            device="cpu",
            config=EngineConfig(
                max_tile_px=128, overlap_px=32, wide_cells=2.0, farther=0.1, metric_from_m=from_m, far_look=0
            ),
        ).infer(picture(200, 300))
        for from_m in (math.inf, 1e-3)
    )
    free = DepthEngine(
        small_model(refines=True),
        device="cpu",
        config=EngineConfig(max_tile_px=128, overlap_px=32, wide_cells=0, farther=0.2),
    ).infer(picture(200, 300))
    np.testing.assert_allclose(far.depth_m, free.depth_m, rtol=1e-5)
    assert (np.abs(np.log(near.depth_m / far.depth_m)) > 0.01).mean() > 0.1


def test_all_is_near_up_to_half_of_the_distance_and_far_in_part_beyond() -> None:
    assert _maps(torch.full((1, 1, 16, 24), math.log(24.9))).near(50.0) is None
    near_HW = _maps(torch.full((1, 1, 16, 24), math.log(40.0))).near(50.0)
    torch.testing.assert_close(near_HW, torch.full((64, 96), math.log2(50 / 40)))
