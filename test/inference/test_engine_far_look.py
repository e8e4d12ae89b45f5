"""When the engine looks closer at what is far, and what becomes of the answer."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from engine_pictures import picture
from fake_time import FakeTime

from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.network.refiner_realtime import RefinedTile

IMAGE = picture(300, 400)


class Scene(DepthModel):
    """Far in the right half; each half of a closer look, twice as large or more, sees one distance of its own."""

    time = FakeTime()
    far_m, upright_m, mirrored_m, look_ms = 100.0, 40.0, 90.0, 50.0
    sizes: list[tuple[int, int]]

    def predict_coarse(self, image_B3hw: torch.Tensor, f_px_B: torch.Tensor) -> CoarseOutput:
        h, w = image_B3hw.shape[-2:]
        assert h < 2 * 96, "the closer look is another network's"
        metres = torch.full((1, 1, h, w), 4.0)
        metres[..., w // 2 :] = self.far_m
        return self._answer(metres)

    def predict_far(self, image_B3hw: torch.Tensor, f_px_B: torch.Tensor) -> CoarseOutput:
        h, w = image_B3hw.shape[-2:]
        self.time.now_ms += self.look_ms / 2
        return self._answer(torch.full((1, 1, h, w), self.upright_m if h == 2 * 96 else self.mirrored_m))

    def _answer(self, metres: torch.Tensor) -> CoarseOutput:
        h, w = metres.shape[-2:]
        self.sizes.append((h, w))
        cells = torch.zeros(1, 1, h // 4, w // 4)
        return CoarseOutput(
            log_depth_B1hw=metres.log(), features_BChw=cells.expand(1, 32, -1, -1), log_scale_B1hw=cells
        )

    def refine(self, image_B3HW, log_coarse_B1hw, features_BChw, log_scale_B1hw):  # type: ignore[no-untyped-def]
        self.time.now_ms += 10.0 * len(image_B3HW)
        full = torch.nn.functional.interpolate(log_coarse_B1hw, image_B3HW.shape[-2:])
        return RefinedTile(log_depth_B1HW=full + 0.05, log_scale_B1hw=log_scale_B1hw)


@pytest.fixture
def engine_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[DepthEngine, list[tuple[int, int]]]]:
    """Engines over a scene with some of its numbers changed, and the sizes that the coarse network is shown."""

    def build(scene: dict[str, float] | None = None, **config: float) -> tuple[DepthEngine, list[tuple[int, int]]]:
        model = Scene(ModelSpec(coarse_area_px=96 * 160, second_look=0))
        for name, value in (scene or {}).items():
            setattr(model, name, value)
        model.sizes = sizes = []
        monkeypatch.setattr("prv2_ros.inference.clock.time", Scene.time)
        engine = DepthEngine(model, device="cpu", config=EngineConfig(max_tile_px=128, overlap_px=32, **config))  # type: ignore[arg-type]
        engine._model.sizes = sizes  # type: ignore[assignment]  # of the engine's own copy
        return engine, sizes

    return build


def test_what_is_far_is_the_closer_looks_and_the_coarse_depth_stays_as_it_was(engine_of) -> None:  # type: ignore[no-untyped-def]
    engine, sizes = engine_of(far_look=12.0, wide_cells=0)
    result = engine.infer(IMAGE)
    assert len(sizes) == 3
    assert sizes[1] == tuple(2 * side for side in sizes[0])
    assert math.prod(sizes[2]) == pytest.approx(2 * math.prod(sizes[1]), rel=0.15)
    for columns, coarse_m, refined_m in ((slice(0, 190), 4.0, 4.0), (slice(210, None), 100.0, 60.0)):
        np.testing.assert_allclose(result.coarse_depth_m[:, columns], coarse_m, rtol=1e-5)
        np.testing.assert_allclose(result.depth_m[:, columns], refined_m * math.exp(0.05), rtol=1e-4)
    assert result.timings_ms["far_look"] == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("scene", "config"),
    [({"far_m": 17.0}, {}), ({}, {"far_look": 0.0}), ({}, {"metric_from_m": math.inf})],
)
def test_without_anything_far_or_where_it_is_off_no_look_is_taken(engine_of, scene, config) -> None:  # type: ignore[no-untyped-def]
    engine, sizes = engine_of(scene, **config)
    engine.infer(IMAGE)
    assert len(sizes) == 1


def test_a_picture_that_shows_nothing_closer_is_not_looked_at_again(engine_of) -> None:  # type: ignore[no-untyped-def]
    engine, sizes = engine_of()
    engine.infer(picture(80, 120))
    assert len(sizes) == 1


def test_in_limited_time_it_is_taken_where_it_fits(engine_of) -> None:  # type: ignore[no-untyped-def]
    engine, sizes = engine_of(far_look=12.0)
    for _ in range(3):
        engine.infer(IMAGE, max_latency_ms=200)  # its cost, and that of a tile, are learnt
    sizes.clear()
    result = engine.infer(IMAGE, max_latency_ms=85)
    assert len(sizes) == 3
    assert result.timings_ms["total"] == pytest.approx(80)
    assert result.refined_share == pytest.approx(3 / 12)
    sizes.clear()
    result = engine.infer(IMAGE, max_latency_ms=45)
    assert len(sizes) == 1
    assert result.refined_share == pytest.approx(4 / 12), "the time goes to tiles"
    np.testing.assert_allclose(result.coarse_depth_m[:, 210:], 100.0, rtol=1e-5)


def test_a_look_that_was_slow_once_is_tried_again(engine_of) -> None:  # type: ignore[no-untyped-def]
    engine, sizes = engine_of({"look_ms": 5000.0}, far_look=12.0)
    engine.infer(IMAGE, max_latency_ms=200)
    assert len(sizes) == 3
    engine._model.look_ms = 50.0  # type: ignore[assignment]
    sizes.clear()
    for _ in range(12):
        engine.infer(IMAGE, max_latency_ms=200)
    assert 12 < len(sizes) < 36, "some frames did without, then it was tried, and found to be fast"
    sizes.clear()
    engine.infer(IMAGE, max_latency_ms=200)
    assert len(sizes) == 3
