"""The packaged model on a GPU: the CPU's answers, memory that runs out and comes back, and time that is kept."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch

from prv2_ros.data.synthetic import SyntheticFrame, render
from prv2_ros.errors import DeviceError
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

TILED = EngineConfig(max_tile_px=256, overlap_px=32)


@pytest.fixture(scope="module")
def scene() -> SyntheticFrame:
    """A picture of several tiles."""
    return render(9, 800, 448)


def engine(precision: str = "float32", device: str = "cuda", config: EngineConfig = TILED) -> DepthEngine:
    return DepthEngine.load(device=device, precision=precision, config=config)


def change(depth_m: np.ndarray, other_m: np.ndarray) -> np.ndarray:
    """How much two depths differ where both are valid; a sky that one of them has alone is looked at elsewhere."""
    both = np.isfinite(depth_m) & np.isfinite(other_m)
    assert (np.isfinite(depth_m) != np.isfinite(other_m)).mean() < 0.005
    return np.abs(depth_m[both] / other_m[both] - 1)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_the_gpu_answers_as_the_cpu_does(scene: SyntheticFrame, precision: str) -> None:
    """Convolutions in float32 run as TF32 on a GPU, whose mantissa is no longer than that of float16."""
    cpu = engine(device="cpu").infer(scene.image, scene.camera, confidence=True)
    gpu = engine(precision).infer(scene.image, scene.camera, confidence=True)
    assert gpu.depth_m.dtype == np.float32
    for ours, theirs in ((gpu.depth_m, cpu.depth_m), (gpu.coarse_depth_m, cpu.coarse_depth_m)):
        assert ours is not None
        assert theirs is not None
        found = change(ours, theirs)
        assert found.mean() < 0.01
        assert np.quantile(found, 0.99) < 0.1
    assert gpu.confidence is not None
    assert cpu.confidence is not None
    assert np.abs(gpu.confidence - cpu.confidence).mean() < 0.01


def test_the_same_image_has_the_same_depth_whatever_was_seen_before(scene: SyntheticFrame) -> None:
    gpu = engine("float16")
    first = gpu.infer(scene.image, scene.camera).depth_m
    gpu.infer(scene.image[:300, :500], scene.camera.cropped(0, 0, 500, 300))
    np.testing.assert_array_equal(gpu.infer(scene.image, scene.camera).depth_m, first)


def test_a_slow_first_frame_does_not_cost_the_tiles_of_the_next_ones(scene: SyntheticFrame) -> None:
    """Each new number of tiles at once has a slow first time, and is tried again after some frames without."""
    gpu = engine("float16")
    shares = [gpu.infer(scene.image, scene.camera, max_latency_ms=2000).refined_share for _ in range(40)]
    assert shares[-1] == 1


def test_time_that_is_too_short_leaves_tiles_out(scene: SyntheticFrame) -> None:
    gpu = engine("float16")
    gpu.infer(scene.image, scene.camera)
    shares = [gpu.infer(scene.image, scene.camera, max_latency_ms=0.5).refined_share for _ in range(3)]
    assert shares[-1] < 1


def test_memory_that_runs_out_is_said_and_a_smaller_image_goes_on(scene: SyntheticFrame) -> None:
    gpu = engine("float16")
    small = gpu.infer(scene.image, scene.camera).depth_m
    large = np.zeros((4320, 7680, 3), np.uint8)
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 150 * 2**20) / total)
    try:
        with pytest.raises(DeviceError, match=r"GPU memory ran out with (an image of 7680x4320 px|a single tile)"):
            gpu.infer(large)
        np.testing.assert_allclose(gpu.infer(scene.image, scene.camera).depth_m, small, rtol=0.02)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def test_an_engine_that_is_gone_leaves_no_memory_behind(scene: SyntheticFrame) -> None:
    gc.collect()
    before = torch.cuda.memory_allocated()
    gpu = engine("float16")
    gpu.infer(scene.image, scene.camera, max_latency_ms=1000)
    assert torch.cuda.memory_allocated() > before
    del gpu
    gc.collect()
    assert torch.cuda.memory_allocated() == before


@pytest.mark.parametrize("mode", ["default", "cuda-graphs"])
def test_compiled_networks_answer_the_same(scene: SyntheticFrame, mode: str) -> None:
    plain = engine("float16").infer(scene.image, scene.camera).depth_m
    fast = engine("float16", config=EngineConfig(max_tile_px=256, overlap_px=32, compile=mode))
    for _ in range(3):
        found = change(fast.infer(scene.image, scene.camera).depth_m, plain)
        assert found.mean() < 0.01
    assert fast._refine_batch._fast is not None  # type: ignore[attr-defined]  # it did not fall back
