"""Compressed depth against the plugin's own arithmetic, and back."""

from __future__ import annotations

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.errors import InputError
from prv2_ros.messages.compressed_depth import (
    NEAREST_M,
    compress_metres,
    compress_millimetres,
    compressed_format,
    decompress,
)

METRES = compressed_format("32FC1")
MILLIMETRES = compressed_format("16UC1")


def plugin_decoder(data: bytes) -> np.ndarray:
    """As codec.cpp: depth = A / (value - B) where the value is not 0, NaN elsewhere."""
    kind, a, b = struct.unpack("<iff", data[:12])
    assert kind == 0
    values = cv2.imdecode(np.frombuffer(data[12:], np.uint8), cv2.IMREAD_UNCHANGED)
    assert values.dtype == np.uint16
    depth = [[a / (float(v) - b) if v else float("nan") for v in row] for row in values]
    return np.array(depth)


def test_formats_are_those_of_the_plugin() -> None:
    assert METRES == "32FC1; compressedDepth png"
    assert MILLIMETRES == "16UC1; compressedDepth png"


def test_metres_come_out_of_the_plugin_s_decoder() -> None:
    depth = np.geomspace(NEAREST_M, 250.0, 7 * 90).reshape(90, 7).astype(np.float32)
    found = plugin_decoder(compress_metres(depth, 250.0))
    step = 0.5 * 65534**-1 * (1 / NEAREST_M - 1 / 250)  # half a step of the inverse depth
    np.testing.assert_allclose(1 / found, 1 / depth, atol=1.1 * step)
    np.testing.assert_allclose(decompress(compress_metres(depth, 250.0), METRES), found, rtol=1e-4)
    assert abs(found / depth - 1)[depth < 100].max() < 0.01


def test_what_is_no_depth_stays_none_and_what_is_too_near_reads_as_the_nearest() -> None:
    depth = np.array([[np.nan, np.inf, -np.inf], [0.0, -1.0, 250.5], [0.01, 250.0, 3.0]], np.float32)
    found = decompress(compress_metres(depth, 250.0), METRES)
    assert np.isnan(found[:2]).all()
    np.testing.assert_allclose(found[2], [NEAREST_M, 250.0, 3.0], rtol=2e-3)


@given(st.lists(st.integers(0, 65535), min_size=6, max_size=6))
def test_millimetres_come_back_to_the_last(values: list[int]) -> None:
    depth = np.array(values, np.uint16).reshape(2, 3)
    data = compress_millimetres(depth)
    np.testing.assert_array_equal(cv2.imdecode(np.frombuffer(data[12:], np.uint8), cv2.IMREAD_UNCHANGED), depth)
    found = decompress(data, MILLIMETRES)
    np.testing.assert_array_equal(np.isnan(found), depth == 0)
    np.testing.assert_allclose(found[depth > 0], depth[depth > 0] / 1000, rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "kind", "text"),
    [
        (b"", METRES, "0 bytes of '32FC1; compressedDepth png' hold no header and 16-bit PNG"),
        (b"x" * 40, MILLIMETRES, "40 bytes of .* hold no header"),
        (b"x" * 40, "32FC1; compressedDepth rvl", "expected 32FC1 or 16UC1"),
        (b"x" * 40, "jpeg", "format 'jpeg': expected"),
        (b"x" * 40, "rgb8; compressedDepth png", "expected 32FC1 or 16UC1"),
    ],
)
def test_what_is_none_is_refused(data: bytes, kind: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        decompress(data, kind)
