"""ETH3D high-resolution multi-view: photographs of 6048x4032 px with laser-scanned depth, 13 scenes.

Source: Schoeps et al., CVPR 2017; www.eth3d.net/documentation; the authors' tool GroundTruthCreator
(github.com/ETH3D/dataset-pipeline: README.md, src/exe/ground_truth_creator.cc). Facts:

- `SCENE/ground_truth_depth/dslr_images/DSC_NNNN.JPG` is no JPEG but float32 by rows without a header, of the size of
  the original, **distorted** photograph. The tool writes the z of the scan's points in the camera's frame (m), so depth
  is along z; inf is "not known" (not sky) and becomes NaN here.
- `SCENE/dslr_calibration_jpg/{cameras,images}.txt`: COLMAP's format, model THIN_PRISM_FISHEYE.
- `SCENE/images/dslr_images_undistorted/DSC_NNNN.JPG` and `SCENE/dslr_calibration_undistorted/{cameras,images}.txt`: the
  same photographs as a pinhole camera sees them.
- Calibrations count from the corner of the first pixel: 0.5 is taken off (README of
  github.com/ETH3D/camera-model-implementations).

So the photograph is the undistorted one, and each of its pixels takes the depth of the nearest pixel of the distorted
map on its ray: undistorting does not turn the axes, so z stays. Both archives are needed besides the depth.

Split: `train` is the benchmark's training scenes, whichever of them are there. The truth of its test scenes is not
public. PatchRefiner's own lists for ETH3D are not published.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.data.colmap import ColmapCamera, read_cameras, read_image_cameras
from prv2_ros.data.dataset_files import (
    ListedFrames,
    files_by_stem,
    make_frame,
    read_rgb,
    shorten,
    unreadable,
    wrong_layout,
)
from prv2_ros.data.frames import Frame
from prv2_ros.data.rectify import remap_depth
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel

NAME = "eth3d"
SPLITS = ("train",)

TRAINING_SCENES = (
    "courtyard", "delivery_area", "electro", "facade", "kicker", "meadow", "office", "pipes", "playground", "relief",
    "relief_2", "terrace", "terrains",
)  # fmt: skip

_IMAGES = "images/dslr_images_undistorted"
_DEPTHS = "ground_truth_depth/dslr_images"
_PINHOLE = "dslr_calibration_undistorted"
_DISTORTED = "dslr_calibration_jpg"
_UNDISTORTED_ARCHIVE = "multi_view_training_dslr_undistorted.7z"
_DISTORTED_ARCHIVE = "multi_view_training_dslr_jpg.7z"
_MODEL, _PARAMETERS = "THIN_PRISM_FISHEYE", 12
_NODES = 512


@dataclass(frozen=True, kw_only=True)
class EthItem:
    """One photograph of a scene."""

    image: Path
    depth: Path

    @property
    def scene(self) -> Path:
        """Folder of the scene."""
        return self.depth.parents[2]


def open_eth3d(root: Path, split: str) -> ListedFrames[EthItem]:
    """List the photographs of all training scenes that are there.

    Raises:
        InputError: there is no training scene, or one lacks a part.

    """
    scenes = [root / name for name in TRAINING_SCENES if (root / name).is_dir()]
    if not scenes:
        raise wrong_layout(
            root,
            f"a training scene ({shorten(TRAINING_SCENES)}) with {_IMAGES}",
            f"unpack {_UNDISTORTED_ARCHIVE}, {_DISTORTED_ARCHIVE} and SCENE_dslr_depth.7z there",
        )
    items = []
    for scene in scenes:
        for part, archive in (
            (_IMAGES, _UNDISTORTED_ARCHIVE),
            (_DEPTHS, f"{scene.name}_dslr_depth.7z"),
            (f"{_DISTORTED}/cameras.txt", _DISTORTED_ARCHIVE),
        ):
            if not (scene / part).exists():
                raise wrong_layout(scene, part, f"unpack {archive} there, or move the scene's folder away")
        images = files_by_stem(scene / _IMAGES, ".JPG")
        depths = files_by_stem(scene / _DEPTHS, ".JPG")
        items += [EthItem(image=images[stem], depth=depths[stem]) for stem in images if stem in depths]
    if not items:
        raise wrong_layout(
            root, f"SCENE/{_DEPTHS}/DSC_NNNN.JPG of images in SCENE/{_IMAGES}", "unpack the archives again"
        )
    return ListedFrames(name=NAME, split=split, items=items, read=read_item, shown=_shown)


def _shown(item: EthItem) -> tuple[Path, ...]:
    return (item.image, *(item.scene / _PINHOLE / name for name in ("images.txt", "cameras.txt")))


def read_item(item: EthItem) -> Frame:
    """Read an undistorted photograph and bring its depth to it."""
    pinhole = _camera_of(item, _PINHOLE).camera(item.scene / _PINHOLE / "cameras.txt")
    distorted = _camera_of(item, _DISTORTED)
    if distorted.model != _MODEL or len(distorted.parameters) != _PARAMETERS:
        raise InputError(
            f"{item.scene / _DISTORTED / 'cameras.txt'}: camera model {distorted.model} with "
            f"{len(distorted.parameters)} parameters, expected {_MODEL} with {_PARAMETERS}; use the calibration of "
            f"{_DISTORTED_ARCHIVE}"
        )
    try:
        values = np.fromfile(item.depth, "<f4")
    except OSError as error:
        raise unreadable(item.depth, error) from error
    if values.size != distorted.width * distorted.height:
        raise InputError(
            f"{item.depth}: {values.size} floats, expected {distorted.width} x {distorted.height}; it is corrupt or of "
            "another resolution: unpack it again"
        )
    raw_m = values.reshape(distorted.height, distorted.width)
    raw_m = np.where(np.isfinite(raw_m) & (raw_m > 0), raw_m, np.nan).astype(np.float32)
    return make_frame(
        name=f"{item.scene.name}_{item.image.stem}",
        kind=item.scene.name,
        image=read_rgb(item.image),
        depth_m=_undistorted(raw_m, distorted, pinhole),
        camera=pinhole,
        source=item.image,
    )


def _camera_of(item: EthItem, calibration: str) -> ColmapCamera:
    folder = item.scene / calibration
    number = read_image_cameras(folder / "images.txt").get(item.image.name)
    camera = read_cameras(folder / "cameras.txt").get(number) if number is not None else None
    if camera is None:
        raise InputError(f"{folder}: has no camera of {item.image.name}; unpack the calibration again")
    return camera


def _undistorted(raw_m: NDArray[np.float32], distorted: ColmapCamera, pinhole: CameraModel) -> NDArray[np.float32]:
    """Depth (H, W) at the pixels of the pinhole camera.

    Of a large photograph every n-th ray is projected, and those between are interpolated: 24 million arc tangents take
    half a minute, and the map is so smooth that linear interpolation over 11 px is off by hundredths of a pixel.
    """
    step = max(1, pinhole.width // _NODES)
    # Nodes where cv2.resize puts the centres of coarse pixels, and one more on every side.
    columns, rows = (
        (np.arange(-1, -(-side // step) + 1) + 0.5) * step - 0.5 for side in (pinhole.width, pinhole.height)
    )
    u, v = (columns - pinhole.cx) / pinhole.fx, (rows - pinhole.cy) / pinhole.fy
    coarse = project_thin_prism_fisheye(u[None], v[:, None], distorted.parameters)
    size = (len(columns) * step, len(rows) * step)
    window = (slice(step, step + pinhole.height), slice(step, step + pinhole.width))
    x, y = (cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)[window] for part in coarse)
    return remap_depth(raw_m, np.asarray(x, np.float32), np.asarray(y, np.float32))


def project_thin_prism_fisheye(
    u: NDArray[np.floating[Any]], v: NDArray[np.floating[Any]], parameters: tuple[float, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pixels (from the centre of the first one) of rays u = x / z, v = y / z that broadcast to (H, W).

    Parameters in COLMAP's order: fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, sx1, sy1 (www.eth3d.net/documentation,
    "THIN_PRISM_FISHEYE camera model"): the equidistant projection first, then Brown's and the thin prism's terms on it.
    """
    fx, fy, cx, cy, k1, k2, p1, p2, k3, k4, sx1, sy1 = parameters
    radius = np.hypot(u, v)
    shrink = np.where(radius > 1e-8, np.arctan(radius) / np.maximum(radius, 1e-8), 1.0)
    x, y = u * shrink, v * shrink
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * (k3 + r2 * k4)))
    x_lens = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + sx1 * r2
    y_lens = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y) + sy1 * r2
    return (fx * x_lens + cx - 0.5).astype(np.float32), (fy * y_lens + cy - 0.5).astype(np.float32)
