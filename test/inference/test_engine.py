from __future__ import annotations

import dataclasses
import logging
import math

import numpy as np
import pytest
import torch
from engine_pictures import keep_depth, picture, small_model

from prv2_ros.errors import DeviceError, InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.tiles import Tile, TileGrid, tile_grid
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.network.align import network_focal, prepare_network_image
from prv2_ros.network.model import DepthModel, ModelSpec

STAGES = {"preprocess", "coarse", "far_look", "refine", "postprocess", "total"}
SMALL_TILES = EngineConfig(max_tile_px=128, overlap_px=32, max_depth_m=math.inf, wide_cells=0, farther=math.inf)


@pytest.fixture(scope="module")
def refining() -> DepthEngine:
    return DepthEngine(small_model(refines=True), device="cpu", config=SMALL_TILES)


@pytest.fixture(scope="module")
def passing() -> DepthEngine:
    # One look: the mean of two maps of a random network is rougher than its cells, which is not the tiles' doing.
    return DepthEngine(small_model(refines=False, second_look=0), device="cpu", config=SMALL_TILES)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (65, 127), (67, 301), (255, 193)])
def test_depth_has_the_size_of_the_image(refining, height, width):
    result = refining.infer(picture(height, width), CameraModel.from_fov(width, height, 70))
    for depth_m in (result.depth_m, result.coarse_depth_m):
        assert depth_m.shape == (height, width)
        assert depth_m.dtype == np.float32
        assert np.isfinite(depth_m).all()
        assert (depth_m > 0).all()
    assert set(result.timings_ms) == STAGES
    parts = sum(v for k, v in result.timings_ms.items() if k != "total")
    assert parts == pytest.approx(result.timings_ms["total"])


def test_coarse_depth_may_be_left_out(refining):
    image = picture(130, 200)
    both, one = refining.infer(image), refining.infer(image, coarse=False)
    assert one.coarse_depth_m is None
    np.testing.assert_array_equal(one.depth_m, both.depth_m)


@pytest.mark.parametrize(("height", "width"), [(256, 192), (301, 203), (97, 411)])
def test_a_refiner_that_changes_nothing_gives_back_the_coarse_depth(passing, height, width):
    """Cropping, aligning, blending and padding of the tiles cancel out, but for sampling cells of 4 px in between."""
    result = passing.infer(picture(height, width), confidence=True)
    assert result.coarse_depth_m.std() > 1e-3
    spread = np.log(result.coarse_depth_m).max() - np.log(result.coarse_depth_m).min()
    change = np.abs(np.log(result.depth_m / result.coarse_depth_m))
    assert change.max() < 0.05 * spread
    assert change.mean() < 0.005 * spread
    coarse_only = passing.infer(picture(height, width), confidence=True, max_latency_ms=1e-6)
    np.testing.assert_allclose(result.confidence, coarse_only.confidence, atol=0.01)


def test_the_refiner_is_used(refining):
    result = refining.infer(picture(200, 300))
    assert np.abs(result.depth_m / result.coarse_depth_m - 1).max() > 1e-3


def spans(tile: Tile, grid: TileGrid) -> tuple[tuple[int, int], tuple[int, int]]:
    return (tile.y, grid.y.tile), (tile.x, grid.x.tile)


def bilinear(values: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> torch.Tensor:
    """Values (C, h, w) at every row and column (edges at whole numbers, borders repeated)."""
    result = values
    for axis, places in ((1, rows), (2, columns)):
        places = np.clip(places - 0.5, 0, values.shape[axis] - 1)
        below = np.minimum(places.astype(int), values.shape[axis] - 2)
        t = (places - below).reshape([-1 if i == axis else 1 for i in range(3)])
        result = result.take(below, axis) * (1 - t) + result.take(below + 1, axis) * t
    return torch.from_numpy(result[None]).float()


def larger(size_hw: tuple[int, int]) -> tuple[int, int]:
    """Size of the second look: 1.5 times the area, in multiples of 32."""
    h, w = (round(side * 1.5**0.5 / 32) * 32 for side in size_hw)
    return h, w


def looked(
    image: np.ndarray, camera: CameraModel, size_hw: tuple[int, int], *, mirror: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Picture and focal length as the coarse network gets them."""
    # Sampled from bytes, as the engine does it: a network of random weights makes much of a last bit.
    small = prepare_network_image(torch.from_numpy(image).permute(2, 0, 1)[None], size_hw)
    f_px = network_focal(camera.fx, camera.fy, image.shape[:2], size_hw)
    return small.flip(-1) if mirror else small, torch.tensor([f_px])


def reference(
    engine: DepthEngine, model: DepthModel, image: np.ndarray, camera: CameraModel
) -> tuple[np.ndarray, np.ndarray]:
    """Plain version: the whole image as float, one tile at a time, full weights; depth (m) and confidence."""
    height, width = image.shape[:2]
    rgb = torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]
    size_hw = model.network_size(width, height)
    with torch.no_grad():
        coarse, mirrored = (
            model.predict_coarse(*looked(image, camera, size, mirror=mirror))
            for size, mirror in ((size_hw, False), (larger(size_hw), True))
        )
        for field in ("log_depth_B1hw", "log_scale_B1hw"):
            second = torch.nn.functional.interpolate(
                getattr(mirrored, field).flip(-1), getattr(coarse, field).shape[-2:], mode="bilinear"
            )
            coarse = dataclasses.replace(coarse, **{field: (getattr(coarse, field) + second) / 2})
        grid = tile_grid(height, width, max_tile=engine.config.max_tile_px, overlap=engine.config.overlap_px)
        log_depth, log_scale = np.zeros((height, width)), np.zeros((height, width))
        for tile in grid:
            window = np.s_[..., tile.y : tile.y + grid.y.tile, tile.x : tile.x + grid.x.tile]
            under = [
                sampled(known[0].numpy(), tile, grid, cell, (height, width))
                for known, cell in (
                    (coarse.log_depth_B1hw, 4),
                    (coarse.features_BChw, 8),
                    (coarse.log_scale_B1hw, 4),
                )
            ]
            refined = model.refine(rgb[window], *under)
            scale = torch.nn.functional.interpolate(refined.log_scale_B1hw, scale_factor=4, mode="bilinear")
            log_depth[window[1:]] += grid.weight(tile) * refined.log_depth_B1HW[0, 0].numpy()
            log_scale[window[1:]] += grid.weight(tile) * scale[0, 0].numpy()
    return np.exp(log_depth), np.exp(-np.exp(log_scale))


def sampled(values: np.ndarray, tile: Tile, grid: TileGrid, cell: int, image_hw: tuple[int, int]) -> torch.Tensor:
    """Map (C, h, w) of the whole image at the centres of a tile's cells of `cell` px."""
    rows, columns = (start + cell * np.arange(side // cell) + cell / 2 for start, side in spans(tile, grid))
    return bilinear(values, rows * values.shape[1] / image_hw[0], columns * values.shape[2] / image_hw[1])


def test_the_engine_agrees_with_a_plain_version():
    model = small_model(refines=True)
    image, camera = picture(224, 352), CameraModel.from_fov(352, 224, 65)
    engine = DepthEngine(model, device="cpu", config=SMALL_TILES)
    result = engine.infer(image, camera, confidence=True)
    expected, confidence = reference(engine, model, image, camera)
    change = np.abs(expected / result.coarse_depth_m - 1)
    error = np.abs(result.depth_m / expected - 1)
    assert change.mean() > 0.01
    assert error.max() < 1e-3 * change.max()
    np.testing.assert_allclose(result.confidence, confidence, atol=1e-4)
    assert confidence.std() > 1e-3


def test_depth_grows_in_proportion_to_the_focal_length(passing):
    image = picture(128, 192)
    wide, tele = (CameraModel(width=192, height=128, fx=f, fy=f, cx=96, cy=64) for f in (150.0, 450.0))
    ratio = passing.infer(image, tele).depth_m / passing.infer(image, wide).depth_m
    np.testing.assert_allclose(ratio, 3.0, rtol=1e-4)


def test_without_a_camera_the_configured_field_of_view_is_assumed(passing):
    image = picture(96, 160)
    assumed = passing.infer(image)
    given = passing.infer(image, CameraModel.from_fov(160, 96, passing.config.assumed_fov_deg))
    np.testing.assert_array_equal(assumed.depth_m, given.depth_m)


def test_depth_beyond_the_limit_is_invalid():
    model = small_model(refines=False)
    image = picture(96, 160)
    free = DepthEngine(model, device="cpu", config=SMALL_TILES).infer(image).depth_m
    limit_m = float(np.median(free))
    capped = DepthEngine(model, device="cpu", config=EngineConfig(max_depth_m=limit_m)).infer(image)
    for depth_m in (capped.depth_m, capped.coarse_depth_m):
        share = np.isnan(depth_m).mean()
        assert 0.3 < share < 0.7
        assert np.nanmax(depth_m) <= limit_m


@pytest.mark.parametrize("scale", [math.nan, math.inf])
def test_numbers_that_the_network_should_never_give_become_nan(scale):
    model = small_model(refines=False)
    torch.nn.init.constant_(model.refiner.offset.bias, scale)
    result = DepthEngine(model, device="cpu", config=SMALL_TILES).infer(picture(64, 64))
    assert np.isnan(result.depth_m).all()
    assert np.isfinite(result.coarse_depth_m).all()


def test_the_same_image_gives_the_same_depth_whatever_came_between(refining):
    image = picture(150, 210)
    before = refining.infer(image)
    refining.infer(picture(100, 333, seed=5))
    after = refining.infer(image)
    np.testing.assert_array_equal(before.depth_m, after.depth_m)
    assert not np.shares_memory(before.depth_m, after.depth_m)


def test_views_and_read_only_images_are_taken_and_left_as_they_are(refining):
    bgr = picture(96, 128)
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    rgb.flags.writeable = False
    before = bgr.copy()
    np.testing.assert_array_equal(refining.infer(bgr[..., ::-1]).depth_m, refining.infer(rgb).depth_m)
    np.testing.assert_array_equal(bgr, before)


def test_the_number_of_tiles_at_once_changes_only_the_last_digits():
    image = picture(200, 300)
    one, five = (
        DepthEngine(
            small_model(refines=True),
            device="cpu",
            config=EngineConfig(max_tile_px=128, overlap_px=32, tile_batch=batch),
        ).infer(image)
        for batch in (1, 5)
    )
    np.testing.assert_allclose(one.depth_m, five.depth_m, rtol=1e-4)


class ShortOfMemory(DepthModel):
    """Runs out of memory with more tiles at once than `most`, as a GPU does."""

    most = 2

    def refine(self, image_B3HW, *known):
        if len(image_B3HW) > self.most:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return super().refine(image_B3HW, *known)


def test_a_gpu_short_of_memory_gets_fewer_tiles_and_it_is_said_once(caplog):
    config = EngineConfig(max_tile_px=128, overlap_px=32, tile_batch=6)
    model = ShortOfMemory(ModelSpec(coarse_area_px=96 * 160))
    keep_depth(model)
    engine = DepthEngine(model, device="cpu", config=config)
    image = picture(200, 300)
    with caplog.at_level(logging.WARNING):
        result = engine.infer(image)
        engine.infer(image)
    assert caplog.messages == ["GPU memory ran out with 6 tiles at once: using 3 from now on"] + [
        "GPU memory ran out with 3 tiles at once: using 1 from now on"
    ]
    np.testing.assert_allclose(result.depth_m, result.coarse_depth_m, rtol=0.1)


def test_a_gpu_without_memory_for_one_tile_names_the_way_out():
    model = ShortOfMemory(ModelSpec(coarse_area_px=96 * 160))
    model.most = 0
    with pytest.raises(DeviceError, match=r"single tile: lower max_tile_px \(768\) or use device cpu"):
        DepthEngine(model, device="cpu").infer(picture(64, 64))


def test_unusable_input_is_refused(refining):
    with pytest.raises(InputError, match="at least 64 px"):
        refining.infer(np.zeros((63, 64, 3), np.uint8))
    with pytest.raises(InputError, match=r"camera\.resized\(160, 96\)"):
        refining.infer(picture(96, 160), CameraModel.from_fov(320, 192, 60))


def test_bfloat16_stays_close_to_float32():
    image = picture(128, 192)
    exact = DepthEngine(small_model(refines=True), device="cpu").infer(image)
    rough = DepthEngine(small_model(refines=True), device="cpu", precision="bfloat16").infer(image)
    assert rough.depth_m.dtype == np.float32
    assert (rough.depth_m != exact.depth_m).any()
    assert np.abs(rough.depth_m / exact.depth_m - 1).max() < 0.1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_with_the_cpu():
    image = picture(400, 600)
    config = EngineConfig(max_tile_px=256, overlap_px=32)
    cpu = DepthEngine(small_model(refines=True), device="cpu", config=config).infer(image)
    gpu = DepthEngine(small_model(refines=True), device="cuda", config=config).infer(image)
    assert np.abs(gpu.depth_m / cpu.depth_m - 1).mean() < 0.02


def test_tiles_are_given_as_they_were_before_blending(refining):
    image = picture(200, 300)
    result = refining.infer(image, keep_tiles=True)
    assert refining.infer(image).tiles == ()
    grid = tile_grid(200, 300, max_tile=128, overlap=32)
    assert [(tile.y, tile.x) for tile in result.tiles] == [(tile.y, tile.x) for tile in grid]
    for tile, place in zip(result.tiles, grid, strict=True):
        assert tile.depth_m.shape == (min(grid.y.tile, 200 - tile.y), min(grid.x.tile, 300 - tile.x))
        alone = grid.weight(place) == 1  # where no other tile has a say
        below = result.depth_m[tile.y : tile.y + grid.y.tile, tile.x : tile.x + grid.x.tile]
        assert alone.any()
        np.testing.assert_allclose(tile.depth_m[alone], below[alone], rtol=1e-5)
