"""Depth images as 16-bit millimetres (REP-118) and as colours for people."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError

LARGEST_MM = 65535
LARGEST_M = LARGEST_MM / 1000
"""The most that a 16-bit image of millimetres says, in millimetres and in metres."""

_BAND_ROWS = 64
_INVALID_RGB = (128, 128, 128)
_INFERNO_RGB = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_INFERNO)[..., ::-1].copy()
"""(256, 1, 3). As a map of one's own it spares the way through BGR, at which OpenCV 4.5 fails for a single pixel."""


def to_millimetres(depth_m: NDArray[np.float32], *, out: NDArray[np.uint16] | None = None) -> NDArray[np.uint16]:
    """Encode depth in metres as whole millimetres.

    Args:
        depth_m: (H, ...) depth in metres.
        out: uint16 array of the same shape to fill.

    Returns:
        uint16 millimetres, rounded to the nearest; 0 where the depth is not finite, not positive, or beyond the
        65.535 m that 16 bits hold.

    """
    millimetres = np.empty(depth_m.shape, np.uint16) if out is None else out
    # Bands of rows keep the intermediates in the cache. Masks multiply: masked copies take numpy 15 times as long.
    for band in range(0, len(depth_m), _BAND_ROWS):
        rows = slice(band, band + _BAND_ROWS)
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = depth_m[rows] * np.float32(1000)
            scaled += np.float32(0.5)  # truncation below then rounds to the nearest
            valid = (scaled >= 1) & (scaled < LARGEST_MM + 1)
            np.multiply(scaled.astype(np.uint16), valid, out=millimetres[rows])
    return millimetres


def from_millimetres(depth_mm: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Decode 16-bit millimetres to float32 metres, any shape; NaN where the code is 0."""
    depth_m = depth_mm.astype(np.float32)
    depth_m *= np.float32(0.001)
    set_nan(depth_m, depth_mm == 0)
    return depth_m


def set_nan(values: NDArray[np.float32], where: NDArray[np.bool_]) -> None:
    """Set contiguous float32 values to NaN in place where a mask of the same shape is true.

    As `values[where] = nan`, at a twentieth of its time: a number whose bits are all set is a NaN.
    """
    bits = values.view(np.int32)
    np.bitwise_or(bits, -where.view(np.int8), out=bits, dtype=np.int32)


def limit_range(depth_m: NDArray[np.float32], min_m: float, max_m: float, far: float, out: NDArray[np.float32]) -> None:
    """Copy (H, W) depth to `out` with NaN below `min_m` and `far` above `max_m`; NaN stays NaN."""
    low, high = np.float32(min_m), np.float32(max_m)
    # Bands of rows keep the intermediates in the cache; most bands have nothing out of range.
    for band in range(0, len(depth_m), _BAND_ROWS):
        values, kept = depth_m[band : band + _BAND_ROWS], out[band : band + _BAND_ROWS]
        np.copyto(kept, values)
        beyond, below = values > high, values < low
        if beyond.any():
            if math.isnan(far):
                set_nan(kept, beyond)
            else:
                kept[beyond] = far
        if below.any():
            set_nan(kept, below)


def colourise(depth_m: NDArray[np.float32], near: float, far: float) -> NDArray[np.uint8]:
    """Colour depth for people: near is bright, far is dark, even in ratio (log depth, Inferno map).

    Args:
        depth_m: (H, W) depth in metres.
        near: depth of the brightest colour (m); nearer depths get it too.
        far: depth of the darkest colour (m); farther depths get it too, +inf included.

    Returns:
        (H, W, 3) uint8 RGB; mid grey, which the map does not contain, where depth is NaN or not positive.

    Raises:
        InputError: a range that is not 0 < near < far < inf.

    """
    _check_range(near, far)
    if not depth_m.size:  # OpenCV's colour maps kill the process
        return np.empty((*depth_m.shape, 3), np.uint8)
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = (np.log(depth_m) - np.float32(math.log(near))) * np.float32(1 / math.log(far / near))
        invalid = ~(depth_m > 0)
    index = (255 - np.clip(np.nan_to_num(fraction, nan=1.0), 0, 1) * 255 + 0.5).astype(np.uint8)
    rgb = cv2.applyColorMap(index, _INFERNO_RGB)
    rgb[invalid] = _INVALID_RGB
    return np.asarray(rgb, np.uint8)


def display_range(depth_m: NDArray[np.float32]) -> tuple[float, float]:
    """Choose near and far (m) for `colourise`: the 1st and 99th percentile, never closer than a factor of 1.5.

    An image without a valid depth gets 1 to 10 m.
    """
    sample = depth_m[:: max(1, depth_m.shape[0] // 512), :: max(1, depth_m.shape[1] // 512)]
    sample = sample[np.isfinite(sample) & (sample > 0)]
    if sample.size == 0:
        return 1.0, 10.0
    near, far = (float(v) for v in np.percentile(sample, (1, 99)))
    if far < near * 1.5:
        middle = math.sqrt(near * far)
        near, far = middle / math.sqrt(1.5), middle * math.sqrt(1.5)
    return near, far


def scale_ticks(near: float, far: float, most: int = 9) -> list[float]:
    """Round depths (m) between near and far to label a scale with, evenly spread in ratio, `most` at most."""
    _check_range(near, far)
    series: tuple[tuple[float, ...], ...] = (
        (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9),
        (1, 1.5, 2, 3, 4, 5, 7),
        (1, 2, 5),
        (1, 3),
        (1,),
    )
    decades = range(math.floor(math.log10(near)), math.ceil(math.log10(far)) + 1)
    for steps in series:
        ticks = [round(s * 10.0**d, 6) for d in decades for s in steps if near <= s * 10.0**d <= far]
        if len(ticks) <= most:
            return ticks
    return ticks[:: -(-len(ticks) // most)]


def add_scale(rgb: NDArray[np.uint8], near: float, far: float) -> NDArray[np.uint8]:
    """Draw a bar of the colours of `colourise` with depths in metres to the right of an image.

    Args:
        rgb: (H, W, 3) uint8 RGB, coloured with the same `near` and `far`.
        near: depth of the brightest colour (m).
        far: depth of the darkest colour (m).

    Returns:
        (H, W + bar, 3) uint8 RGB; the bar is about a tenth of the image's longer side wide, near at the bottom. An
        image too low for a bar is given back as it is.

    """
    height, width = rgb.shape[:2]
    font = min(max(max(height, width) / 1600, 0.35), max(height / 300, 0.25))
    thickness = max(1, round(font * 1.4))
    (text_width, text_height), _ = cv2.getTextSize("88.8 m", cv2.FONT_HERSHEY_SIMPLEX, font, thickness)
    pad, bar = text_height, max(8, round(text_height * 1.5))
    if height < 2 * pad + 2:
        return rgb
    panel = np.full((height, bar + text_width + 4 * pad, 3), 255, np.uint8)
    top, bottom = 2 * pad, max(2 * pad + 2, height - 2 * pad)
    depths = np.exp(np.linspace(math.log(far), math.log(near), bottom - top)).astype(np.float32)
    panel[top:bottom, pad : pad + bar] = colourise(depths[:, None], near, far)
    for tick in scale_ticks(near, far, most=max(2, (bottom - top) // (2 * text_height))):
        y = round(bottom - 1 - (bottom - 1 - top) * math.log(tick / near) / math.log(far / near))
        cv2.line(panel, (pad + bar, y), (pad + bar + pad // 2, y), (0, 0, 0), thickness)
        origin = (2 * pad + bar, y + text_height // 2)
        cv2.putText(panel, f"{tick:g} m", origin, cv2.FONT_HERSHEY_SIMPLEX, font, (0, 0, 0), thickness, cv2.LINE_AA)
    return np.hstack([rgb, panel])


def _check_range(near: float, far: float) -> None:
    if not 0 < near < far < math.inf:
        raise InputError(f"depth range {near} to {far} m: expected 0 < near < far, both finite")
