"""ScanNet++: rooms filmed with a telephone and photographed with a fisheye camera, scanned by laser.

Source: Yeshwanth et al., ICCV 2023; layout from the authors' toolkit (github.com/scannetpp/scannetpp:
common/scene_release.py, common/render.py, iphone/prepare_iphone_data.py). Facts:

- `splits/{nvs_sem_train,nvs_sem_val}.txt`: scene ids; `data/SCENE/...`: the scenes.
- `iphone/rgb/frame_NNNNNN.jpg` (1920x1440) and `iphone/depth/frame_NNNNNN.png` (256x192, 16-bit mm, 0 = unknown): what
  prepare_iphone_data.py unpacks; the depth is the telephone's own, of the whole picture.
- `dslr/resized_images/DSCNNNNN.JPG`: fisheye photographs.
- `{iphone,dslr}/render_depth/NAME.png`: depth of the laser's mesh, which common/render.py writes at the size of the
  (distorted) image: 16-bit mm, 0 = none; renderpy's shader writes z in the camera's frame (opengl_semantic.h), cut off
  at 20 m. They are looked for in data/SCENE, where the toolkit puts them if it is given no other folder.
- `{iphone,dslr}/colmap/cameras.txt`: one camera, OPENCV or OPENCV_FISHEYE. Frames are rectified here.

Splits: `train` and `val` pair the telephone's pictures with its own depth, each sample at the one pixel of the
rectified image that its centre falls on (PatchRefiner repeats it over 56 pixels, which makes steps that are not there).
`train_mesh`, `val_mesh`: the telephone's pictures with the mesh's depth. `train_dslr`, `val_dslr`: the photographs with
the mesh's depth. The truth of the test scenes is not public.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from prv2_ros.data.colmap import read_cameras
from prv2_ros.data.dataset_files import (
    ListedFrames,
    files_by_stem,
    known_depth,
    make_frame,
    read_lines,
    read_png16,
    read_rgb,
    shorten,
    subfolders,
    wrong_layout,
)
from prv2_ros.data.frames import Frame
from prv2_ros.data.rectify import rectify
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.camera_file import fit_camera

NAME = "scannetpp"
SPLITS = ("train", "val", "train_mesh", "val_mesh", "train_dslr", "val_dslr")


@dataclass(frozen=True, kw_only=True)
class _Source:
    """Where pictures and truth of a kind of split lie in a scene's folder."""

    images: str
    ending: str
    depth: str
    made_by: str


_SOURCES = {
    "": _Source(
        images="iphone/rgb",
        ending=".jpg",
        depth="iphone/depth",
        made_by="run the toolkit's iphone.prepare_iphone_data with extract_rgb and extract_depth",
    ),
    "mesh": _Source(
        images="iphone/rgb",
        ending=".jpg",
        depth="iphone/render_depth",
        made_by="run the toolkit's iphone.prepare_iphone_data with extract_rgb, and common.render with render_iphone",
    ),
    "dslr": _Source(
        images="dslr/resized_images",
        ending=".JPG",
        depth="dslr/render_depth",
        made_by="download dslr/resized_images, and run the toolkit's common.render with render_dslr",
    ),
}


@dataclass(frozen=True, kw_only=True)
class ScanItem:
    """One picture of a scene."""

    scene: str
    image: Path
    depth: Path

    @property
    def cameras(self) -> Path:
        """File with the intrinsics."""
        return self.image.parents[1] / "colmap" / "cameras.txt"


def open_scannetpp(root: Path, split: str) -> ListedFrames[ScanItem]:
    """List the pictures of the scenes of a split that have depth.

    Raises:
        InputError: no list of scenes, or a scene on it is not there or lacks pictures, depth or cameras.

    """
    part, _, kind = split.partition("_")
    source = _SOURCES[kind]
    path = root / "splits" / f"nvs_sem_{part}.txt"
    if not path.is_file():
        raise wrong_layout(
            root,
            f"splits/{path.name} and data/SCENE/{source.images}",
            "give the folder that the ScanNet++ download script filled",
        )
    scenes = read_lines(path)
    absent = sorted(set(scenes) - set(subfolders(root / "data")))
    if absent:
        raise wrong_layout(
            root,
            f"data/SCENE of the {len(scenes)} scenes in splits/{path.name}, and there is no {shorten(absent)}",
            "download those scenes, or take their lines out of the list",
        )
    items: list[ScanItem] = []
    for scene in scenes:
        folder = root / "data" / scene
        images = files_by_stem(folder / source.images, source.ending)
        depths = files_by_stem(folder / source.depth, ".png")
        found = [ScanItem(scene=scene, image=images[stem], depth=depths[stem]) for stem in images if stem in depths]
        if not found or not found[0].cameras.is_file():
            raise wrong_layout(
                folder,
                f"{source.images}/*{source.ending}, {source.depth}/*.png of the same names, and "
                f"{source.images.partition('/')[0]}/colmap/cameras.txt",
                f"{source.made_by}, or take {scene} out of splits/{path.name}",
            )
        items += found
    if not items:
        raise InputError(f"{path}: names no scene; download it again")
    return ListedFrames(name=NAME, split=split, items=items, read=read_item, shown=_shown)


def _shown(item: ScanItem) -> tuple[Path, ...]:
    return (item.image, item.cameras)


def read_item(item: ScanItem) -> Frame:
    """Read one picture with its depth, rectified."""
    cameras = read_cameras(item.cameras)
    if len(cameras) != 1:
        raise InputError(f"{item.cameras}: {len(cameras)} cameras where a ScanNet++ scene has one; download it again")
    image = read_rgb(item.image)
    height, width = image.shape[:2]
    (only,) = cameras.values()
    try:
        camera = fit_camera(only.camera(item.cameras), width, height)
    except InputError as error:
        raise InputError(f"{item.image}: {error}") from error
    depth_m = known_depth(read_png16(item.depth) / np.float32(1000))
    is_coarse = item.depth.parent.name == "depth"
    device = item.image.parents[1].name
    frame = make_frame(
        name=f"{item.scene}_{device}_{item.image.stem}",
        kind=device,
        image=image,
        depth_m=np.full((height, width), np.nan, np.float32) if is_coarse else depth_m,
        camera=camera,
        source=item.image,
    )
    frame = rectify(frame)
    # Spread after that: the nearest pixels that rectifying takes would leave out some samples and double others.
    return replace(frame, depth_m=spread(depth_m, camera)) if is_coarse else frame


def spread(depth_m: NDArray[np.float32], camera: CameraModel) -> NDArray[np.float32]:
    """Put each sample of a coarser map (h, w) at the pixel of the rectified image (H, W) that its centre falls on.

    All other pixels are NaN. Samples that the rectified image does not show are left out.

    Args:
        depth_m: the map, of all that the lens sees.
        camera: of the image as it was taken, lens and all.

    """
    h, w = depth_m.shape
    # From the edges of the picture's first pixel; half-way places, which rounding moves about, all go one way.
    corner_px = (camera.cx + 0.501, camera.cy + 0.501)
    x, y = np.moveaxis(camera.resized(w, h).rays() * (camera.fx, camera.fy) + corner_px, -1, 0)
    shown = (x >= 0) & (x < camera.width) & (y >= 0) & (y < camera.height)
    found = np.full((camera.height, camera.width), np.nan, np.float32)
    found[y[shown].astype(np.intp), x[shown].astype(np.intp)] = depth_m[shown]
    return found
