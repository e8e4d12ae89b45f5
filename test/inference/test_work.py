from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.inference.work import own_work, published_work
from prv2_ros.network.model import VARIANTS, DepthModel, ModelSpec


def test_the_budget_of_a_4k_frame_holds() -> None:
    assert own_work(VARIANTS["m"]).gflop <= 480
    assert own_work(VARIANTS["l"]).gflop <= 480
    assert own_work(VARIANTS["s"]).gflop <= 150


def test_the_published_models_cost_what_the_paper_says_and_forty_times_ours() -> None:
    published = published_work("mobilenetv4_conv_small")
    assert published.tiles == 16
    assert 1100 < published.refiner_gflop / 16 < 1170  # 1160 GFLOP a patch
    assert published.coarse_gflop == pytest.approx(941, rel=0.01)
    assert published.gflop > 40 * own_work(VARIANTS["m"]).gflop


@pytest.mark.parametrize("size_hw", [(150, 250), (90, 150)])  # the second has nothing to look closer at
@pytest.mark.parametrize("far", [{"far_look": 0.0}, {"metric_from_m": 1e-3}])  # no look, or all of it is far
def test_the_count_is_what_an_engine_does(far: dict[str, float], size_hw: tuple[int, int]) -> None:
    spec = ModelSpec(coarse_area_px=96 * 160, far_network=True)
    config = EngineConfig(max_tile_px=128, overlap_px=32, **far)
    engine = DepthEngine(DepthModel(spec), device="cpu", config=config)
    image = torch.zeros(*size_hw, 3, dtype=torch.uint8).numpy()
    with FlopCounterMode(display=False) as done:
        engine.infer(image)
    assert done.get_total_flops() / 1e9 == pytest.approx(own_work(spec, size_hw, config).gflop, rel=1e-6)


def test_a_network_for_what_is_far_is_counted_among_the_parameters() -> None:
    alone, both = (own_work(ModelSpec(far_network=far)) for far in (False, True))
    assert both.coarse_millions == pytest.approx(2 * alone.coarse_millions)
    assert both.gflop == alone.gflop
