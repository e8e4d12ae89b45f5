"""What the engines do with arguments, memory and numbers that are not as they should be."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from engine_pictures import keep_depth, picture, small_model
from torch import nn

from prv2_ros.errors import ConfigError, DeviceError, WeightsError
from prv2_ros.geometry.patches import PatchLayout
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.inference.published import PublishedEngine
from prv2_ros.network.model import DepthModel, ModelSpec

SPEC = ModelSpec(coarse_area_px=96 * 160)
SMALL_TILES = EngineConfig(max_tile_px=128, overlap_px=32)


@pytest.fixture(scope="module")
def engine() -> DepthEngine:
    return DepthEngine(small_model(refines=False), device="cpu", config=SMALL_TILES)


@pytest.mark.parametrize("limit_ms", [-5.0, math.nan, math.inf])
def test_a_latency_that_is_none_is_refused_as_the_configuration_does(engine, limit_ms):
    message = rf"^max_latency_ms = {limit_ms}: must be 0 \(no limit\) or a time in milliseconds$"
    with pytest.raises(ConfigError, match=message):
        engine.infer(picture(64, 64), max_latency_ms=limit_ms)
    with pytest.raises(ConfigError, match=message):
        EngineConfig(max_latency_ms=limit_ms)


@pytest.mark.parametrize("limit_ms", [None, 0.0, 1e6])
def test_a_region_that_is_none_is_refused_with_and_without_a_limit(engine, limit_ms):
    with pytest.raises(ConfigError, match=r"region \(0, 0, 0, 5\): expected left, top, width and height"):
        engine.infer(picture(64, 64), max_latency_ms=limit_ms, regions=[(1, 2, 3, 4), (0, 0, 0, 5)])
    with pytest.raises(ConfigError, match=r"region 0: expected left, top, width and height"):
        engine.infer(picture(64, 64), max_latency_ms=limit_ms, regions=(0, 0, 10, 10))  # one region, not a list of them


class CoarseShortOfMemory(DepthModel):
    def predict_coarse(self, image_B3hw, f_px_B):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")


OUT_OF_MEMORY = "GPU memory ran out with an image of 200x160 px: make it smaller, .* camera.resized, or use device cpu"


def test_a_gpu_without_memory_for_the_image_names_its_size_and_the_way_out():
    with pytest.raises(DeviceError, match=OUT_OF_MEMORY):
        DepthEngine(CoarseShortOfMemory(SPEC), device="cpu").infer(picture(160, 200))


def test_the_published_engine_names_them_too():
    class Coarse(nn.Module):
        def forward(self, image: torch.Tensor) -> SimpleNamespace:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    engine = PublishedEngine(Coarse(), nn.Identity(), layout=PatchLayout(rows=2, columns=2), patch_px=64, device="cpu")
    with pytest.raises(DeviceError, match=OUT_OF_MEMORY):
        engine.infer(picture(160, 200))


class OnePixelIsNone(DepthModel):
    """Gives NaN for one pixel of the first tile, away from the other tiles."""

    def refine(self, image_B3HW, *known):
        refined = super().refine(image_B3HW, *known)
        if not hasattr(self, "given"):
            self.given = True
            refined.log_depth_B1HW[0, 0, 50, 40] = math.nan
        return refined


@pytest.mark.parametrize("limit_ms", [0.0, 1e6])
def test_a_pixel_that_is_no_number_spoils_no_other(limit_ms):
    model = OnePixelIsNone(SPEC)
    keep_depth(model)
    engine = DepthEngine(model, device="cpu", config=EngineConfig(max_tile_px=128, overlap_px=32, max_depth_m=math.inf))
    result = engine.infer(picture(300, 400), max_latency_ms=limit_ms)
    assert engine.config.wide_cells == EngineConfig().wide_cells > 0
    assert np.isnan(result.depth_m).sum() == 1


def test_a_published_model_is_another_engines():
    with pytest.raises(WeightsError, match=r"model 'prv2_m' is a published network.*load_engine"):
        DepthEngine.load("prv2_m", device="cpu")
