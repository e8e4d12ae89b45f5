from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.errors import ConfigError
from prv2_ros.geometry.tiles import tile_grid
from prv2_ros.inference.budget import CostModel, gain_map, rank_tiles
from prv2_ros.network.coarse_lite import CoarseOutput

GRID = tile_grid(480, 640, max_tile=192, overlap=32)


def test_unknown_work_costs_nothing_and_known_work_its_median() -> None:
    costs = CostModel()
    assert costs.predict("a") == 0
    for time_ms in (9.0, 3.0, 100.0, 4.0):
        costs.observe("a", time_ms)
    assert costs.predict("a") == 4
    assert costs.predict("b") == 0


def test_old_times_are_forgotten() -> None:
    costs = CostModel()
    for _ in range(100):
        costs.observe("a", 1.0)
    for _ in range(31):
        costs.observe("a", 9.0)
    assert costs.predict("a") == 9


def test_the_first_time_counts_only_until_the_next() -> None:
    costs = CostModel()
    costs.observe("a", 5000.0)
    assert costs.predict("a") == 5000
    costs.observe("a", 3.0)
    assert costs.predict("a") == 3
    costs.observe("a", 5.0)
    assert costs.predict("a") == 4


def test_as_many_pieces_fit_as_their_cost_allows() -> None:
    costs = CostModel()
    assert costs.fitting("a", 1000.0, 4) == 1, "of unknown work one piece is tried"
    costs.observe("a", 30.0)
    left_ms = (-1.0, 0.0, 29.0, 31.0, 89.0, 91.0, 121.0, 1e9)
    assert [costs.fitting("a", left, 4) for left in left_ms] == [0, 0, 0, 1, 2, 3, 4, 4]
    assert costs.fitting("b", 0.0, 4) == 0


def test_work_that_is_never_done_is_forgotten_ever_more_seldom() -> None:
    costs = CostModel()
    tries = []
    for frame in range(1000):
        if costs.fitting("a", 100.0, 4):
            tries.append(frame)
            costs.observe("a", 500.0)
        else:
            costs.note_idle("a")
    waits = [later - earlier - 1 for earlier, later in pairwise(tries)]
    assert waits[:7] == [4, 8, 16, 32, 64, 128, 128]
    for _ in range(3):
        costs.observe("a", 50.0)
    costs.observe("a", 5000.0)
    assert costs.predict("a") == 50, "one slow time among others does not count"
    for _ in range(4):
        costs.observe("a", 500.0)
    for _ in range(4):
        assert costs.fitting("a", 100.0, 4) == 0
        costs.note_idle("a")
    assert costs.fitting("a", 100.0, 4) == 1, "after work that was done the patience is the first one again"


def test_frames_without_the_work_count_in_a_row() -> None:
    costs = CostModel()
    for _ in range(20):
        costs.observe("a", 30.0)
        costs.note_idle("a")
    assert costs.predict("a") == 30


def test_the_tile_over_the_gain_comes_first() -> None:
    gain = torch.zeros(48, 64)
    gain[40, 60] = 1.0  # at pixel (405, 605) of the image
    first = rank_tiles(GRID, (480, 640), gain)[0]
    (top, bottom), (left, right) = GRID.y.used(first.row), GRID.x.used(first.column)
    assert top <= 405 < bottom
    assert left <= 605 < right


def test_regions_of_interest_come_before_gain() -> None:
    gain = torch.zeros(48, 64)
    gain[:, 32:] = 1.0
    ranked = rank_tiles(GRID, (480, 640), gain, regions=[(10, 10, 5, 5)])
    assert (ranked[0].row, ranked[0].column) == (0, 0)
    assert rank_tiles(GRID, (480, 640), gain, regions=[(-50, -50, 20, 20)])[0] != ranked[0]


@given(st.integers(0, 10_000))
def test_every_tile_is_ranked_once_and_by_falling_gain(seed: int) -> None:
    gain = torch.rand(30, 40, generator=torch.Generator().manual_seed(seed))
    ranked = rank_tiles(GRID, (480, 640), gain)
    assert sorted(ranked, key=lambda t: (t.row, t.column)) == list(GRID)

    def total(tile) -> float:
        (top, bottom), (left, right) = GRID.y.used(tile.row), GRID.x.used(tile.column)
        return float(gain[round(top / 16) : round(bottom / 16), round(left / 16) : round(right / 16)].sum())

    totals = [total(tile) for tile in ranked]
    assert all(a >= b - 1e-3 for a, b in pairwise(totals))


def test_an_edge_gains_and_an_unsure_one_gains_more() -> None:
    log_depth = torch.zeros(1, 1, 32, 64)
    log_depth[..., 16:48] = 1.0
    log_scale = torch.full((1, 1, 8, 16), -2.0)
    log_scale[..., 8:] = -1.0
    coarse = CoarseOutput(log_depth_B1hw=log_depth, features_BChw=torch.zeros(1, 4, 8, 16), log_scale_B1hw=log_scale)
    columns = gain_map(coarse, torch.zeros(1, 3, 32, 64)).mean(0)
    assert (columns[[0, 7, 15]] < 1e-6).all()
    assert columns[11:13].max() > 1.5 * columns[3:5].max() > 0.1


def test_an_edge_of_the_image_gains_where_the_coarse_depth_has_none() -> None:
    image = torch.zeros(1, 3, 32, 64)
    image[..., 40:42] = 1.0  # a pole that the coarse depth lacks
    scale = torch.full((1, 1, 8, 16), -2.0)
    flat = CoarseOutput(
        log_depth_B1hw=torch.zeros(1, 1, 32, 64), features_BChw=torch.zeros(1, 4, 8, 16), log_scale_B1hw=scale
    )
    columns = gain_map(flat, image).mean(0)
    assert columns.argmax() == 10
    assert (columns[[0, 5, 15]] < 1e-6).all()


@pytest.mark.parametrize("region", [(1, 2, 3), (0, 0, 0, 5)])
def test_a_region_that_is_none_is_named(region: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"region \(.*expected left, top, width and height"):
        rank_tiles(GRID, (480, 640), torch.ones(60, 80), [region])  # type: ignore[list-item]
