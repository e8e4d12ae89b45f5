from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from prv2_ros.network.align import crop_aligned, network_focal, prepare_network_image, upsample_to


def ramps(image_hw: tuple[int, int], map_hw: tuple[int, int]) -> torch.Tensor:
    """A map (1, 2, h, w) that holds the image coordinates (pixel centres) of each of its cells: x, then y."""
    x = (torch.arange(map_hw[1], dtype=torch.float64) + 0.5) * image_hw[1] / map_hw[1] - 0.5
    y = (torch.arange(map_hw[0], dtype=torch.float64) + 0.5) * image_hw[0] / map_hw[0] - 0.5
    return torch.stack([x.expand(map_hw), y[:, None].expand(map_hw)])[None].float()


@settings(max_examples=50, deadline=None)
@given(
    image_hw=st.tuples(st.integers(200, 2200), st.integers(200, 3900)),
    map_hw=st.tuples(st.integers(20, 400), st.integers(20, 640)),
    corner=st.tuples(st.floats(0.2, 0.5), st.floats(0.2, 0.5)),
    side=st.floats(16, 60),
    out_hw=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_a_linear_ramp_is_reproduced_at_every_output_pixel(image_hw, map_hw, corner, side, out_hw):
    """Away from the border, an output pixel holds the image coordinates of its own centre."""
    top, left = corner[0] * image_hw[0], corner[1] * image_hw[1]
    cropped = crop_aligned(ramps(image_hw, map_hw), (left, top, side, side), image_hw, out_hw)
    assert cropped.shape == (1, 2, *out_hw)
    x = left + (np.arange(out_hw[1]) + 0.5) * side / out_hw[1] - 0.5
    y = top + (np.arange(out_hw[0]) + 0.5) * side / out_hw[0] - 0.5
    np.testing.assert_allclose(cropped[0, 0], np.broadcast_to(x, out_hw), atol=2e-3)
    np.testing.assert_allclose(cropped[0, 1], np.broadcast_to(y[:, None], out_hw), atol=2e-3)


def test_a_crop_at_full_resolution_is_a_crop_of_the_upsampled_map():
    image_hw = (375, 501)
    coarse = torch.randn(2, 5, 96, 160)
    whole = upsample_to(coarse, image_hw)
    for x, y, width, height in ((0, 0, 64, 32), (437, 343, 64, 32), (100, 51, 128, 256)):
        cropped = crop_aligned(coarse, (x, y, width, height), image_hw, (height, width))
        torch.testing.assert_close(cropped, whole[..., y : y + height, x : x + width], atol=1e-4, rtol=0)


def test_upsampling_agrees_with_opencv():
    coarse = torch.randn(1, 1, 24, 40)
    expected = cv2.resize(coarse[0, 0].numpy(), (131, 77), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(upsample_to(coarse, (77, 131))[0, 0], expected, atol=1e-4)


def test_each_sample_has_its_own_box():
    maps = torch.randn(3, 2, 30, 40)
    boxes = torch.tensor([[0.0, 0.0, 32.0, 32.0], [40.5, 10.25, 32.0, 16.0], [100.0, 60.0, 20.0, 20.0]])
    together = crop_aligned(maps, boxes, (120, 160), (8, 8))
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], crop_aligned(maps[i : i + 1], boxes[i], (120, 160), (8, 8)))


def test_one_map_is_shared_by_many_boxes():
    one = torch.randn(1, 2, 30, 40)
    boxes = torch.tensor([[0.0, 0.0, 32.0, 32.0], [40.0, 10.0, 32.0, 16.0]])
    shared = crop_aligned(one, boxes, (120, 160), (8, 8))
    torch.testing.assert_close(shared, crop_aligned(one.repeat(2, 1, 1, 1), boxes, (120, 160), (8, 8)))


def test_beyond_the_image_the_border_repeats():
    one = torch.arange(12.0).reshape(1, 1, 3, 4)
    cropped = crop_aligned(one, (40, 30, 8, 8), (30, 40), (4, 4))
    assert (cropped == 11).all()


def test_gradients_reach_the_map():
    coarse = torch.randn(1, 1, 12, 16, requires_grad=True)
    crop_aligned(coarse, (8, 8, 32, 32), (96, 128), (32, 32)).sum().backward()
    assert coarse.grad is not None
    # Every output pixel hands out a gradient of one in all.
    assert float(coarse.grad.sum()) == pytest.approx(32 * 32, rel=1e-4)


def test_half_precision_maps_are_sampled_at_float32_positions():
    exact = ramps((480, 5120), (60, 640))[:, :1] / 5120
    box = (4000.5, 100, 64, 64)
    half = crop_aligned(exact.to(torch.bfloat16), box, (480, 5120), (64, 64))
    assert half.dtype == torch.bfloat16
    rounded_after = crop_aligned(exact.to(torch.bfloat16).float(), box, (480, 5120), (64, 64))
    torch.testing.assert_close(half, rounded_after.to(torch.bfloat16), rtol=0, atol=0)


def test_counts_that_do_not_fit_are_a_bug():
    with pytest.raises(AssertionError, match="2 maps for 3 boxes"):
        crop_aligned(torch.zeros(2, 1, 4, 4), torch.zeros(3, 4), (8, 8), (2, 2))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_the_network_image_averages_areas(memory_format):
    """Halving a picture whose columns alternate must give grey, not one of the two."""
    image = torch.zeros(1, 3, 64, 128, dtype=torch.uint8)
    image[..., ::2] = 200
    image = image.contiguous(memory_format=memory_format)
    small = prepare_network_image(image, (32, 32))
    assert small.dtype == torch.float32
    torch.testing.assert_close(small[..., 2:-2], torch.full((1, 3, 32, 28), 100 / 255), atol=1.5 / 255, rtol=0)


def test_bytes_and_floats_give_the_same_network_image():
    image = torch.randint(0, 256, (2, 3, 217, 333), dtype=torch.uint8)
    exact = prepare_network_image(image.float() / 255, (96, 160))
    torch.testing.assert_close(prepare_network_image(image, (96, 160)), exact, atol=1.1 / 255, rtol=0)
    assert exact.shape == (2, 3, 96, 160)


def test_off_the_cpu_one_full_size_copy_is_made():
    class Count(TorchDispatchMode):
        full_size = 0

        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            self.full_size += result.shape[-2:] == (216, 384) and result.dtype == torch.float32
            return result

    image = torch.empty(1, 3, 216, 384, dtype=torch.uint8, device="meta")
    with Count() as count:
        small = prepare_network_image(image, (96, 160))
    assert count.full_size == 1
    assert small.shape == (1, 3, 96, 160)
    assert small.dtype == torch.float32


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_bytes_and_floats_give_the_same_network_image():
    image = torch.randint(0, 256, (2, 3, 217, 333), dtype=torch.uint8, device="cuda")
    exact = prepare_network_image(image.float() / 255, (96, 160))
    torch.testing.assert_close(prepare_network_image(image, (96, 160)), exact, atol=1e-6, rtol=0)


def test_an_image_of_the_right_size_is_only_scaled():
    image = torch.randint(0, 256, (1, 3, 32, 64), dtype=torch.uint8)
    torch.testing.assert_close(prepare_network_image(image, (32, 64)), image.float() / 255)
    exact = torch.rand(1, 3, 32, 64)
    assert torch.equal(prepare_network_image(exact, (32, 64)), exact)


def test_the_network_image_keeps_pixel_areas_aligned():
    x = ((torch.arange(400.0) + 0.5) / 400).expand(1, 3, 200, 400)
    small = prepare_network_image(x, (96, 160))
    expected = (torch.arange(160.0) + 0.5) / 160
    torch.testing.assert_close(small[0, 0, 50, 3:-3], expected[3:-3], atol=1e-4, rtol=0)


def test_focal_length_of_the_network_image():
    assert network_focal(1000.0, 1000.0, (1080, 1920), (360, 640)) == pytest.approx(1000 / 3)
    sides = network_focal(900.0, 1000.0, (1080, 1920), (384, 640))
    assert sides == pytest.approx(math.sqrt(900 * 640 / 1920 * 1000 * 384 / 1080))
    batch = network_focal(torch.tensor([900.0, 300.0]), torch.tensor([1000.0, 300.0]), (1080, 1920), (384, 640))
    assert batch.tolist() == pytest.approx([sides, 300 * math.sqrt(384 / 1080 / 3)])


def test_crop_at_the_features_stride_is_the_average_of_full_resolution_samples():
    """A linear map sampled at one cell in 8x8 pixels equals the mean over these pixels: the cell's centre is theirs."""
    coarse = ramps((240, 320), (60, 80))
    box = (64.0, 48.0, 96.0, 96.0)
    fine = crop_aligned(coarse, box, (240, 320), (96, 96))
    torch.testing.assert_close(
        crop_aligned(coarse, box, (240, 320), (12, 12)), F.avg_pool2d(fine, 8), atol=1e-3, rtol=0
    )
