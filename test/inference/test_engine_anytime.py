"""The engine's confidence, and its answers when time is short."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from engine_pictures import picture, small_model

from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.inference.wide import wide_part
from prv2_ros.network.coarse_lite import CoarseOutput

SMALL_TILES = EngineConfig(max_tile_px=128, overlap_px=32, max_depth_m=math.inf, wide_cells=0, farther=math.inf)


def infer_some(engine: DepthEngine, count: int, image, **options):
    """Infer with time for `count` tiles, whatever the clock of this machine says."""
    costs = iter([0.0] * count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine._costs, "predict", lambda work: next(costs, 1e9) if work[0] == "tile" else 0.0)
        result = engine.infer(image, max_latency_ms=1e6, **options)
    assert result.refined_share == count / len(engine._blend_weights(*image.shape[:2]).grid)
    return result


@pytest.fixture(scope="module")
def refining() -> DepthEngine:
    return DepthEngine(small_model(refines=True), device="cpu", config=SMALL_TILES)


def test_confidence_is_given_when_asked_for(refining):
    image = picture(150, 210)
    plain, sure = refining.infer(image), refining.infer(image, confidence=True)
    assert plain.confidence is None
    np.testing.assert_array_equal(plain.depth_m, sure.depth_m)
    assert sure.confidence.shape == (150, 210)
    assert sure.confidence.dtype == np.float32
    assert (sure.confidence > 0).all()
    assert (sure.confidence < 1).all()


def test_without_time_the_coarse_depth_is_the_answer(refining):
    image = picture(200, 300)
    refining.infer(image, max_latency_ms=1e-6)  # nothing is known of the cost yet: one tile is tried
    result = refining.infer(image, max_latency_ms=1e-6)
    assert result.refined_share == 0
    np.testing.assert_array_equal(result.depth_m, result.coarse_depth_m)


def test_with_time_for_some_tiles_the_rest_keeps_the_coarse_depth():
    engine = DepthEngine(small_model(refines=True), device="cpu", config=SMALL_TILES)
    image = picture(300, 400)
    whole = engine.infer(image, max_latency_ms=1e6)
    np.testing.assert_allclose(whole.depth_m, engine.infer(image).depth_m, rtol=1e-4)
    assert whole.refined_share == 1
    assert engine._costs.predict(("tile", 128, 128)) > 0, "a limited frame tells what a tile costs"
    part = infer_some(engine, 6, image)
    same = np.isclose(part.depth_m, part.coarse_depth_m, rtol=1e-6)
    assert 0.05 < same.mean() < 0.95
    # Where tiles stand alone a pixel is either refined as ever or not at all; between, they fade into each other.
    alone = same | np.isclose(part.depth_m, whole.depth_m, rtol=1e-4)
    assert alone.mean() > 0.6


def test_what_is_wide_is_left_out_of_refined_tiles_alone():
    config = dataclasses.replace(SMALL_TILES, wide_cells=2.0)
    engine = DepthEngine(small_model(refines=True), device="cpu", config=config)
    image = picture(300, 400)
    part = infer_some(engine, 6, image)
    same = np.isclose(part.depth_m, part.coarse_depth_m, rtol=1e-6)
    assert 0.05 < same.mean() < 0.95
    plain = DepthEngine(small_model(refines=True), device="cpu", config=SMALL_TILES).infer(image)
    whole = engine.infer(image, max_latency_ms=1e6)
    np.testing.assert_allclose(whole.depth_m, engine.infer(image).depth_m, rtol=1e-4)
    change, kept = (np.log(r.depth_m / r.coarse_depth_m) for r in (plain, whole))
    cells = tuple(n // 4 for n in engine._model.network_size(400, 300))
    expected = change - wide_part(torch.from_numpy(change), cells, 2.0).numpy()
    np.testing.assert_allclose(kept, expected, atol=1e-4)
    assert np.abs(kept - change).max() > 1e-3


@pytest.mark.parametrize("region", [(0, 0, 4, 4), (396, 0, 4, 4), (0, 296, 4, 4), (396, 296, 4, 4)])
def test_with_time_for_one_tile_it_is_that_of_the_region(region):
    engine = DepthEngine(small_model(refines=True), device="cpu", config=SMALL_TILES)
    part = infer_some(engine, 1, picture(300, 400), regions=(region,))
    x, y = region[:2]
    changed = ~np.isclose(part.depth_m, part.coarse_depth_m, rtol=1e-6)
    assert changed[y : y + 4, x : x + 4].any()
    assert not changed[296 - y : 300 - y, 396 - x : 400 - x].any(), "the opposite corner keeps the coarse depth"


def test_a_call_without_a_limit_or_regions_has_those_of_the_configuration():
    image, corner = picture(300, 400), (0, 296, 4, 4)
    config = dataclasses.replace(SMALL_TILES, max_latency_ms=1e-6, regions=(corner,))
    engine = DepthEngine(small_model(refines=True), device="cpu", config=config)
    assert engine.infer(image).refined_share == 0
    assert engine.infer(image, max_latency_ms=0).refined_share == 1, "0 is no limit, whatever is configured"
    for options, (x, y, w, h) in (({}, corner), ({"regions": ((396, 0, 4, 4),)}, (396, 0, 4, 4))):
        part = infer_some(engine, 1, image, **options)
        assert not np.isclose(part.depth_m, part.coarse_depth_m, rtol=1e-6)[y : y + h, x : x + w].all()


@pytest.mark.parametrize("left", [20, 370])
def test_the_tile_of_an_edge_is_refined_first_though_the_second_look_is_mirrored(monkeypatch, left):
    def flat(image_B3hw, f_px_B):
        h, w = image_B3hw.shape[-2:]
        cells = torch.zeros(1, 1, h // 4, w // 4)
        return CoarseOutput(
            log_depth_B1hw=torch.ones(1, 1, h, w), features_BChw=cells.expand(1, 32, -1, -1), log_scale_B1hw=cells
        )

    engine = DepthEngine(small_model(refines=True), device="cpu", config=SMALL_TILES)
    monkeypatch.setattr(engine, "_predict_coarse", flat)
    image = np.full((300, 400, 3), 60, np.uint8)
    image[130:170, left : left + 10] = 250
    part = infer_some(engine, 1, image)
    changed = (~np.isclose(part.depth_m, part.coarse_depth_m, rtol=1e-6)).any(0)
    assert changed[left : left + 10].all()
    assert not changed[390 - left : 400 - left].any()
