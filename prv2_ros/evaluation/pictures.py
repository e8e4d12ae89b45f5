"""One frame as a person judges it: image, depth in colour, error in colour, truth over the image."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.evaluation.metrics import DepthArray, valid_mask
from prv2_ros.evaluation.records import FrameKey
from prv2_ros.geometry.depth_codec import colourise, display_range, scale_ticks

PICTURE_WIDTH_PX = 640
"""Wider images are shrunk to this, to keep the report small."""

ERROR_LIMIT = 0.5
"""Relative error of the strongest colour."""

_ERROR_RGB = np.array([(33, 102, 232), (120, 170, 245), (225, 225, 225), (250, 165, 70), (214, 40, 30)], np.float64)
"""Too near (blue) over right (light grey) to too far (red)."""

_DENSE_SHARE = 0.3

_BEYOND = 2.0
"""Depth farther than this multiple of the farthest truth is not drawn; nearer it may still be of a wrong scale."""


@dataclass(frozen=True, kw_only=True)
class FramePictures:
    """What a report shows of one frame."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""

    depth_m: DepthArray
    """(H, W) prediction in metres; NaN where there is none."""

    truth_m: DepthArray
    """(H, W) truth in metres; 0 or NaN where unknown, +inf for sky."""


LoadPictures = Callable[[FrameKey, str], FramePictures]
"""Pictures of a frame as one model saw it."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A bar of colours with labels along it, for a style sheet."""

    gradient: str
    """CSS colours from left to right."""

    ticks: tuple[tuple[float, str], ...]
    """Position in percent and text of each label."""


@dataclass(frozen=True, kw_only=True)
class DrawnFrame:
    """Pictures as data URIs, with the scales of their colours."""

    size: tuple[int, int]
    """(width, height) of every picture, px."""

    image: str
    depth: str
    error: str
    overlay: str
    depth_scale: Scale
    error_scale: Scale


def draw_frame(pictures: FramePictures) -> DrawnFrame:
    """Draw the four pictures; depth and truth share one range of colours, that of the truth where there is some.

    Depth far beyond the farthest truth, such as what the model takes for sky, is grey like depth that is not there.

    Raises:
        InputError: image, depth and truth of different sizes.

    """
    valid = valid_mask(pictures.depth_m, pictures.truth_m)
    height, width = valid.shape
    if pictures.image.shape != (height, width, 3):
        raise InputError(f"image of shape {pictures.image.shape}, depth {valid.shape}: must be of one size")
    factor = min(1.0, PICTURE_WIDTH_PX / width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    image = cv2.resize(pictures.image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    depth_m = cv2.resize(pictures.depth_m.astype(np.float32), size, interpolation=cv2.INTER_NEAREST)
    known = np.isfinite(pictures.truth_m) & (pictures.truth_m > 0)
    near_m, far_m, farthest_m = _colour_range(pictures, known)
    depth_m[depth_m > farthest_m] = np.nan
    # Colours of depth run from bright to black, so they lie on mid grey; those of the error on dark grey.
    rows, columns = np.nonzero(known)
    truth = pictures.truth_m[rows, columns].astype(np.float32)
    # OpenCV's colour maps end the process on an empty array.
    colours = colourise(truth[None], near_m, far_m)[0] if truth.size else np.zeros((0, 3), np.uint8)
    overlay = _points_over(_grey(image, 80), rows, columns, colours, order=np.argsort(-truth), factor=factor)
    rows, columns = np.nonzero(valid)
    relative = pictures.depth_m[valid] / pictures.truth_m[valid] - 1
    colours = error_colours(relative)
    error = _points_over(_grey(image, 0), rows, columns, colours, order=np.argsort(np.abs(relative)), factor=factor)
    return DrawnFrame(
        size=size,
        image=data_uri(image),
        depth=data_uri(colourise(np.asarray(depth_m, np.float32), near_m, far_m)),
        error=data_uri(error),
        overlay=data_uri(overlay),
        depth_scale=_depth_scale(near_m, far_m),
        error_scale=_error_scale(),
    )


def _colour_range(pictures: FramePictures, known: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Near and far end of the colours and the farthest depth that has one (m).

    The predicted depth of the sky has no part in it: it would leave one colour to all the rest.
    """
    shown = pictures.truth_m[known] if known.any() else pictures.depth_m[np.isfinite(pictures.depth_m)]
    near_m, far_m = display_range(shown[None].astype(np.float32))
    return near_m, far_m, _BEYOND * float(shown.max()) if known.any() else float("inf")


def error_colours(relative: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
    """RGB of relative errors (N,): blue too near, light grey right, red too far; (N, 3) uint8."""
    at = (np.clip(relative, -ERROR_LIMIT, ERROR_LIMIT) / ERROR_LIMIT + 1) / 2
    stops = np.linspace(0, 1, len(_ERROR_RGB))
    rgb = np.stack([np.interp(at, stops, _ERROR_RGB[:, c]) for c in range(3)], -1)
    return np.asarray(rgb.round(), np.uint8)


def data_uri(rgb: NDArray[np.uint8]) -> str:
    """An RGB picture as an inline JPEG."""
    done, data = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    assert done, "a picture in memory can always be encoded"
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode("ascii")


def _grey(image: NDArray[np.uint8], lift: int) -> NDArray[np.uint8]:
    """The image at half its contrast, without colour, `lift` brighter."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(grey // 2 + lift, np.uint8)


def _points_over(
    background: NDArray[np.uint8],
    rows: NDArray[Any],
    columns: NDArray[Any],
    colours: NDArray[np.uint8],
    *,
    order: NDArray[Any],
    factor: float,
) -> NDArray[np.uint8]:
    """Colours at their pixels over a background; the last in `order` lie on top."""
    canvas: NDArray[np.uint8] = np.array(background)
    height, width = canvas.shape[:2]
    # Sparse points are drawn larger than a pixel, or nobody would see their colour.
    radius = 0 if rows.size * factor**2 > _DENSE_SHARE * height * width else 1
    dy, dx = (grid.ravel() for grid in np.mgrid[-radius : radius + 1, -radius : radius + 1])
    y = (rows[order] * factor).astype(np.int64)[:, None] + dy
    x = (columns[order] * factor).astype(np.int64)[:, None] + dx
    canvas[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] = colours[order][:, None]
    return canvas


def _depth_scale(near_m: float, far_m: float) -> Scale:
    span = np.log(far_m / near_m)
    depths_m = np.exp(np.linspace(np.log(near_m), np.log(far_m), 17)).astype(np.float32)
    return Scale(
        gradient=_css(colourise(depths_m[None], near_m, far_m)[0]),
        ticks=tuple(
            (round(100 * float(np.log(t / near_m) / span), 1), f"{t:g} m") for t in scale_ticks(near_m, far_m, 5)
        ),
    )


def _error_scale() -> Scale:
    texts = (f"{ERROR_LIMIT:.0%} too near", "right", f"{ERROR_LIMIT:.0%} too far")
    return Scale(gradient=_css(_ERROR_RGB), ticks=tuple(zip((0.0, 50.0, 100.0), texts, strict=True)))


def _css(colours: NDArray[Any] | Sequence[Any]) -> str:
    return ", ".join(f"rgb({int(r)} {int(g)} {int(b)})" for r, g, b in np.asarray(colours))
