"""Pictures for the demo's page: depth, error, close-ups and a view of the received cloud."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.evaluation.edges import depth_edges

Rgb = NDArray[np.uint8]

ERROR_LIMIT = 0.5
"""Relative error (depth / truth - 1) at the ends of the error colours."""

ERROR_COLOURS = ((33, 102, 172), (146, 197, 222), (247, 247, 247), (244, 165, 130), (178, 24, 43))
"""Too near, right, too far."""

UNKNOWN_RGB = (128, 128, 128)

VIEW_YAW_DEG = 28.0
VIEW_PITCH_DEG = 18.0
_FOCAL = 1.25
_LARGEST_POINT_PX = 5


def error_picture(depth_m: NDArray[np.float32], truth_m: NDArray[np.float32]) -> Rgb:
    """Signed relative error in colours: blue too near, white right, red too far, grey without truth."""
    known = np.isfinite(truth_m) & (truth_m > 0) & np.isfinite(depth_m)
    error = np.divide(depth_m, truth_m, out=np.ones_like(depth_m), where=known) - 1
    position = (np.clip(error / ERROR_LIMIT, -1, 1) + 1) / 2 * (len(ERROR_COLOURS) - 1)
    steps = np.arange(len(ERROR_COLOURS))
    channels = [np.interp(position, steps, [colour[c] for colour in ERROR_COLOURS]) for c in range(3)]
    picture = np.stack(channels, -1).round().astype(np.uint8)
    picture[~known] = UNKNOWN_RGB
    return picture


@dataclass(frozen=True, kw_only=True)
class CloudView:
    """Points to draw, in a frame around their middle, and the scale that fits them."""

    xyz: NDArray[np.float32]
    """(N, 3) m, optical axes (x right, y down, z forward), origin at the pivot."""

    rgb: NDArray[np.uint8]
    spacing_m: NDArray[np.float32]
    """(N,) from each point to its neighbours in the image, were the surface square to the camera."""

    distance_m: float
    """From the eye to the pivot."""

    focal: float
    """Focal length as a multiple of the picture's height."""


def cloud_view(xyz_m: NDArray[np.float32], rgb: Rgb, aspect: float, keep: float = 0.92) -> CloudView:
    """Choose what of a cloud to show and from how far, so that it fills a picture seen from the usual viewpoint.

    Args:
        xyz_m: (H, W, 3) points, NaN where there is none.
        rgb: (H, W, 3) their colours.
        aspect: width of the picture by its height.
        keep: share of the points to show, the nearest ones.

    """
    finite = np.isfinite(xyz_m).all(-1)
    points, colours = xyz_m[finite], rgb[finite]
    # A street reaches to the horizon; its far end would shrink everything else to a dot.
    far = min(np.quantile(points[:, 2], keep), 6 * np.quantile(points[:, 2], 0.25))
    near = points[:, 2] <= far
    points, colours = points[near], colours[near]
    across = np.abs(np.diff(xyz_m[..., 0], axis=-1)) / xyz_m[..., 1:, 2]
    spacing_m = points[:, 2] * np.float32(np.nanmedian(across))
    rotation = _rotation(VIEW_YAW_DEG, VIEW_PITCH_DEG)
    seen = points @ rotation.T
    low, high = np.quantile(seen, (0.02, 0.98), axis=0)
    seen -= (low + high) / 2
    # Each point has to come to lie within 0.46 of the picture's height or width from its middle.
    reach = np.maximum(np.abs(seen[:, 0]) / aspect, np.abs(seen[:, 1])) / 0.46 * _FOCAL
    distance_m = float(np.quantile(reach - seen[:, 2], 0.97))
    return CloudView(
        xyz=(seen @ rotation).astype(np.float32),
        rgb=colours,
        spacing_m=spacing_m,
        distance_m=max(distance_m, 1.05 * float(-np.quantile(seen[:, 2], 0.02))),
        focal=_FOCAL,
    )


def _rotation(yaw_deg: float, pitch_deg: float) -> NDArray[np.float32]:
    yaw, pitch = np.radians([yaw_deg, pitch_deg])
    around_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    around_x = [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    return (np.array(around_x) @ np.array(around_y)).astype(np.float32)


def draw_cloud(
    view: CloudView,
    width: int,
    height: int,
    *,
    yaw_deg: float = VIEW_YAW_DEG,
    pitch_deg: float = VIEW_PITCH_DEG,
    background: tuple[int, int, int] = (18, 20, 24),
) -> Rgb:
    """Draw points from an oblique viewpoint, the nearest on top: (height, width, 3) uint8."""
    seen = view.xyz @ _rotation(yaw_deg, pitch_deg).T
    z = seen[:, 2] + view.distance_m
    focal_px = view.focal * height
    u = np.round(seen[:, 0] / z * focal_px + width / 2).astype(np.int64)
    v = np.round(seen[:, 1] / z * focal_px + height / 2).astype(np.int64)
    inside = (z > 0.05 * view.distance_m) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    # Near points cover more pixels, so that a surface stays closed; more than a few would look like tiles.
    sides = np.clip(np.ceil(view.spacing_m * focal_px / np.maximum(z, 1e-6)), 2, _LARGEST_POINT_PX).astype(np.int64)
    picture = np.full((height + _LARGEST_POINT_PX, width + _LARGEST_POINT_PX, 3), background, np.uint8)
    far_first = np.flatnonzero(inside)[np.argsort(-z[inside])]
    for some in np.array_split(far_first, 64):  # in layers, for an offset drawn later covers one drawn before
        for dy in range(_LARGEST_POINT_PX):
            for dx in range(_LARGEST_POINT_PX):
                drawn = some[sides[some] > max(dx, dy)]
                picture[v[drawn] + dy, u[drawn] + dx] = view.rgb[drawn]
    return np.ascontiguousarray(picture[:height, :width])


def close_up_box(truth_m: NDArray[np.float32], side_px: int) -> tuple[int, int]:
    """Top left corner (x, y) of the square with the most depth edges."""
    edges = depth_edges(truth_m).astype(np.float32)
    # Beside a horizon or in foliage every pixel is an edge; a square full of them shows nothing.
    density = cv2.boxFilter(edges, -1, (side_px, side_px), normalize=True, borderType=cv2.BORDER_CONSTANT)
    half = side_px // 2
    inner = density[half : truth_m.shape[0] - half, half : truth_m.shape[1] - half].copy()
    inner[inner > 0.12] = 0
    y, x = np.unravel_index(int(inner.argmax()), inner.shape)
    return int(x), int(y)


def crop(picture: Rgb, x: int, y: int, side_px: int, shown_px: int) -> Rgb:
    """Cut out a square and enlarge it with every pixel kept a square."""
    window = np.ascontiguousarray(picture[y : y + side_px, x : x + side_px])
    return np.asarray(cv2.resize(window, (shown_px, shown_px), interpolation=cv2.INTER_NEAREST), np.uint8)


def fit(picture: Rgb, most_width: int) -> Rgb:
    """Shrink to at most `most_width` px of width."""
    height, width = picture.shape[:2]
    if width <= most_width:
        return picture
    size = (most_width, round(height * most_width / width))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def jpeg(picture: Rgb, quality: int = 88) -> bytes:
    """Encode RGB as JPEG."""
    ok, data = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert ok
    return bytes(data.tobytes())


def strip(tiles: Sequence[Rgb], height: int, gap_px: int = 8) -> Rgb:
    """Set pictures side by side at one height, with white between them."""
    parts: list[Rgb] = []
    for tile in tiles:
        width = round(tile.shape[1] * height / tile.shape[0])
        parts += [np.full((height, gap_px, 3), 255, np.uint8), np.asarray(cv2.resize(tile, (width, height)), np.uint8)]
    return np.hstack(parts[1:])


def pad_right(picture: Rgb, width: int, below: int = 0) -> Rgb:
    """Extend with white to a width, and downwards."""
    right = width - picture.shape[1]
    return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_CONSTANT, value=(255,) * 3), np.uint8)
