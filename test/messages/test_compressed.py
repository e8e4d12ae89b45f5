"""JPEG and PNG messages, whole, cut and damaged."""

from __future__ import annotations

import struct
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from prv2_ros.errors import InputError
from prv2_ros.messages.compressed import check_compressed, compressed_to_rgb


def message(data: bytes, kind: str = "jpeg") -> SimpleNamespace:
    return SimpleNamespace(data=data, format=kind)


@pytest.fixture(scope="module")
def rgb() -> np.ndarray:
    y, x = np.mgrid[0:60, 0:80].astype(np.float32)
    return np.stack([x * 3, y * 4, 255 - x * 2], -1).astype(np.uint8)


def encoded(rgb: np.ndarray, kind: str, *flags: int) -> bytes:
    return cv2.imencode(f".{kind}", rgb[..., ::-1], list(flags))[1].tobytes()


def test_png_is_exact(rgb: np.ndarray) -> None:
    np.testing.assert_array_equal(compressed_to_rgb(message(encoded(rgb, "png"), "rgb8; png compressed bgr8")), rgb)


@pytest.mark.parametrize("progressive", [0, 1])
def test_jpeg_is_close(rgb: np.ndarray, progressive: int) -> None:
    data = encoded(rgb, "jpg", cv2.IMWRITE_JPEG_QUALITY, 98, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive)
    result = compressed_to_rgb(message(data)).astype(int)
    assert np.abs(result - rgb).mean() < 2


def test_grey_and_16_bit_pngs_become_rgb() -> None:
    grey = np.arange(80, dtype=np.uint8).reshape(8, 10)
    data = cv2.imencode(".png", grey)[1].tobytes()
    np.testing.assert_array_equal(compressed_to_rgb(message(data)), np.stack([grey] * 3, -1))
    deep = cv2.imencode(".png", grey.astype(np.uint16) * 257)[1].tobytes()
    np.testing.assert_array_equal(compressed_to_rgb(message(deep)), np.stack([grey] * 3, -1))


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_cut_anywhere_is_refused(rgb: np.ndarray, kind: str) -> None:
    whole = encoded(rgb, kind)
    for length in [*range(0, len(whole) - 1, 37), len(whole) - 1]:
        with pytest.raises(InputError, match=r"cut short|neither JPEG nor PNG"):
            compressed_to_rgb(message(whole[:length]))


def with_exif(jpeg: bytes, orientation: int, thumbnail: bytes = b"") -> bytes:
    tiff = b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 0x0112, 3, 1, orientation) + b"\0\0\0\0" + thumbnail
    segment = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + jpeg[2:]


def test_end_marker_of_a_thumbnail_does_not_hide_a_cut(rgb: np.ndarray) -> None:
    whole = with_exif(encoded(rgb, "jpg"), 1, thumbnail=encoded(rgb[:8, :8], "jpg"))
    assert compressed_to_rgb(message(whole)).shape == (60, 80, 3)
    with pytest.raises(InputError, match="no end-of-image marker"):
        compressed_to_rgb(message(whole[:-200]))


def test_exif_rotation_is_not_applied(rgb: np.ndarray) -> None:
    assert compressed_to_rgb(message(with_exif(encoded(rgb, "jpg"), 6))).shape == (60, 80, 3)


def test_padding_after_the_end_is_accepted(rgb: np.ndarray) -> None:
    assert compressed_to_rgb(message(encoded(rgb, "jpg") + bytes(16))).shape == (60, 80, 3)


def test_size_that_nobody_sends_is_refused_before_decoding(rgb: np.ndarray) -> None:
    header = struct.pack(">II5B", 60000, 60000, 8, 2, 0, 0, 0)
    data = encoded(rgb, "png")
    chunk = b"IHDR" + header
    bomb = data[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[33:]
    with pytest.raises(InputError, match="60000x60000 px"):
        check_compressed(message(bomb))


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "0 B with format 'h264' is neither JPEG nor PNG"),
        (b"\x00\x00\x00\x01\x67", "neither JPEG nor PNG"),
        (b"\xff\xd8\xff", "cut short"),
        (b"\xff\xd8\xff\xe0\x00\x04ab\x00\x00\x00\x00", "no marker at byte 8"),
    ],
)
def test_other_bytes_are_refused(data: bytes, text: str) -> None:
    with pytest.raises(InputError, match=text):
        compressed_to_rgb(message(data, "h264"))


def test_damaged_png_is_refused(rgb: np.ndarray) -> None:
    data = bytearray(encoded(rgb, "png"))
    data[50:] = bytes(len(data) - 62) + data[-12:]
    with pytest.raises(InputError, match=r"does not decode|cut short"):
        compressed_to_rgb(message(bytes(data)))


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_a_mosaic_compressed_as_it_is_becomes_colour(pattern: str) -> None:
    colour = {"r": 200, "g": 60, "b": 10}
    mosaic = np.tile(np.array([colour[c] for c in pattern], np.uint8).reshape(2, 2), (8, 12))
    data = cv2.imencode(".png", mosaic)[1].tobytes()
    rgb = compressed_to_rgb(SimpleNamespace(data=data, format=f"bayer_{pattern}8; png compressed "))
    assert rgb.shape == (16, 24, 3)
    assert (rgb[4:-4, 4:-4] == [200, 60, 10]).all()
    grey = compressed_to_rgb(SimpleNamespace(data=data, format="mono8; png compressed "))
    assert (grey[..., 0] == mosaic).all()


def test_a_mosaic_that_was_made_colour_before_is_left_as_it_is() -> None:
    data = cv2.imencode(".png", np.full((16, 24, 3), (10, 60, 200), np.uint8))[1].tobytes()
    rgb = compressed_to_rgb(SimpleNamespace(data=data, format="bayer_rggb8; png compressed bgr8"))
    assert (rgb == [200, 60, 10]).all()
    with pytest.raises(InputError, match="a Bayer image has one channel"):
        compressed_to_rgb(SimpleNamespace(data=data, format="bayer_rggb8; png compressed "))
