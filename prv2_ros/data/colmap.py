"""Text files of COLMAP (cameras.txt, images.txt), as ETH3D and ScanNet++ ship them.

Format: colmap.github.io/format.html. COLMAP's pixel (0, 0) is the corner of the first pixel; here it is its centre, so
half a pixel is taken off the principal point.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from prv2_ros.data.dataset_files import pinhole, read_lines, unreadable
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel

_OPENCV_MODELS = {"PINHOLE": 4, "OPENCV": 8, "OPENCV_FISHEYE": 8, "FULL_OPENCV": 12}
"""Number of parameters; all begin with fx, fy, cx, cy and go on as OpenCV's coefficients do."""


@dataclass(frozen=True, kw_only=True)
class ColmapCamera:
    """One line of cameras.txt."""

    model: str
    width: int
    height: int
    parameters: tuple[float, ...]
    """fx, fy, cx, cy (px, from the corner of the first pixel) and coefficients."""

    def camera(self, source: Path) -> CameraModel:
        """Convert to the camera of this project; `source` is named if that cannot be done."""
        if _OPENCV_MODELS.get(self.model) != len(self.parameters):
            raise InputError(
                f"{source}: camera model {self.model} with {len(self.parameters)} parameters; expected one of "
                f"{', '.join(f'{name} ({count})' for name, count in _OPENCV_MODELS.items())}"
            )
        fx, fy, cx, cy = self.parameters[:4]
        ideal = pinhole(source, (self.width, self.height), fx=fx, fy=fy, cx=cx - 0.5, cy=cy - 0.5)
        return replace(ideal, distortion=self.parameters[4:], fisheye=self.model == "OPENCV_FISHEYE")


@lru_cache(maxsize=256)
def read_cameras(path: Path) -> dict[int, ColmapCamera]:
    """Cameras by id.

    Raises:
        InputError: the file is missing, empty or not of the form CAMERA_ID MODEL WIDTH HEIGHT PARAMETERS.

    """
    cameras = {}
    for line in read_lines(path):
        if line.startswith("#"):
            continue
        fields = line.split()
        try:
            number, width, height = int(fields[0]), int(fields[2]), int(fields[3])
            parameters = tuple(float(value) for value in fields[4:])
        except (IndexError, ValueError) as error:
            raise unreadable(path, error) from error
        cameras[number] = ColmapCamera(model=fields[1], width=width, height=height, parameters=parameters)
    if not cameras:
        raise InputError(f"{path}: holds no camera; fetch it again")
    return cameras


@lru_cache(maxsize=256)
def read_image_cameras(path: Path) -> dict[str, int]:
    """Id of the camera of each image of images.txt, by the image's name without folders.

    An image has two lines, and the second, of points, may be empty: lines of an image are told by their ten fields
    whose last one is no number.

    Raises:
        InputError: the file is missing, or no line is of an image.

    """
    cameras = {}
    for line in read_lines(path):
        fields = line.split(maxsplit=10)
        if line.startswith("#") or len(fields) != 10 or _is_number(fields[9]):
            continue
        try:
            cameras[fields[9].rpartition("/")[2]] = int(fields[8])
        except ValueError as error:
            raise unreadable(path, error) from error
    if not cameras:
        raise InputError(f"{path}: names no image; fetch it again")
    return cameras


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
