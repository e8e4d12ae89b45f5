"""Tiny data sets for tests, in their official layouts; every function returns the folder to open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

HEIGHT, WIDTH = 12, 16


def picture(height: int = HEIGHT, width: int = WIDTH) -> NDArray[np.uint8]:
    """(H, W, 3) RGB whose channels differ, so that swapped ones show."""
    y, x = np.mgrid[:height, :width]
    return np.stack([200 + x % 50, 100 + y % 50, 10 + (x + y) % 50], -1).astype(np.uint8)


def write_rgb(path: Path, image: NDArray[np.uint8] | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), (picture() if image is None else image)[..., ::-1])


def write_code(path: Path, code: NDArray[Any] | None = None) -> None:
    """16-bit PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((HEIGHT, WIDTH), 1000).astype(np.uint16) if code is None else code)


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def write_exr(path: Path, channels: dict[str, NDArray[Any]]) -> None:
    OpenEXR = pytest.importorskip("OpenEXR")
    path.parent.mkdir(parents=True, exist_ok=True)
    with OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels) as file:
        file.write(str(path))


UNREAL_K = "8.0 0 8.0 0 8.0 6.0 0 0 1"


def write_unreal_frame(
    root: Path, scene: str, stem: str, disparity_px: NDArray[Any] | None = None, *, k: str = UNREAL_K
) -> str:
    """The files of one stereo pair; returns its line in a list. The baseline is 0.25 m."""
    flat = np.full((HEIGHT, WIDTH), 4, np.float32)
    image = root / scene / "Image0" / f"{stem}.png"
    write_rgb(image)
    bgr = cv2.imread(str(image))
    assert cv2.imwrite(str(image), cv2.cvtColor(bgr, cv2.COLOR_BGR2BGRA))  # Unreal writes RGBA
    (root / scene / "Disp0").mkdir(exist_ok=True)
    np.save(root / scene / "Disp0" / f"{stem}.npy", flat if disparity_px is None else disparity_px)
    for camera, x_m in ((0, 1.5), (1, 1.25)):
        write_text(root / scene / f"Extrinsics{camera}" / f"{stem}.txt", f"{k}\n1 0 0 {x_m} 0 1 0 2 0 0 1 3\n")
    return " ".join(
        f"{scene}/{name}/{stem}.{ending}"
        for name, ending in (("Image0", "png"), ("Image1", "png"), ("Disp0", "npy"), ("Disp1", "npy"))
    )


def unreal(root: Path) -> Path:
    lines = [write_unreal_frame(root, "00000", stem) for stem in ("00000", "00007")]
    lines.append(write_unreal_frame(root, "00003", "00000"))
    write_text(root / "filenames" / "train.txt", "\n".join(lines) + "\n")
    write_text(root / "filenames" / "out_test.txt", write_unreal_frame(root, "00008", "00001") + "\n")
    return root


def mvs_synth(root: Path) -> Path:
    for sequence in ("0000", "0001"):
        for stem in ("0000", "0001"):
            base = root / "GTAV_540" / sequence
            write_rgb(base / "images" / f"{stem}.png")
            write_exr(base / "depths" / f"{stem}.exr", {"Y": np.full((HEIGHT, WIDTH), 25, np.float32)})
            pose = {"f_x": 20.0, "f_y": 21.0, "c_x": 8, "c_y": 6, "extrinsic": np.eye(4).tolist()}
            write_text(base / "poses" / f"{stem}.json", json.dumps(pose))
    write_text(root / "GTAV_540" / "num_images.json", "[2, 2]")
    return root / "GTAV_540"


KITTI_DRIVE = "2011_09_26_drive_0001_sync"
KITTI_CALIBRATION = """calib_time: 09-Jan-2012 13:57:47
S_rect_02: 1.600000e+01 1.200000e+01
P_rect_02: 7.0e+00 0 8.5e+00 4.485728e+01 0 7.1e+00 5.5e+00 2.163791e-01 0 0 1 2.745884e-03
P_rect_03: 9.0e+00 0 8.0e+00 -3.395242e+02 0 9.1e+00 5.0e+00 2.199936e+00 0 0 1 2.729905e-03
"""


def kitti(root: Path, *, raw: str = "") -> Path:
    truth = "proj_depth/groundtruth"
    for split, drive in (("train", KITTI_DRIVE), ("val", "2011_09_28_drive_0002_sync")):
        base = root / raw / drive[:10]
        write_text(base / "calib_cam_to_cam.txt", KITTI_CALIBRATION)
        for camera in ("image_02", "image_03"):
            write_code(root / split / drive / truth / camera / "0000000005.png")
            for stem in ("0000000000", "0000000005"):  # the first frames have no depth
                write_rgb(base / drive / camera / "data" / f"{stem}.png")
    selection = root / "depth_selection" / "val_selection_cropped"
    write_rgb(selection / "image" / f"{KITTI_DRIVE}_image_0000000005_image_02.png")
    write_code(selection / "groundtruth_depth" / f"{KITTI_DRIVE}_groundtruth_depth_0000000005_image_02.png")
    write_text(selection / "intrinsics" / f"{KITTI_DRIVE}_image_0000000005_image_02.txt", "7 0 8 0 7.5 6 0 0 1\n")
    image = f"2011_09_26/{KITTI_DRIVE}/image_02/data/0000000005.png"
    lines = [f"{image} {KITTI_DRIVE}/{truth}/image_02/0000000005.png 721.5377", f"{image} None 721.5377"]
    write_text(root / "splits" / "kitti_eigen_train_files_with_gt.txt", "\n".join(lines) + "\n")
    return root


CITY_CAMERA = {
    "extrinsic": {"baseline": 0.25, "pitch": 0.038, "roll": 0.0, "x": 1.7, "y": 0.1, "yaw": 0.0, "z": 1.22},
    "intrinsic": {"fx": 16.0, "fy": 17.0, "u0": 8.5, "v0": 5.5},
}


def cityscapes(root: Path) -> Path:
    for split, city in (("train", "aachen"), ("train", "bochum"), ("val", "lindau"), ("train_extra", "bayreuth")):
        base = root / "extra" if split == "train_extra" else root
        stem = f"{city}_000000_000019"
        write_rgb(base / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
        write_code(base / "disparity" / split / city / f"{stem}_disparity.png")
        write_text(base / "camera" / split / city / f"{stem}_camera.json", json.dumps(CITY_CAMERA))
    return root


def scannetpp(root: Path) -> Path:
    write_text(root / "splits" / "nvs_sem_train.txt", "0a5c013435\n")
    write_text(root / "splits" / "nvs_sem_val.txt", "7b6477cb95\n")
    for scene in ("0a5c013435", "7b6477cb95"):
        base = root / "data" / scene
        for device, image, line in (
            ("iphone", "rgb/frame_000010.jpg", "1 OPENCV 16 12 14 14.5 8 6 0.0 0.0 0.0 0.0"),
            ("dslr", "resized_images/DSC00100.JPG", "1 OPENCV_FISHEYE 16 12 10 10.5 8 6 0.0 0.0 0.0 0.0"),
        ):
            write_rgb(base / device / image)
            write_text(base / device / "colmap" / "cameras.txt", f"# Camera list\n{line}\n")
            write_code(base / device / "render_depth" / f"{Path(image).stem}.png")
        write_code(base / "iphone" / "depth" / "frame_000010.png", np.full((3, 4), 1500, np.uint16))
    return root


ETH_IMAGES = """# Image list with two lines of data per image:
#   IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME
#   POINTS2D[] as (X, Y, POINT3D_ID)
5 0.9 0.1 0.2 0.3 1.0 2.0 3.0 {camera} {folder}/DSC_0286.JPG
100.5 20.25 -1 30.5 40.75 17
6 0.9 0.1 0.2 0.3 1.0 2.0 3.0 {camera} {folder}/DSC_0287.JPG

"""


def eth3d(root: Path, *, depth_m: NDArray[Any] | None = None, lens: str = "0 0 0 0 0 0 0 0") -> Path:
    """One training scene; the distorted camera is of 20x14 px."""
    scene = root / "courtyard"
    for stem in ("DSC_0286", "DSC_0287"):
        write_rgb(scene / "images" / "dslr_images_undistorted" / f"{stem}.JPG")
        depth = scene / "ground_truth_depth" / "dslr_images" / f"{stem}.JPG"
        depth.parent.mkdir(parents=True, exist_ok=True)
        (np.full((14, 20), 3) if depth_m is None else depth_m).astype("<f4").tofile(depth)
    for folder, images, camera in (
        ("dslr_calibration_undistorted", "dslr_images_undistorted", "0 PINHOLE 16 12 14 14.5 8 6"),
        ("dslr_calibration_jpg", "dslr_images", f"0 THIN_PRISM_FISHEYE 20 14 14 14.5 10 7 {lens}"),
    ):
        write_text(scene / folder / "cameras.txt", f"# Camera list\n# Number of cameras: 1\n{camera}\n")
        write_text(scene / folder / "images.txt", ETH_IMAGES.format(camera=0, folder=images))
    return root


def folder(root: Path, *, ending: str = ".npy", depth_m: NDArray[Any] | None = None) -> Path:
    depth_m = np.full((HEIGHT, WIDTH), 2, np.float32) if depth_m is None else depth_m
    write_rgb(root / "images" / "0001.png")
    write_text(
        root / "camera.json", json.dumps({"width": 16, "height": 12, "fx": 9.0, "fy": 9.5, "cx": 7.5, "cy": 6.0})
    )
    path = root / "depth" / f"0001{ending}"
    path.parent.mkdir(exist_ok=True)
    if ending == ".npy":
        np.save(path, depth_m)
    elif ending == ".exr":
        write_exr(path, {"Y": depth_m.astype(np.float32)})
    else:
        write_code(path, (depth_m * 1000).astype(np.uint16))
    return root
