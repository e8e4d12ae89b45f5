"""Raw image messages to RGB, against values written down or computed without OpenCV."""

from __future__ import annotations

import array
from types import SimpleNamespace

import numpy as np
import pytest

from prv2_ros.errors import InputError
from prv2_ros.messages import encodings
from prv2_ros.messages.encodings import ENCODINGS, to_rgb

RED, GREEN, BLUE = (200, 20, 10), (15, 180, 40), (30, 60, 220)


def message(pixels: np.ndarray, encoding: str, *, pad: int = 0, big: bool = False) -> SimpleNamespace:
    rows = pixels.reshape(pixels.shape[0], -1)
    if rows.dtype.itemsize == 2:
        rows = rows.astype(">u2" if big else "<u2")
    raw = rows.view(np.uint8).reshape(pixels.shape[0], -1)
    padded = np.pad(raw, ((0, 0), (0, pad)), constant_values=255)
    return SimpleNamespace(
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=padded.shape[1],
        is_bigendian=int(big),
        data=array.array("B", padded.tobytes()),
    )


@pytest.fixture
def rgb() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (6, 8, 3), dtype=np.uint8)


@pytest.mark.parametrize("pad", [0, 5])
def test_channel_orders(rgb: np.ndarray, pad: int) -> None:
    alpha = np.full((6, 8, 1), 77, np.uint8)
    for encoding, pixels in {
        "rgb8": rgb,
        "bgr8": rgb[..., ::-1],
        "rgba8": np.concatenate([rgb, alpha], -1),
        "bgra8": np.concatenate([rgb[..., ::-1], alpha], -1),
        "8UC3": rgb[..., ::-1],
        "8UC4": np.concatenate([rgb[..., ::-1], alpha], -1),
    }.items():
        np.testing.assert_array_equal(to_rgb(message(np.ascontiguousarray(pixels), encoding, pad=pad)), rgb)


@pytest.mark.parametrize("pad", [0, 3])
def test_mono8_repeats_the_grey_value(rgb: np.ndarray, pad: int) -> None:
    grey = rgb[..., 0].copy()
    np.testing.assert_array_equal(to_rgb(message(grey, "mono8", pad=pad)), np.stack([grey] * 3, -1))


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pad", [0, 2, 3])
def test_16_bit_keeps_the_high_byte_in_either_byte_order(encoding: str, big: bool, pad: int) -> None:
    grey = np.random.default_rng(2).integers(0, 65536, (5, 7), dtype=np.uint16)
    result = to_rgb(message(grey, encoding, pad=pad, big=big))
    np.testing.assert_array_equal(result, np.stack([(grey // 256).astype(np.uint8)] * 3, -1))


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("pad", [0, 2, 5])
def test_16_bit_colour_keeps_the_high_bytes_in_either_byte_order(big: bool, pad: int) -> None:
    rgba = np.random.default_rng(4).integers(0, 65536, (5, 7, 4), dtype=np.uint16)
    for encoding, channels in {
        "rgb16": [0, 1, 2],
        "bgr16": [2, 1, 0],
        "rgba16": [0, 1, 2, 3],
        "bgra16": [2, 1, 0, 3],
    }.items():
        result = to_rgb(message(np.ascontiguousarray(rgba[..., channels]), encoding, pad=pad, big=big))
        np.testing.assert_array_equal(result, rgba[..., :3] // 256)
        assert result.flags.c_contiguous


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("8UC2", "'8UC2' does not say which channel is what: publish uyvy or yuyv"),
        ("16UC3", "'16UC3' does not say which channel is what: publish rgb16 or bgr16"),
        ("16UC4", "publish rgba16 or bgra16"),
    ],
)
def test_encodings_that_leave_the_colours_open_are_refused(encoding: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        to_rgb(message(np.zeros((4, 6, 4), np.uint16), encoding))


def test_rgb8_is_a_view_of_the_message() -> None:
    source = message(np.zeros((4, 4, 3), np.uint8), "rgb8", pad=4)
    result = to_rgb(source)
    source.data[source.step + 3] = 123
    assert result[1, 1, 0] == 123


# The four colours at the top left of each ROS pattern, row by row (sensor_msgs/image_encodings).
PATTERNS = {"rggb": "rggb", "bggr": "bggr", "gbrg": "gbrg", "grbg": "grbg"}


def mosaic(colour: tuple[int, int, int], pattern: str, height: int, width: int) -> np.ndarray:
    """What a sensor with that pattern sees of a wall of one colour."""
    values = {"r": colour[0], "g": colour[1], "b": colour[2]}
    tile = np.array([values[letter] for letter in pattern], np.uint8).reshape(2, 2)
    return np.tile(tile, (height // 2, width // 2))


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("colour", [RED, GREEN, BLUE])
@pytest.mark.parametrize("size", [(8, 10), (2, 2), (2, 8), (10, 2)])
@pytest.mark.parametrize("bits", [8, 16])
def test_bayer_wall_of_one_colour(pattern: str, colour: tuple[int, int, int], size: tuple[int, int], bits: int) -> None:
    raw = mosaic(colour, pattern, *size)
    raw = raw if bits == 8 else raw.astype(np.uint16) * 256 + 7
    result = to_rgb(message(raw, f"bayer_{pattern}{bits}", pad=6))
    np.testing.assert_array_equal(result, np.broadcast_to(np.array(colour, np.uint8), (*size, 3)))


def test_bayer_ramp_matches_bilinear_interpolation_by_hand() -> None:
    # Red sites carry a ramp along x: a missing red between two red sites is their mean.
    width = 12
    raw = np.zeros((8, width), np.uint8)
    raw[0::2, 0::2] = np.arange(0, width, 2, dtype=np.uint8) * 10
    red = to_rgb(message(raw, "bayer_rggb8"))[..., 0]
    np.testing.assert_array_equal(red[2:6, 1:-1], np.tile(np.arange(1, width - 1) * 10, (4, 1)))


def bt601(y: float, u: float, v: float) -> np.ndarray:
    """Limited-range BT.601 from its definition."""
    luma = 255 / 219 * (y - 16)
    red = luma + 255 / 224 * 1.402 * (v - 128)
    green = luma - 255 / 224 * (0.344136 * (u - 128) + 0.714136 * (v - 128))
    blue = luma + 255 / 224 * 1.772 * (u - 128)
    return np.clip([red, green, blue], 0, 255)


@pytest.mark.parametrize(
    ("encoding", "order"), [("yuv422", "uyvy"), ("yuv422_yuy2", "yuyv"), ("uyvy", "uyvy"), ("yuyv", "yuyv")]
)
def test_yuv422_byte_order(encoding: str, order: str) -> None:
    y0, y1, u, v = 90, 170, 100, 180
    four = {"uyvy": [u, y0, v, y1], "yuyv": [y0, u, y1, v]}[order]
    raw = np.tile(np.array(four, np.uint8), (4, 3)).reshape(4, 6, 2)
    result = to_rgb(message(raw, encoding, pad=8))
    np.testing.assert_allclose(result[0, 0], bt601(y0, u, v), atol=2)
    np.testing.assert_allclose(result[3, 5], bt601(y1, u, v), atol=2)


def broken(**changes: object) -> SimpleNamespace:
    source = message(np.zeros((4, 6, 3), np.uint8), "bgr8")
    for name, value in changes.items():
        setattr(source, name, value)
    return source


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"height": 0}, "6x0 px: both sides must be at least 1"),
        ({"width": 0}, "0x4 px"),
        ({"step": 17}, "step 17 B is below one row: 6 px of bgr8 take 18 B"),
        ({"step": 0}, "step 0 B"),
        ({"data": array.array("B", bytes(71))}, "data has 71 B: 4 rows of step 18 B take 72 B"),
        ({"data": array.array("B")}, "data has 0 B"),
        ({"encoding": "rgb16float"}, "'rgb16float' is not supported: publish one of rgb8, bgr8"),
        ({"encoding": ""}, "encoding '' is not supported"),
        ({"width": 2**32 - 1}, "below one row"),
        ({"encoding": "yuv422", "width": 5}, "multiples of 2x1 px: crop it, or publish rgb8"),
        ({"encoding": "rgb16", "step": 35}, "step 35 B is below one row: 6 px of rgb16 take 36 B"),
        ({"encoding": "bgra16", "step": 47}, "6 px of bgra16 take 48 B"),
        ({"encoding": "bgr16", "step": 36}, "data has 72 B: 4 rows of step 36 B take 144 B"),
        ({"encoding": "8UC3", "step": 17}, "6 px of 8UC3 take 18 B"),
        ({"encoding": "8UC4", "step": 24}, "data has 72 B: 4 rows of step 24 B take 96 B"),
        ({"encoding": "bayer_rggb8", "height": 3}, "multiples of 2x2"),
    ],
)
def test_bad_messages_are_refused_with_the_reason(changes: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        to_rgb(broken(**changes))


def test_more_data_than_needed_is_ignored() -> None:
    assert to_rgb(broken(data=array.array("B", bytes(500)))).shape == (4, 6, 3)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_gives_a_new_or_viewed_rgb_image_of_the_size(encoding: str) -> None:
    layout = ENCODINGS[encoding]
    dtype = np.uint8 if layout.bytes_per_channel == 1 else np.uint16
    result = to_rgb(message(np.full((4, 6, layout.channels), 128, dtype), encoding, pad=1))
    assert result.shape == (4, 6, 3)
    assert result.dtype == np.uint8


def test_names_are_those_of_ros() -> None:
    named = {"bgr8", "rgb8", "mono8", "bgra8", "rgba8", "mono16", "16UC1", "yuv422", "yuv422_yuy2"}
    named |= {"rgb16", "bgr16", "rgba16", "bgra16", "8UC3", "8UC4"}
    named |= {f"bayer_{pattern}8" for pattern in PATTERNS}
    assert named <= set(encodings.ENCODINGS)
