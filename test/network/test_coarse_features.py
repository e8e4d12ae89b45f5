from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_tensors import GOLDEN, MAX_DEPTH_M, fill_tensor, read_keys, vit_input
from tiny_networks import ONE_HEAD, TWO_HEADS, tiny_depth_anything, tiny_zoedepth

from prv2_ros.errors import InputError
from prv2_ros.network.coarse_features import DepthAnythingCoarse, ZoeDepthCoarse
from prv2_ros.network.coarse_transformers import build_depth_anything, load_depth_anything
from prv2_ros.network.refiner_published import COARSE_CHANNELS

pytest.importorskip("transformers")


def _image(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def tiny() -> DepthAnythingCoarse:
    return DepthAnythingCoarse(tiny_depth_anything(), 80.0)


def test_depth_and_features_equal_the_authors_code(tmp_path: Path) -> None:
    names = read_keys("keys_depth_anything_v2_vits.txt")
    torch.save({name: torch.from_numpy(fill_tensor(name, shape)) for name, shape in names.items()}, tmp_path / "s.pth")
    network = load_depth_anything(tmp_path / "s.pth", size="small", max_depth_m=MAX_DEPTH_M)
    golden = np.load(GOLDEN / "depth_anything_v2_vits.npz")
    with torch.inference_mode():
        maps = network(torch.from_numpy(vit_input()))
    np.testing.assert_allclose(maps.depth_m_B1hw[0, 0].numpy(), golden["depth"], atol=2e-4, rtol=0)
    assert [tuple(f.shape) for f in maps.features] == [tuple(shape) for shape in golden["feature_shapes"]]
    np.testing.assert_allclose([f.double().mean() for f in maps.features], golden["feature_means"], rtol=2e-5)
    np.testing.assert_allclose([f.double().std() for f in maps.features], golden["feature_stds"], rtol=2e-6)
    np.testing.assert_allclose(maps.features[0][0].numpy(), golden["feature_0"], atol=5e-5, rtol=0)
    np.testing.assert_allclose(maps.features[4][0, ::8, ::4, ::4].numpy(), golden["feature_4_sub"], atol=5e-5, rtol=0)


@pytest.mark.parametrize(("size", "width"), [("small", 64), ("base", 128), ("large", 256)])
def test_every_size_has_the_shapes_that_the_refiner_wants(size: str, width: int) -> None:
    with torch.device("meta"):  # shapes without the work
        network = build_depth_anything(size)
        maps = network(torch.empty(2, 3, 448, 448))
    assert network.feature_channels == (width // 2, *[width] * 5)
    assert size != "large" or network.feature_channels == COARSE_CHANNELS
    assert maps.depth_m_B1hw.shape == (2, 1, 448, 448)
    expected = [(2, width, side, side) for side in (16, 32, 64, 128, 256)] + [(2, width // 2, 448, 448)]
    assert [tuple(f.shape) for f in maps.features] == expected


def test_an_image_may_have_any_aspect_ratio_and_an_odd_number_of_patches(tiny: DepthAnythingCoarse) -> None:
    with torch.inference_mode():
        maps = tiny(_image(1, 3, 70, 126))
    assert maps.depth_m_B1hw.shape == (1, 1, 70, 126)
    assert [tuple(f.shape[2:]) for f in maps.features] == [(3, 5), (5, 9), (10, 18), (20, 36), (40, 72), (70, 126)]


def test_at_the_size_of_the_position_grid_depth_equals_that_of_transformers(tiny: DepthAnythingCoarse) -> None:
    image = _image(2, 3, 70, 70)
    with torch.inference_mode():
        depth_m = tiny(image).depth_m_B1hw
        expected = tiny.body((image - tiny.mean) / tiny.std).predicted_depth
    torch.testing.assert_close(depth_m[:, 0], expected)
    assert depth_m.std() > 0.1


def test_depth_scales_with_its_greatest_value(tiny: DepthAnythingCoarse) -> None:
    image = _image(1, 3, 56, 56)
    with torch.inference_mode():
        far, near = tiny(image), DepthAnythingCoarse(tiny_depth_anything(), 20.0)(image)
    torch.testing.assert_close(far.depth_m_B1hw, 4 * near.depth_m_B1hw)
    torch.testing.assert_close(far.features, near.features)


def test_a_copy_has_position_embeddings_of_its_own(tiny: DepthAnythingCoarse) -> None:
    image, other = _image(1, 3, 56, 84), copy.deepcopy(tiny)
    with torch.inference_mode():
        before = tiny(image).depth_m_B1hw
        torch.testing.assert_close(other(image).depth_m_B1hw, before)
        other.body.backbone.embeddings.position_embeddings.add_(torch.randn(1, 26, 32))
        assert not torch.allclose(other(image).depth_m_B1hw, before)
        torch.testing.assert_close(tiny(image).depth_m_B1hw, before)


def test_depth_stays_float32_where_features_do_not(tiny: DepthAnythingCoarse) -> None:
    for network in (tiny, ZoeDepthCoarse(tiny_zoedepth(ONE_HEAD))):
        image = _image(1, 3, 2 * network.stride, 2 * network.stride)
        with torch.inference_mode():
            exact = network(image).depth_m_B1hw
            with torch.autocast("cpu", torch.bfloat16):
                maps = network(image)
        assert maps.depth_m_B1hw.dtype == torch.float32
        assert maps.features[-1].dtype == torch.bfloat16
        torch.testing.assert_close(maps.depth_m_B1hw, exact, rtol=0.2, atol=0.5)


def test_gradients_reach_the_first_layer() -> None:
    network = DepthAnythingCoarse(tiny_depth_anything(), 80.0).train()
    maps = network(_image(1, 3, 56, 56))
    (maps.depth_m_B1hw.mean() + sum(f.square().mean() for f in maps.features)).backward()
    embeddings = network.body.backbone.embeddings
    for parameter in (embeddings.patch_embeddings.projection.weight, embeddings.position_embeddings):
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0


@pytest.mark.parametrize("heads", [ONE_HEAD, TWO_HEADS])
def test_zoedepth_gives_the_depth_of_transformers_and_six_maps(heads: list[dict[str, float]]) -> None:
    network = ZoeDepthCoarse(tiny_zoedepth(heads))
    image = _image(2, 3, 64, 96)
    with torch.inference_mode():
        maps = network(image)
        expected = network.body((image - 0.5) / 0.5).predicted_depth
    torch.testing.assert_close(maps.depth_m_B1hw[:, 0], expected)
    assert expected.std() > 1e-3
    shapes = [(2, 16, 64 // r, 96 // r) for r in (32, 16, 8, 4, 2)] + [(2, 8, 64, 96)]
    assert [tuple(f.shape) for f in maps.features] == shapes
    assert network.feature_channels == (8, 16, 16, 16, 16, 16)
    assert network.max_depth_m == (10.0 if len(heads) == 1 else 80.0)


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((1, 3, 56, 60), r"image 60x56 px: both sides must be multiples of 14; 56x56 is the nearest"),
        ((1, 3, 5, 56), r"image 56x5 px: .* 56x14 is the nearest"),
        ((1, 4, 56, 56), r"image of shape \(1, 4, 56, 56\): expected \(B, 3, h, w\)"),
        ((3, 56, 56), r"image of shape \(3, 56, 56\)"),
    ],
)
def test_images_that_do_not_fit_are_refused(tiny: DepthAnythingCoarse, shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(InputError, match=text):
        tiny(torch.zeros(shape))


def test_zoedepth_wants_multiples_of_two_patches() -> None:
    network = ZoeDepthCoarse(tiny_zoedepth(ONE_HEAD))
    with pytest.raises(InputError, match=r"image 64x80 px: both sides must be multiples of 32; 64x(64|96) is"):
        network(torch.zeros(1, 3, 80, 64))
