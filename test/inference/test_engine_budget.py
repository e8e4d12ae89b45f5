"""How the engine spends limited time, on a clock that only its stand-in networks move on."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
import torch
from engine_pictures import picture
from fake_time import FakeTime

from prv2_ros.inference.blending import ImageMaps
from prv2_ros.inference.clock import StageClock
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.network.refiner_realtime import RefinedTile

IMAGE = picture(300, 400)
TILES = 12
COARSE_MS = 10.0
WRITING_MS = 40.0


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr("prv2_ros.inference.clock.time", fake)
    return fake


class TimedModel(DepthModel):
    """Answers at once, and lets as much time pass as it is told to."""

    time = FakeTime()
    tile_ms: Callable[[int], float] = staticmethod(lambda _: 0.0)

    def predict_coarse(self, image_B3hw, f_px_B):
        self.time.now_ms += COARSE_MS
        h, w = image_B3hw.shape[-2:]
        cells = torch.zeros(1, 1, h // 4, w // 4)
        return CoarseOutput(
            log_depth_B1hw=torch.ones(1, 1, h, w), features_BChw=cells.expand(1, 32, -1, -1), log_scale_B1hw=cells
        )

    def refine(self, image_B3HW, log_coarse_B1hw, features_BChw, log_scale_B1hw):
        self.time.now_ms += sum(self.tile_ms(next(self.tiles)) for _ in image_B3HW)
        return RefinedTile(log_depth_B1HW=torch.full_like(image_B3HW[:, :1], 1.1), log_scale_B1hw=log_scale_B1hw)


class TimedEngine(DepthEngine):
    def _metres(self, log_depth_HW):
        self._model.time.now_ms += WRITING_MS / 2  # the depth, and the coarse depth
        return super()._metres(log_depth_HW)


@pytest.fixture(scope="module")
def model() -> TimedModel:
    return TimedModel(ModelSpec(coarse_area_px=96 * 160, second_look=0))


@pytest.fixture
def engine_of(time: FakeTime, model: TimedModel) -> Callable[..., DepthEngine]:
    """Engines whose k-th tile takes `tile_ms(k)`."""

    def build(tile_ms: Callable[[int], float], tile_batch: int = 1) -> DepthEngine:
        model.time, model.tile_ms, model.tiles = time, tile_ms, count()
        config = EngineConfig(max_tile_px=128, overlap_px=32, tile_batch=tile_batch, wide_cells=0)
        return TimedEngine(model, device="cpu", config=config)

    return build


def refined(engine: DepthEngine, limit_ms: float, frames: int) -> list[int]:
    """Tiles that are refined in each of so many frames."""
    return [round(engine.infer(IMAGE, max_latency_ms=limit_ms).refined_share * TILES) for _ in range(frames)]


@pytest.mark.parametrize("batch", [1, 4, 16])
def test_as_many_tiles_are_refined_as_fit_beside_the_rest_of_the_frame(engine_of, batch):
    engine = engine_of(lambda _: 30.0, batch)
    for _ in range(2):
        engine.infer(IMAGE)
    for tiles, spare_ms in ((1, 27), (12, 3), (2, 3), (0, 15), (5, 27), (7, 3), (11, 27), (3, 15), (8, 3), (6, 27)):
        fits_ms = COARSE_MS + WRITING_MS + tiles * 30
        result = engine.infer(IMAGE, max_latency_ms=fits_ms + spare_ms)
        assert result.refined_share == tiles / TILES
        assert result.timings_ms["total"] == pytest.approx(fits_ms)


@pytest.mark.parametrize("batch", [1, 4])
def test_limited_frames_alone_learn_the_costs_too(engine_of, batch):
    engine = engine_of(lambda _: 30.0, batch)
    limit_ms = COARSE_MS + WRITING_MS + 5 * 30 + 15
    assert refined(engine, limit_ms, 8)[1:] == [5] * 7


def test_of_tiles_of_unknown_cost_one_is_tried(engine_of):
    assert refined(engine_of(lambda _: 600.0, 4), 300, 1) == [1]


@pytest.mark.parametrize("batch", [1, 4])
def test_a_slow_start_does_not_turn_refinement_off(engine_of, batch):
    """The first tile pays for CUDA's initialisation, or for a compiler."""
    engine = engine_of(lambda k: 5000.0 if k == 0 else 30.0, batch)
    found = refined(engine, 500, 9)
    assert found[:2] == [1, 0]
    assert found[6:] == [TILES] * 3


def test_a_whole_frame_shows_that_the_slow_start_is_over(engine_of):
    engine = engine_of(lambda k: 5000.0 if k == 0 else 30.0)
    assert refined(engine, 500, 2) == [1, 0]
    engine.infer(IMAGE)
    assert refined(engine, 500, 3) == [TILES] * 3


def test_a_slow_first_frame_without_limit_does_not_count(engine_of):
    engine = engine_of(lambda k: 5000.0 if k == 0 else 30.0)
    for _ in range(2):
        engine.infer(IMAGE)
    assert refined(engine, 500, 3) == [TILES] * 3


@pytest.mark.parametrize("batch", [1, 4])
def test_refinement_comes_back_after_a_slow_stretch(engine_of, batch):
    slow = False
    engine = engine_of(lambda _: 600.0 if slow else 30.0, batch)
    assert refined(engine, 500, 3)[1:] == [TILES] * 2
    slow = True
    assert 0 in refined(engine, 500, 25)
    slow = False
    assert refined(engine, 500, 20)[-3:] == [TILES] * 3


def test_tiles_that_are_honestly_too_slow_are_seldom_tried(engine_of):
    engine = engine_of(lambda _: 600.0, 4)
    found = refined(engine, 300, 80)
    assert set(found) == {0, 1}
    assert 2 < sum(found) < 80 / 8
    assert sum(found[40:]) <= 1, "ever more seldom"


def test_no_tile_is_tried_where_the_rest_takes_all_the_time(engine_of):
    engine = engine_of(lambda _: 30.0)
    engine.infer(IMAGE)
    assert refined(engine, COARSE_MS + WRITING_MS - 1, 10) == [0] * 10
    assert refined(engine, COARSE_MS + WRITING_MS + 20, 1) == [0], "what a tile costs is still known"


def test_what_refined_frames_alone_need_is_not_forgotten(engine_of, time, monkeypatch):
    def leave_out(maps, *args):
        time.now_ms += 100

    monkeypatch.setattr(ImageMaps, "leave_out_farther", leave_out)
    engine = engine_of(lambda _: 30.0)
    for _ in range(2):
        engine.infer(IMAGE)
    found = refined(engine, COARSE_MS + WRITING_MS + 30 + 60, 120)
    assert sum(found[40:]) <= 3, "one tile and what follows it take 40 ms too long; tried now and then all the same"


def test_without_a_limit_the_clock_is_looked_at_once_a_stage(engine_of, monkeypatch):
    """Each look waits for the GPU."""
    looks = []
    now = StageClock._now
    monkeypatch.setattr(StageClock, "_now", lambda clock: looks.append(1) or now(clock))
    engine = engine_of(lambda _: 30.0)
    result = engine.infer(IMAGE)
    assert len(looks) == 5
    np.testing.assert_allclose(result.depth_m, np.e**1.1, rtol=0.2)


@pytest.mark.parametrize(("image", "coarse"), [(picture(96, 96), True), (IMAGE, False)])
def test_what_frames_of_another_size_or_without_coarse_depth_need_is_kept_apart(
    engine_of, time, monkeypatch, image, coarse
):
    def leave_out(maps, *args):
        time.now_ms += len(maps.log_depth_HW) / 3

    monkeypatch.setattr(ImageMaps, "leave_out_farther", leave_out)
    engine = engine_of(lambda _: 30.0)
    for _ in range(2):
        engine.infer(IMAGE)
    for _ in range(5):
        engine.infer(image, coarse=coarse)
    assert refined(engine, COARSE_MS + WRITING_MS + len(IMAGE) / 3 + 5 * 30 + 15, 2) == [5, 5]
