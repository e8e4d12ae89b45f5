from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import dataset_trees as trees
import numpy as np
import pytest

from prv2_ros.data.eth3d import open_eth3d, project_thin_prism_fisheye
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel

LENS = (0.05, -0.02, 0.0, 0.0, 0.01, -0.004, 0.0, 0.0)  # k1 k2 p1 p2 k3 k4 sx1 sy1


def plane_depth(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Depth along z of the plane z = 5 + 0.5 x + 0.6 y on the rays u = x / z, v = y / z."""
    return 5 / (1 - 0.5 * u - 0.6 * v)


def rays_of_fisheye(width: int, height: int, fx: float, fy: float, cx: float, cy: float) -> tuple[np.ndarray, ...]:
    """Rays of the pixels of a distorted photograph, by OpenCV; its model is this one without prism and tangents."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([x, y], -1).reshape(-1, 1, 2).astype(np.float64)
    k = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]])
    rays = cv2.fisheye.undistortPoints(pixels, k, np.array([LENS[0], LENS[1], LENS[4], LENS[5]]))
    return rays[:, 0, 0].reshape(height, width), rays[:, 0, 1].reshape(height, width)


def test_depth_of_the_distorted_photograph_is_brought_to_the_undistorted_one(tmp_path: Path):
    u, v = rays_of_fisheye(20, 14, 14, 14.5, 10, 7)
    raw_m = plane_depth(u, v).astype(np.float32)
    dataset = open_eth3d(trees.eth3d(tmp_path, depth_m=raw_m, lens=" ".join(map(str, LENS))), "train")
    frame = dataset[0]
    assert frame.camera == CameraModel(width=16, height=12, fx=14, fy=14.5, cx=7.5, cy=5.5)
    x, y = np.meshgrid(np.arange(16), np.arange(12))
    wanted = plane_depth((x - 7.5) / 14, (y - 5.5) / 14.5)
    # One over depth is linear in the ray: the nearest pixel is off by half a pixel at most, and by little on average.
    off = 1 / frame.depth_m - 1 / wanted
    pixel = (0.5 / 14 + 0.6 / 14.5) / 5
    assert np.isfinite(off).mean() > 0.95
    assert np.nanmax(np.abs(off)) < 0.5 * 1.4 * pixel
    assert abs(np.nanmean(off)) < 0.1 * pixel, "half a pixel aside would be 0.5"
    assert (dataset[1].name, dataset[1].kind, len(dataset)) == ("courtyard_DSC_0287", "courtyard", 2)


def test_interpolated_rays_of_a_large_photograph_are_those_of_every_pixel(tmp_path: Path):
    """Depth that is its own pixel's number tells where it was taken from; 1100x40 px, in steps of 2."""
    root = trees.eth3d(tmp_path, depth_m=np.arange(1.0, 1121 * 51 + 1).reshape(51, 1121), lens=" ".join(map(str, LENS)))
    scene = root / "courtyard"
    trees.write_rgb(scene / "images" / "dslr_images_undistorted" / "DSC_0286.JPG", trees.picture(40, 1100))
    trees.write_text(scene / "dslr_calibration_undistorted" / "cameras.txt", "0 PINHOLE 1100 40 800 810 550 20\n")
    lens = " ".join(map(str, LENS))
    trees.write_text(
        scene / "dslr_calibration_jpg" / "cameras.txt", f"0 THIN_PRISM_FISHEYE 1121 51 800 810 560 25 {lens}\n"
    )
    depth_m = open_eth3d(root, "train")[0].depth_m
    u, v = (np.arange(1100) - 549.5) / 800, (np.arange(40) - 19.5) / 810
    x, y = project_thin_prism_fisheye(u[None], v[:, None], (800, 810, 560, 25, *LENS))
    row, column = np.divmod(depth_m - 1, 1121)
    assert np.abs(column - x).max() < 0.51
    assert np.abs(row - y).max() < 0.51


def test_what_the_scanner_did_not_see_is_unknown_not_sky(tmp_path: Path):
    raw_m = np.full((14, 20), np.inf, np.float32)
    raw_m[:7] = 3
    raw_m[:, 12:] = np.where(raw_m[:, 12:] == 3, -1, 0)
    depth_m = open_eth3d(trees.eth3d(tmp_path, depth_m=raw_m), "train")[0].depth_m
    assert np.isnan(depth_m[-3:]).all()
    np.testing.assert_array_equal(depth_m[1:5, 2:8], 3)
    assert np.isnan(depth_m[:, 13:]).all(), "nor is what is at or behind the camera"


@pytest.mark.parametrize("prism", [(0.0, 0.0), (0.02, -0.03)])
def test_projection_equals_opencvs_on_the_fisheye_plane(prism: tuple[float, float]):
    rng = np.random.default_rng(0)
    u, v = rng.uniform(-0.9, 0.9, (2, 5, 7))
    k1, k2, p1, p2, k3 = 0.1, -0.05, 0.004, -0.006, 0.02
    x, y = project_thin_prism_fisheye(u, v, (700, 710, 320, 240, k1, k2, p1, p2, k3, 0.0, *prism))
    # OpenCV has the same terms after a pinhole, so it is given the equidistant projection as its rays.
    theta = np.arctan(np.hypot(u, v)) / np.hypot(u, v)
    points = np.stack([u * theta, v * theta, np.ones_like(u)], -1).reshape(-1, 1, 3)
    k = np.array([[700, 0, 319.5], [0, 710, 239.5], [0, 0, 1.0]])
    coefficients = np.array([k1, k2, p1, p2, k3, 0, 0, 0, prism[0], 0, prism[1], 0])
    pixels, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), k, coefficients)
    np.testing.assert_allclose(np.stack([x, y], -1).reshape(-1, 2), pixels[:, 0], atol=1e-3)


def test_the_axis_is_projected_to_the_principal_point():
    x, y = project_thin_prism_fisheye(np.zeros((1, 1)), np.zeros((1, 1)), (700, 710, 320, 240, *LENS))
    assert (x.item(), y.item()) == (319.5, 239.5)


@pytest.mark.parametrize(
    ("part", "archive"),
    [
        ("images/dslr_images_undistorted", "multi_view_training_dslr_undistorted.7z"),
        ("ground_truth_depth/dslr_images", "courtyard_dslr_depth.7z"),
        ("dslr_calibration_jpg", "multi_view_training_dslr_jpg.7z"),
    ],
)
def test_a_missing_part_is_named_with_its_archive(tmp_path: Path, part: str, archive: str):
    root = trees.eth3d(tmp_path)
    shutil.rmtree(root / "courtyard" / part)
    with pytest.raises(InputError, match=rf"courtyard: looked for {part}.*unpack {archive}"):
        open_eth3d(root, "train")


def test_a_folder_without_training_scenes_is_refused(tmp_path: Path):
    (tmp_path / "lounge").mkdir()  # a test scene
    with pytest.raises(InputError, match=r"a training scene \(courtyard, delivery_area, electro and 10 more"):
        open_eth3d(tmp_path, "train")


def test_corrupt_files_are_named_when_their_frame_is_read(tmp_path: Path):
    root = trees.eth3d(tmp_path)
    depth = root / "courtyard" / "ground_truth_depth" / "dslr_images" / "DSC_0286.JPG"
    depth.write_bytes(depth.read_bytes()[:-4])
    image = root / "courtyard" / "images" / "dslr_images_undistorted" / "DSC_0287.JPG"
    image.write_bytes(image.read_bytes()[:-20])
    dataset = open_eth3d(root, "train")
    with pytest.raises(InputError, match=r"DSC_0286\.JPG: 279 floats, expected 20 x 14"):
        dataset[0]
    with pytest.raises(InputError, match=r"dslr_images_undistorted/DSC_0287\.JPG: cannot be read"):
        dataset[1]


def test_an_image_without_camera_and_another_model_are_refused(tmp_path: Path):
    root = trees.eth3d(tmp_path)
    scene = root / "courtyard"
    for name in ("dslr_calibration_jpg", "dslr_calibration_undistorted"):
        text = (scene / name / "images.txt").read_text()
        (scene / name / "images.txt").write_text(text.replace("DSC_0287", "DSC_0300"))
    (scene / "dslr_calibration_jpg" / "cameras.txt").write_text("0 PINHOLE 20 14 14 14.5 10 7\n")
    dataset = open_eth3d(root, "train")
    with pytest.raises(InputError, match=r"camera model PINHOLE with 4 parameters, expected THIN_PRISM_FISHEYE"):
        dataset[0]
    with pytest.raises(InputError, match=r"dslr_calibration_undistorted: has no camera of DSC_0287\.JPG"):
        dataset[1]
