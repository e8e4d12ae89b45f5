from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.tiles import tile_grid
from prv2_ros.inference.preprocess import check_camera, check_image, image_tensor, tile_images

CPU = torch.device("cpu")


def picture(height: int = 96, width: int = 128) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([[1, 2]], r"image is a list: pass a numpy array \(H, W, 3\) uint8"),
        (np.zeros((64, 64, 3)), "image has dtype float64: convert it to uint8"),
        (np.zeros((64, 64, 3), np.uint16), "image has dtype uint16"),
        (np.zeros((64, 64), np.uint8), r"image has shape \(64, 64\): expected \(H, W, 3\); repeat a grey channel"),
        (np.zeros((64, 64, 4), np.uint8), r"image has shape \(64, 64, 4\).*drop alpha"),
        (np.zeros((3, 64, 64), np.uint8), r"image has shape \(3, 64, 64\)"),
        (
            np.zeros((63, 400, 3), np.uint8),
            "image has 400x63 px: both sides must have at least 64 px; enlarge it, and its intr",
        ),
        (np.zeros((0, 64, 3), np.uint8), "image has 64x0 px"),
    ],
)
def test_unusable_images_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        check_image(image)


def test_the_size_of_a_usable_image():
    assert check_image(picture(64, 65)) == (64, 65)


def test_a_camera_of_another_size_is_refused():
    camera = CameraModel.from_fov(640, 480, 60)
    with pytest.raises(InputError, match=r"for 640x480 px, image has 320x240 px: pass camera.resized\(320, 240\)"):
        check_camera(camera, 240, 320, 60)
    for height, width in ((479, 640), (480, 639)):
        with pytest.raises(InputError, match=f"for 640x480 px, image has {width}x{height} px"):
            check_camera(camera, height, width, 60)
    assert check_camera(camera, 480, 640, 90) is camera


def test_without_a_camera_one_is_assumed():
    assert check_camera(None, 240, 320, 90).fx == pytest.approx(160)


def test_the_tensor_views_the_image():
    image = picture()
    tensor = image_tensor(image, CPU)
    assert tensor.shape == (1, 3, 96, 128)
    assert tensor.data_ptr() == image.ctypes.data
    assert tensor.is_contiguous(memory_format=torch.channels_last)
    assert tensor[0, 2, 5, 7] == image[5, 7, 2]


def test_read_only_and_reversed_images_are_taken():
    image = picture()
    image.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_tensor(image, CPU).data_ptr() == image.ctypes.data
        np.testing.assert_array_equal(image_tensor(image, CPU)[0].permute(1, 2, 0), image)
        np.testing.assert_array_equal(image_tensor(image[..., ::-1], CPU)[0].permute(1, 2, 0), image[..., ::-1])
        np.testing.assert_array_equal(image_tensor(image[::-1], CPU)[0].permute(1, 2, 0), image[::-1])


def test_tiles_hold_the_pixels_under_them():
    image = picture(300, 420)
    grid = tile_grid(300, 420, max_tile=128, overlap=16)
    tiles = list(grid)
    batch = tile_images(image_tensor(image, CPU), tiles, (grid.y.tile, grid.x.tile))
    assert batch.is_contiguous(memory_format=torch.channels_last)
    for sample, tile in zip(batch, tiles, strict=True):
        expected = image[tile.y : tile.y + grid.y.tile, tile.x : tile.x + grid.x.tile] / 255
        np.testing.assert_allclose(sample.permute(1, 2, 0), expected, atol=1e-6)


def test_a_tile_beyond_the_image_repeats_its_border():
    image = picture(65, 70)
    grid = tile_grid(65, 70)
    sample = tile_images(image_tensor(image, CPU), list(grid), (grid.y.tile, grid.x.tile))[0].permute(1, 2, 0)
    expected = np.pad(image, ((0, 31), (0, 26), (0, 0)), mode="edge") / 255
    np.testing.assert_allclose(sample, expected, atol=1e-6)
