from __future__ import annotations

import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from prv2_ros.errors import InputError
from prv2_ros.evaluation.temporal import tile_consistency
from prv2_ros.geometry.patches import PatchLayout
from prv2_ros.inference.published import PublishedEngine
from prv2_ros.inference.reference import refine_image
from prv2_ros.network.refiner_published import PublishedRefiner, build_published_refiner

PATCH = 64
CHANNELS = (8, 16, 16, 16, 16, 16)


class Plane(nn.Module):
    """A coarse network that answers with a ramp of depth, and features of the right shapes."""

    def forward(self, image: torch.Tensor) -> SimpleNamespace:
        ramp = torch.linspace(2, 6, PATCH).expand(1, 1, PATCH, PATCH)
        torch.manual_seed(3)
        sizes = (2, 4, 8, 16, 32, PATCH)
        features = tuple(torch.randn(1, c, s, s) for c, s in zip(reversed(CHANNELS), sizes, strict=True))
        return SimpleNamespace(depth_m_B1hw=ramp, features=features)


@pytest.fixture(scope="module")
def refiner() -> PublishedRefiner:
    torch.manual_seed(0)
    return build_published_refiner("mobilenetv4_conv_small", CHANNELS).eval()


def _engine(refiner: PublishedRefiner, layout: PatchLayout, **values: object) -> PublishedEngine:
    return PublishedEngine(Plane(), refiner, layout=layout, patch_px=PATCH, device="cpu", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(("mode", "batch"), [("m1", 3), ("m2", 1), ("r3", 3)])
def test_batches_of_patches_equal_the_plain_way(refiner: PublishedRefiner, mode: str, batch: int) -> None:
    layout = PatchLayout(rows=2, columns=3, mode=mode)
    image = torch.rand(1, 3, 130, 201, generator=torch.Generator().manual_seed(1))
    coarse = Plane()(image)
    plain = refine_image(refiner, image, coarse.depth_m_B1hw, coarse.features, layout)
    fast = _engine(refiner, layout, batch=batch).refine(image, coarse.depth_m_B1hw, coarse.features)
    assert fast.shape == (2 * PATCH, 3 * PATCH)
    np.testing.assert_allclose(fast, plain, atol=2e-5)


def test_image_in_depth_of_its_size_out(refiner: PublishedRefiner) -> None:
    image = np.random.default_rng(0).integers(0, 255, (97, 143, 3), np.uint8)
    result = _engine(refiner, PatchLayout(rows=2, columns=2)).infer(image)
    assert result.depth_m.shape == result.coarse_depth_m.shape == (97, 143)
    assert result.depth_m.dtype == np.float32
    assert np.isfinite(result.depth_m).all()
    assert set(result.timings_ms) == {"preprocess", "coarse", "refine", "postprocess", "total"}
    assert result.coarse_depth_m[50, 10] < result.coarse_depth_m[50, 130]
    assert _engine(refiner, PatchLayout(rows=2, columns=2)).infer(image, coarse=False).coarse_depth_m is None


def test_depth_beyond_the_limit_is_invalid(refiner: PublishedRefiner) -> None:
    image = np.random.default_rng(0).integers(0, 255, (97, 143, 3), np.uint8)
    layout = PatchLayout(rows=2, columns=2)
    free = _engine(refiner, layout).infer(image)
    limit_m = float(np.median(free.depth_m))
    capped = _engine(refiner, layout, max_depth_m=limit_m).infer(image)
    for limited, whole in ((capped.depth_m, free.depth_m), (capped.coarse_depth_m, free.coarse_depth_m)):
        np.testing.assert_array_equal(limited, np.where(whole <= limit_m, whole, np.nan))
        assert 0.2 < np.isnan(limited).mean() < 0.8


@pytest.mark.parametrize(("mode", "patches"), [("m1", 4), ("m2", 9), ("blend", 4)])
def test_patches_are_given_as_they_were_before_merging(refiner: PublishedRefiner, mode: str, patches: int) -> None:
    image = np.random.default_rng(0).integers(0, 255, (128, 128, 3), np.uint8)
    engine = _engine(refiner, PatchLayout(rows=2, columns=2, mode=mode, overlap_px=0), batch=3)
    tiles = engine.infer(image, keep_tiles=True).tiles
    assert engine.infer(image).tiles == ()
    assert len(tiles) == patches
    assert all(tile.depth_m.shape == (PATCH, PATCH) for tile in tiles)
    assert {(tile.y, tile.x) for tile in tiles} >= {(0, 0), (0, PATCH), (PATCH, 0), (PATCH, PATCH)}
    assert (tile_consistency(tiles)["tile_consistency_log"] > 0) == (mode == "m2")


def test_blending_leaves_no_seam_where_the_grid_leaves_one(refiner: PublishedRefiner) -> None:
    """The jump across the patches' borders against the jump elsewhere."""
    image = torch.rand(1, 3, 192, 192, generator=torch.Generator().manual_seed(2))
    image = torch.nn.functional.avg_pool2d(image, 9, 1, 4)
    coarse = Plane()(image)

    def seam(layout: PatchLayout) -> float:
        depth = _engine(refiner, layout).refine(image, coarse.depth_m_B1hw, coarse.features)
        jump = np.abs(np.diff(depth, axis=1)).mean(0)
        border = np.zeros(jump.size, bool)
        border[PATCH - 1 :: PATCH] = True
        return float(jump[border].mean() / jump[~border].mean())

    assert seam(PatchLayout(rows=3, columns=3, mode="m1")) > 1.5
    assert seam(PatchLayout(rows=3, columns=3, mode="blend", overlap_px=16)) < 1.2


def test_a_grid_that_does_not_fit_is_refused(refiner: PublishedRefiner) -> None:
    with pytest.raises(InputError, match="grid of 4x4 patches does not fit an image of 100x100 px"):
        _engine(refiner, PatchLayout()).infer(np.zeros((100, 100, 3), np.uint8))


class Watched(Plane):
    """Keeps what it is shown, and in which precision it is asked to look at it."""

    def forward(self, image: torch.Tensor) -> SimpleNamespace:
        self.image = image
        self.dtype = (image[0, 0] @ image[0, 0]).dtype
        return super().forward(image)


def test_a_picture_of_bytes_is_refined_as_one_in_0_to_1_by_a_network_that_has_learnt(
    refiner: PublishedRefiner,
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (2 * PATCH, 3 * PATCH, 3), np.uint8)
    layout, coarse = PatchLayout(rows=2, columns=3), Watched()
    learning = copy.deepcopy(refiner).train()  # whose norms go by the batch
    found = PublishedEngine(coarse, learning, layout=layout, patch_px=PATCH, device="cpu").infer(image)
    exact = torch.from_numpy(image / np.float32(255)).permute(2, 0, 1)[None]
    assert coarse.image.shape == (1, 3, PATCH, PATCH)
    torch.testing.assert_close(coarse.image.mean(), exact.mean(), atol=0.01, rtol=0)
    maps = Plane()(exact)
    plain = refine_image(refiner, exact, maps.depth_m_B1hw, maps.features, layout)
    np.testing.assert_allclose(found.depth_m, plain, atol=2e-5)


@pytest.mark.parametrize("mode", ["m1", "blend"])
def test_patches_lie_where_they_are_said_to(refiner: PublishedRefiner, mode: str) -> None:
    image = np.random.default_rng(0).integers(0, 256, (2 * PATCH, 3 * PATCH, 3), np.uint8)
    engine = _engine(refiner, PatchLayout(rows=2, columns=3, mode=mode, overlap_px=0), batch=4)
    result = engine.infer(image, keep_tiles=True)
    assert len(result.tiles) == 6
    for tile in result.tiles:
        below = result.depth_m[tile.y : tile.y + PATCH, tile.x : tile.x + PATCH]
        np.testing.assert_allclose(tile.depth_m, below, rtol=1e-6)


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_the_networks_run_in_the_precision_that_is_chosen(
    refiner: PublishedRefiner, precision: str, dtype: torch.dtype
) -> None:
    coarse, layout = Watched(), PatchLayout(rows=1, columns=1)
    engine = PublishedEngine(coarse, refiner, layout=layout, patch_px=PATCH, device="cpu", precision=precision)
    result = engine.infer(np.random.default_rng(0).integers(0, 256, (97, 143, 3), np.uint8))
    assert coarse.dtype is engine.dtype is dtype
    assert result.depth_m.dtype == np.float32
