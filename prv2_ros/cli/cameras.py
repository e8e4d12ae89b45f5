"""Intrinsics from the command line: numbers, a field of view, or a calibration file."""

from __future__ import annotations

import argparse
import functools
import logging
from collections.abc import Callable
from pathlib import Path

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel, check_plausible
from prv2_ros.geometry.camera_file import fit_camera, has_shape, read_camera_info

_logger = logging.getLogger(__name__)

CameraSource = Callable[[int, int], CameraModel]
"""Gives the camera of an image from its width and height (px)."""

_WAYS = (
    "--fx FX [--fy FY --cx CX --cy CY] in pixels, --camera-info FILE (the YAML of camera_calibration, or JSON), "
    "or --fov DEGREES (horizontal, a guess scales the depth)"
)


def add_camera_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that `camera_source` reads."""
    group = parser.add_argument_group("camera (one way of three)", "What depth in metres is computed from.")
    for name, text in (
        ("--fx", "focal length along x (px)"),
        ("--fy", "focal length along y (px); fx where not given"),
        ("--cx", "principal point x (px); the middle of the image where not given"),
        ("--cy", "principal point y (px); the middle of the image where not given"),
    ):
        group.add_argument(name, type=float, metavar="PX", help=text)
    group.add_argument(
        "--camera-info",
        type=Path,
        metavar="FILE",
        help="calibration: YAML of ROS, or JSON; without --rectified the images are raw, and so is their depth: "
        "distortion is undone in the cloud alone",
    )
    group.add_argument(
        "--rectified", action="store_true", help="the images are rectified: use P of the calibration instead of K and D"
    )
    group.add_argument("--fov", type=float, metavar="DEG", help="horizontal field of view (degrees)")


def camera_source(arguments: argparse.Namespace) -> CameraSource:
    """Turn the options into a camera for any image size.

    Raises:
        InputError: no way was given, or two; the file cannot be read or has no calibration. Numbers that no lens has
            are refused where the size of the image is known.

    """
    numbers = [n for n in ("fx", "fy", "cx", "cy") if getattr(arguments, n) is not None]
    ways = [bool(numbers), arguments.camera_info is not None, arguments.fov is not None]
    if sum(ways) == 0:
        raise InputError(f"depth in metres needs the camera's focal length: give {_WAYS}")
    if sum(ways) > 1:
        raise InputError(f"the camera is given in more than one way: choose one of {_WAYS}")
    if arguments.rectified and arguments.camera_info is None:
        raise InputError("--rectified chooses between the matrices of a calibration: it goes with --camera-info only")
    if arguments.fov is not None:
        degrees: float = arguments.fov
        advice = f"--fov {degrees:g} is the horizontal angle in degrees"
        return lambda width, height: _checked(CameraModel.from_fov(width, height, degrees), advice)
    if numbers:
        if arguments.fx is None:
            raise InputError(f"--{numbers[0]} was given without --fx: the focal length along x is needed")
        # Cached, so that what is said of a size is said once.
        return functools.cache(functools.partial(_from_numbers, arguments))
    camera = read_camera_info(arguments.camera_info, rectified=arguments.rectified)
    if camera.is_distorted:
        _logger.warning(
            "%s has distortion: depth is that of the raw picture, and only cloud.ply is free of it; for the depth that "
            "the node publishes give pictures that were rectified, and --rectified",
            arguments.camera_info,
        )
    return lambda width, height: _fitted(camera, width, height)


def _fitted(camera: CameraModel, width: int, height: int) -> CameraModel:
    try:
        return fit_camera(camera, width, height)
    except InputError as error:
        if not has_shape(camera, height, width):
            raise
        raise InputError(
            f"{error} (its sides are swapped: pictures are turned as their EXIF orientation says, and the calibration "
            "must be of the turned picture; remove that tag to have it as it was taken)"
        ) from error


def _from_numbers(arguments: argparse.Namespace, width: int, height: int) -> CameraModel:
    camera = CameraModel(
        width=width,
        height=height,
        fx=arguments.fx,
        fy=arguments.fx if arguments.fy is None else arguments.fy,
        cx=(width - 1) / 2 if arguments.cx is None else arguments.cx,
        cy=(height - 1) / 2 if arguments.cy is None else arguments.cy,
    )
    _checked(camera, "--fx, --fy, --cx and --cy are in pixels of this image")
    _warn_of_another_size(camera)
    return camera


def _checked(camera: CameraModel, advice: str) -> CameraModel:
    try:
        check_plausible(camera, in_view=True)
    except InputError as error:
        raise InputError(f"{error}: {advice}") from error
    return camera


def _warn_of_another_size(camera: CameraModel) -> None:
    """Tell of a principal point outside of the picture: a crop has that, but more often other intrinsics were taken."""
    for name, value, side, extent in (
        ("cx", camera.cx, camera.width, "wide"),
        ("cy", camera.cy, camera.height, "high"),
    ):
        if not -0.5 <= value <= side - 0.5:
            from tqdm import tqdm

            with tqdm.external_write_mode():  # `prv2 predict` of several images shows a progress bar
                _logger.warning(
                    "%s = %g px is outside of the %d px %s picture: are these the intrinsics of another size?",
                    name,
                    value,
                    side,
                    extent,
                )
            return
