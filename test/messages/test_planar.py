"""Planar YUV messages to RGB: each byte's place and BT.601 written down here, and OpenCV's own packing to YUV."""

from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from prv2_ros.errors import InputError
from prv2_ros.messages.encodings import check_layout, is_decided, to_rgb
from prv2_ros.messages.planar import PLANAR

HALVED = ["nv12", "nv21", "i420"]


def planes(y: np.ndarray, u: np.ndarray, v: np.ndarray, encoding: str, pad: int = 0) -> bytes:
    """Bytes of the planes one after the other, rows padded with 255 as V4L2 pads them."""

    def rows(plane: np.ndarray, more: int) -> bytes:
        return b"".join(bytes(row) + b"\xff" * more for row in plane)

    if encoding == "i420":
        return rows(y, pad) + rows(u, pad // 2) + rows(v, pad // 2)
    first, second = (v, u) if encoding == "nv21" else (u, v)
    pairs = np.empty((u.shape[0], 2 * u.shape[1]), np.uint8)
    pairs[:, 0::2], pairs[:, 1::2] = first, second
    return rows(y, pad) + rows(pairs, 2 * pad if encoding == "nv24" else pad)


def message(y: np.ndarray, u: np.ndarray, v: np.ndarray, encoding: str, pad: int = 0) -> SimpleNamespace:
    height, width = y.shape
    data = planes(y, u, v, encoding, pad)
    return SimpleNamespace(height=height, width=width, encoding=encoding, step=width + pad, is_bigendian=0, data=data)


def samples(height: int, width: int, encoding: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random, cells = np.random.default_rng(3), 1 if encoding == "nv24" else 2
    small = (height // cells, width // cells)
    u, v = (random.integers(0, 256, small, dtype=np.uint8) for _ in range(2))
    # OpenCV takes Y below black for black, whatever the colour; the definition does not say.
    return random.integers(16, 256, (height, width), dtype=np.uint8), u, v


def bt601(y: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """(H, W, 3) RGB from the definition for Y of 16 to 235; a sample of U and V holds for all pixels of its cell."""
    cells = y.shape[0] // u.shape[0]
    luma = (y.astype(float) - 16) / 219
    pb, pr = ((np.repeat(np.repeat(c, cells, 0), cells, 1).astype(float) - 128) / 224 for c in (u, v))
    red, blue = luma + 2 * (1 - 0.299) * pr, luma + 2 * (1 - 0.114) * pb
    green = (luma - 0.299 * red - 0.114 * blue) / 0.587
    return np.clip(255 * np.stack([red, green, blue], -1), 0, 255)


@pytest.mark.parametrize("encoding", PLANAR)
@pytest.mark.parametrize("size", [(2, 2), (4, 6), (6, 10), (2, 64), (50, 2), (38, 70)])
@pytest.mark.parametrize("pad", [0, 2, 6, 58])
def test_every_pixel_is_bt601_of_its_bytes(encoding: str, size: tuple[int, int], pad: int) -> None:
    y, u, v = samples(*size, encoding)
    result = to_rgb(message(y, u, v, encoding, pad))
    assert (result.shape, result.dtype) == ((*size, 3), np.uint8)
    np.testing.assert_allclose(result, bt601(y, u, v), atol=2)


@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
def test_padding_of_one_byte(encoding: str) -> None:
    y, u, v = samples(6, 8, encoding)
    np.testing.assert_array_equal(to_rgb(message(y, u, v, encoding, 1)), to_rgb(message(y, u, v, encoding)))


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1, 8)])
def test_nv24_has_colour_for_each_pixel_of_an_odd_size(size: tuple[int, int]) -> None:
    y, u, v = samples(*size, "nv24")
    np.testing.assert_allclose(to_rgb(message(y, u, v, "nv24", 3)), bt601(y, u, v), atol=2)


@pytest.mark.parametrize("encoding", PLANAR)
def test_black_white_and_primaries(encoding: str) -> None:
    """The corners of the range, from ITU-R BT.601 written down: 8-bit Y, Cb, Cr of full colour bars."""
    bars = {
        (16, 128, 128): (0, 0, 0),
        (235, 128, 128): (255, 255, 255),
        (81, 90, 240): (255, 0, 0),
        (145, 54, 34): (0, 255, 0),
        (41, 240, 110): (0, 0, 255),
    }
    for (y, u, v), rgb in bars.items():
        small = (4, 4) if encoding == "nv24" else (2, 2)
        flat = (np.full(size, value, np.uint8) for size, value in (((4, 4), y), (small, u), (small, v)))
        np.testing.assert_allclose(to_rgb(message(*flat, encoding, 2)), np.broadcast_to(rgb, (4, 4, 3)), atol=2)


def test_i420_is_what_opencv_packs() -> None:
    """A smooth picture through OpenCV's RGB to YUV comes back."""
    down, across = np.mgrid[0:40, 0:60].astype(np.float32)
    rgb = np.stack([across * 3 + 30, down * 4 + 40, 200 - across], -1).astype(np.uint8)
    packed = cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420)
    source = SimpleNamespace(height=40, width=60, encoding="i420", step=60, is_bigendian=0, data=packed.tobytes())
    assert np.abs(to_rgb(source).astype(int) - rgb).max() <= 6


@pytest.mark.parametrize("encoding", PLANAR)
def test_result_is_a_copy_and_the_byte_order_is_no_matter(encoding: str) -> None:
    y, u, v = samples(4, 4, encoding)
    source = message(y, u, v, encoding)
    source.data = np.frombuffer(source.data, np.uint8).copy()
    result = to_rgb(source)
    before = result.copy()
    source.data[:] = 0
    np.testing.assert_array_equal(result, before)
    source.data = planes(y, u, v, encoding)
    source.is_bigendian = 1
    np.testing.assert_array_equal(to_rgb(source), before)


def refusal(encoding: str, **changes: object) -> str:
    """What is said to a message of 6 x 4 px without padding, after the changes."""
    source = message(*samples(4, 6, encoding), encoding)
    for name, value in changes.items():
        setattr(source, name, value)
    with pytest.raises(InputError) as by_header:
        check_layout(source)
    with pytest.raises(InputError) as by_pixels:
        to_rgb(source)
    assert str(by_header.value) == str(by_pixels.value)
    return str(by_header.value)


@pytest.mark.parametrize("encoding", HALVED)
def test_odd_sides_are_refused(encoding: str) -> None:
    for changes, size in (({"width": 5}, "5x4"), ({"height": 3}, "6x3")):
        text = refusal(encoding, **changes)
        assert text == f"{encoding} image of {size} px: sides must be multiples of 2x2 px: crop it, or publish rgb8"


@pytest.mark.parametrize(("encoding", "needed"), [("nv12", 36), ("nv21", 36), ("i420", 36), ("nv24", 72)])
def test_data_of_another_length_is_refused(encoding: str, needed: int) -> None:
    for size in (0, 24, needed - 1):  # 24: the brightness alone
        assert f"has {size} B: {encoding} planes with height 4 and step 6 B take {needed} B: set height" in refusal(
            encoding, data=bytes(size)
        )
    for size in (needed + 6, needed + 24):
        assert f"has {size} B: {encoding} planes" in refusal(encoding, data=bytes(size))
        assert "publish the planes with no rows between" in refusal(encoding, data=bytes(size))


@pytest.mark.parametrize("encoding", PLANAR)
def test_less_than_a_row_beyond_the_planes_is_ignored(encoding: str) -> None:
    source = message(*samples(4, 6, encoding), encoding)
    before = to_rgb(source)
    source.data += bytes(5)
    np.testing.assert_array_equal(to_rgb(source), before)


def test_height_with_the_colour_rows_and_step_of_two_channels_are_refused() -> None:
    """What some drivers write: the height of the buffer, and width times `numChannels` of sensor_msgs before 5.8."""
    assert "height 6 and step 6 B take 54 B: set height to the picture's" in refusal("nv12", height=6)
    assert "height 4 and step 12 B take 72 B" in refusal("nv21", step=12)
    assert "height 4 and step 12 B take 144 B" in refusal("nv24", step=12)


@pytest.mark.parametrize("encoding", PLANAR)
def test_wrong_steps_are_refused(encoding: str) -> None:
    assert refusal(encoding, step=5) == f"image step 5 B is below one row: 6 px of {encoding} take 6 B"
    assert "step 0 B" in refusal(encoding, step=0)
    assert "6x0 px: both sides" in refusal(encoding, height=0)
    assert f"has {36 if encoding in HALVED else 72} B" in refusal(encoding, step=2**32 - 2)


def test_i420_rows_of_an_odd_step_are_refused() -> None:
    assert "step 7 B of i420 must be a multiple of 2 B" in refusal("i420", step=7)


def test_names_are_those_of_ros_and_decided_here() -> None:
    assert {"nv12", "nv21", "nv24"} < set(PLANAR)
    assert all(is_decided(name) for name in PLANAR)
