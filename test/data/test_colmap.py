from __future__ import annotations

from pathlib import Path

import dataset_trees as trees
import pytest

from prv2_ros.data.colmap import read_cameras, read_image_cameras
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel


@pytest.mark.parametrize(
    ("line", "distortion", "fisheye"),
    [
        ("PINHOLE 640 480 500 501 320 240", (), False),
        ("OPENCV 640 480 500 501 320 240 .1 .2 .3 .4", (0.1, 0.2, 0.3, 0.4), False),
        ("OPENCV_FISHEYE 640 480 500 501 320 240 .1 .2 .3 .4", (0.1, 0.2, 0.3, 0.4), True),
        (
            "FULL_OPENCV 640 480 500 501 320 240 1 2 3 4 5 6 7 8",
            (1, 2, 3, 4, 5, 6, 7, 8),
            False,
        ),
    ],
)
def test_cameras_move_to_pixel_centres(tmp_path: Path, line: str, distortion: tuple[float, ...], fisheye: bool):
    path = tmp_path / "cameras.txt"
    trees.write_text(path, f"# Camera list\n7 {line}\n")
    assert read_cameras(path)[7].camera(path) == CameraModel(
        width=640, height=480, fx=500, fy=501, cx=319.5, cy=239.5, distortion=distortion, fisheye=fisheye
    )


def test_images_are_told_from_their_points(tmp_path: Path):
    path = tmp_path / "images.txt"
    points = "1.5 2.5 -1 3.5 4.5 8 5.5 6.5 9 1"  # ten fields, too
    image = "{} 1 0 0 0 0.5 0.5 0.5 {} dslr_images/{}"
    lines = [image.format(5, 2, "A.JPG"), points, image.format(6, 3, "B.JPG"), "", image.format(7, 2, "C.JPG"), ""]
    trees.write_text(path, "# Image list\n" + "\n".join(lines))
    assert read_image_cameras(path) == {"A.JPG": 2, "B.JPG": 3, "C.JPG": 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# nothing\n", "holds no camera"),
        ("0 PINHOLE 640\n", "cannot be read"),
        ("0 PINHOLE a 4 1 2 3 4\n", "cannot be"),
    ],
)
def test_broken_camera_files_are_named(tmp_path: Path, content: str, message: str):
    path = tmp_path / "cameras.txt"
    trees.write_text(path, content)
    with pytest.raises(InputError, match=rf"cameras\.txt: {message}"):
        read_cameras(path)


def test_unknown_models_and_broken_image_lists_are_named(tmp_path: Path):
    path = tmp_path / "cameras.txt"
    trees.write_text(path, "0 SIMPLE_RADIAL 640 480 500 320 240 0.1\n")
    with pytest.raises(InputError, match=r"cameras\.txt: camera model SIMPLE_RADIAL with 4 parameters; expected"):
        read_cameras(path)[0].camera(path)
    images = tmp_path / "images.txt"
    trees.write_text(images, "# Image list\n")
    with pytest.raises(InputError, match=r"images\.txt: names no image"):
        read_image_cameras(images)
    other = tmp_path / "other.txt"
    trees.write_text(other, "1 1 0 0 0 0 0 0 two A.JPG\n")
    with pytest.raises(InputError, match=r"other\.txt: cannot be read"):
        read_image_cameras(other)
