"""Image files in, depth files out; each file is written whole or not at all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.files import whole_file
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.depth_codec import add_scale, colourise, display_range, to_millimetres
from prv2_ros.geometry.pointcloud import depth_to_points
from prv2_ros.jpeg import JPEG, jpeg_size

IMAGE_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
"""Of the files in a folder that are taken for images; OpenCV reads GIF from 4.11 on."""


def list_images(paths: Sequence[Path]) -> list[Path]:
    """List the image files among `paths` and directly inside the folders among them, folders in order of name.

    Raises:
        InputError: a path that is not there, or a folder without an image.

    """
    images: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
            if not found:
                raise InputError(f"folder {path} has no image: looked for {', '.join(sorted(IMAGE_SUFFIXES))}")
            images += found
        elif path.exists():
            images.append(path)
        else:
            raise InputError(f"image {path} does not exist")
    return images


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image file: (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    Raises:
        InputError: a file that cannot be read, or is no image that OpenCV knows, or is cut short.

    """
    try:
        data = np.fromfile(path, np.uint8)  # imread would not say why it fails
    except OSError as error:
        raise InputError(f"image {path} cannot be read: {error.strerror or error}") from error
    _check_whole(path, data.tobytes())
    bgr = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if bgr is None:
        raise InputError(f"image {path} cannot be decoded: empty, cut short, or of a kind OpenCV does not read")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _check_whole(path: Path, data: bytes) -> None:
    """Refuse a JPEG that is cut short: before version 5 OpenCV fills what is missing with grey."""
    try:
        if data.startswith(JPEG):
            jpeg_size(data)
    except InputError as error:
        raise InputError(f"image {path} cannot be decoded: {error}") from error


def write_depth_files(
    folder: Path,
    image_rgb: NDArray[np.uint8],
    depth_m: NDArray[np.float32],
    camera: CameraModel,
    *,
    stride: int,
) -> None:
    """Write depth.npy, depth_mm.png, depth.png and cloud.ply into a folder, which is made where it is missing.

    Args:
        folder: where the files go; files of these names are replaced.
        image_rgb: (H, W, 3) uint8 RGB, the colours of the cloud.
        depth_m: (H, W) float32 metres, NaN where invalid.
        camera: the camera of both.
        stride: step between the pixels that become points of the cloud.

    """
    folder.mkdir(parents=True, exist_ok=True)
    # Through memory: into a file numpy writes past Python, and says of a full disk only how much was written.
    data = io.BytesIO()
    np.save(data, depth_m)
    with whole_file(folder / "depth.npy") as file:
        file.write(data.getbuffer())
    write_png(folder / "depth_mm.png", to_millimetres(depth_m))
    near, far = display_range(depth_m)
    write_png(folder / "depth.png", add_scale(colourise(depth_m, near, far), near, far))
    points = depth_to_points(depth_m, camera, stride=stride)
    write_ply(folder / "cloud.ply", points, image_rgb[::stride, ::stride])


def write_png(path: Path, image: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write (H, W) uint8 or uint16, or (H, W, 3) uint8 RGB."""
    ordered = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    encoded, data = cv2.imencode(".png", ordered)
    assert encoded, f"PNG encoder refused {image.dtype} {image.shape}"
    with whole_file(path) as file:
        file.write(data.tobytes())


def write_ply(path: Path, points_m: NDArray[np.float32], colours_rgb: NDArray[np.uint8]) -> None:
    """Write a coloured point cloud as binary little-endian PLY; points that are NaN are left out.

    Args:
        path: the file.
        points_m: (..., 3) float32 x, y, z in metres.
        colours_rgb: (..., 3) uint8 RGB of the same points.

    """
    keep = np.isfinite(points_m).all(-1)
    vertices = np.empty(int(keep.sum()), np.dtype([("xyz", "<f4", 3), ("rgb", "u1", 3)]))
    vertices["xyz"], vertices["rgb"] = points_m[keep], colours_rgb[keep]
    header = ["ply", "format binary_little_endian 1.0"]
    header += ["comment metres, camera optical frame: x right, y down, z forward"]
    header += [f"element vertex {len(vertices)}"]
    header += [f"property float {axis}" for axis in "xyz"]
    header += [f"property uchar {colour}" for colour in ("red", "green", "blue")]
    with whole_file(path) as file:
        file.write("\n".join([*header, "end_header", ""]).encode("ascii"))
        file.write(vertices.tobytes())
