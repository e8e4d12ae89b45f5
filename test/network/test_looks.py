"""The coarse network's looks: sizes, mirror, focal lengths, and their mean against plain arithmetic."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.errors import InputError
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.looks import merge_looks, network_looks
from prv2_ros.network.model import STRIDE_PX, DepthModel, ModelSpec

ONE = DepthModel(ModelSpec(coarse_area_px=96 * 160, second_look=0))
TWO = DepthModel(ModelSpec(coarse_area_px=96 * 160))


def output(log_depth: torch.Tensor, features: torch.Tensor, log_scale: torch.Tensor) -> CoarseOutput:
    return CoarseOutput(log_depth_B1hw=log_depth, features_BChw=features, log_scale_B1hw=log_scale)


def test_one_look_is_the_picture_at_network_size() -> None:
    image = torch.randint(0, 256, (1, 3, 96, 160), dtype=torch.uint8)
    (look,) = network_looks(ONE, image, 100.0, 100.0)
    assert torch.allclose(look.image_B3hw, image.float() / 255, atol=1e-6)
    assert look.f_px_B.tolist() == [100.0]


def test_the_second_look_is_mirrored_and_larger() -> None:
    ramp = torch.linspace(0, 1, 320).expand(1, 3, 192, 320)
    first, second = network_looks(TWO, ramp, 200.0, 220.0)
    assert first.image_B3hw.shape == (1, 3, 96, 160)
    assert second.image_B3hw.shape == (1, 3, 128, 224)  # twice the area, in multiples of 32
    assert (first.image_B3hw.diff(dim=-1) > 0).all()
    assert (second.image_B3hw.diff(dim=-1) < 0).all()
    for look, (h, w) in ((first, (96, 160)), (second, (128, 224))):
        expected = (200 * w / 320 * 220 * h / 192) ** 0.5
        assert look.f_px_B.tolist() == pytest.approx([expected], rel=1e-6)


@pytest.mark.parametrize(("second", "sizes"), [(0.0, [(96, 160)]), (4.0, [(96, 160), (192, 320)])])
def test_the_second_look_may_be_another_than_the_models(second: float, sizes: list[tuple[int, int]]) -> None:
    looks = network_looks(TWO, torch.zeros(1, 3, 96, 160), 50.0, 50.0, second=second)
    assert [tuple(look.image_B3hw.shape[-2:]) for look in looks] == sizes


def test_a_batch_keeps_its_focal_lengths() -> None:
    f_px = torch.tensor([80.0, 160.0])
    first, second = network_looks(TWO, torch.rand(2, 3, 96, 160), f_px, f_px, (96, 160))
    assert first.f_px_B.tolist() == [80.0, 160.0]
    assert second.f_px_B.tolist() == pytest.approx([80 * 1.3663, 160 * 1.3663], rel=1e-3)  # sqrt(128 * 224 / 96 / 160)


def test_a_size_that_would_move_the_maps_off_the_picture_is_refused() -> None:
    with pytest.raises(InputError, match="multiples of 32 px a side, not 480x270"):
        network_looks(ONE, torch.rand(1, 3, 270, 480), 100.0, 100.0, (270, 480))


@given(h=st.integers(64, 700), w=st.integers(64, 700), share=st.floats(0.3, 3))
def test_sizes_are_multiples_of_the_stride(h: int, w: int, share: float) -> None:
    model = DepthModel.__new__(DepthModel)
    torch.nn.Module.__init__(model)
    model.spec = ModelSpec(coarse_area_px=96 * 160, second_look=share)
    for look in network_looks(model, torch.zeros(1, 3, h, w, dtype=torch.uint8), 50.0, 50.0):
        assert look.image_B3hw.shape[-2] % STRIDE_PX == look.image_B3hw.shape[-1] % STRIDE_PX == 0


def test_the_mean_is_taken_where_the_picture_is() -> None:
    first, second = (torch.randn(1, 1, 6, 10) for _ in range(2))
    features = torch.randn(1, 4, 6, 10)
    merged = merge_looks([output(first, features, first - 1), output(second, features + 1, second - 2)])
    flipped = second.numpy()[..., ::-1]
    assert np.allclose(merged.log_depth_B1hw.numpy(), (first.numpy() + flipped) / 2, atol=1e-6)
    assert np.allclose(merged.log_scale_B1hw.numpy(), (first.numpy() + flipped - 3) / 2, atol=1e-6)
    assert merged.features_BChw is features


def test_a_look_of_another_size_is_resampled() -> None:
    plane = torch.linspace(0, 1, 20)[None, None, None].expand(1, 1, 12, 20)
    small = torch.nn.functional.interpolate(plane, (6, 10), mode="area")
    none = torch.zeros(1, 4, 6, 10)
    merged = merge_looks([output(small, none, small), output(plane.flip(-1), none, plane.flip(-1))])
    assert torch.allclose(merged.log_depth_B1hw, small, atol=1e-3)


def test_with_looks_of_one_size_a_mirrored_picture_has_mirrored_depth() -> None:
    torch.manual_seed(0)
    model = DepthModel(ModelSpec(coarse_area_px=96 * 160, second_look=1)).eval()
    image = torch.rand(1, 3, 96, 160)
    depths, first_looks = [], []
    with torch.no_grad():
        for picture in (image, image.flip(-1)):
            outputs = [model.predict_coarse(k.image_B3hw, k.f_px_B) for k in network_looks(model, picture, 99.0, 99.0)]
            first_looks.append(outputs[0].log_depth_B1hw)
            depths.append(merge_looks(outputs).log_depth_B1hw)
    assert torch.allclose(depths[0], depths[1].flip(-1), atol=1e-5)
    assert not torch.allclose(first_looks[0], first_looks[1].flip(-1), atol=1e-3), "one look has no such symmetry"
