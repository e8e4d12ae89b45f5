"""`prv2 predict`: depth files from image files."""

from __future__ import annotations

import argparse
import logging
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prv2_ros.cli.arguments import add_compile_argument
from prv2_ros.cli.cameras import CameraSource, add_camera_arguments, camera_source
from prv2_ros.cli.images import list_images, read_image, write_depth_files
from prv2_ros.cli.output import output_folder
from prv2_ros.errors import DeviceError, InputError

if TYPE_CHECKING:
    from prv2_ros.inference.load import Engine

_logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Estimate metric depth of images, turned as their EXIF orientation says. Writes per image: depth.npy (float32 metres,
NaN invalid), depth_mm.png (16-bit millimetres, 0 invalid or beyond 65.535 m, the most that it can say), depth.png
(coloured, with a scale in metres) and cloud.ply (points in the camera's optical frame). A single image is written
straight into the output folder, several into one folder each."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("predict", help="depth files from image files", description=_DESCRIPTION)
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE|FOLDER", help="image files, or folders of them")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the results")
    add_camera_arguments(parser)
    parser.add_argument("--model", default="default", help="name of a packaged model, or the .yaml of one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--precision", default="auto", help="auto, float32, bfloat16 or float16 (default: auto)")
    add_compile_argument(parser)
    parser.add_argument(
        "--max-depth", type=float, default=200.0, metavar="M", help="depths beyond this are invalid (m, default: 200)"
    )
    parser.add_argument(
        "--stride", type=int, default=1, metavar="N", help="every N-th pixel and row becomes a point (default: 1)"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Predict; return 1 where an image of several failed, after the others are done.

    Raises:
        InputError: options that cannot be used, or the only image cannot.
        WeightsError: no usable weights.
        DeviceError: no usable device, or one without the memory for the only image.

    """
    # Everything that can be wrong with the options is said before the seconds that loading takes.
    if arguments.stride < 1:
        raise InputError(f"--stride {arguments.stride}: must be at least 1")
    if not arguments.max_depth > 0 or math.isnan(arguments.max_depth):
        raise InputError(f"--max-depth {arguments.max_depth}: must be above 0 metres")
    cameras = camera_source(arguments)
    images = list_images(arguments.images)
    single = len(images) == 1 and not arguments.images[0].is_dir()
    with output_folder(arguments.output):
        engine = _engine(arguments)
        if single:
            _predict(engine, images[0], arguments.output, cameras, arguments)
            print(f"wrote depth of {images[0]} to {arguments.output}")
            return 0
        return _predict_all(engine, images, cameras, arguments)


def _engine(arguments: argparse.Namespace) -> Engine:
    from prv2_ros.inference.config import EngineConfig
    from prv2_ros.inference.load import load_engine

    config = EngineConfig(max_depth_m=arguments.max_depth, compile=arguments.compile)
    return load_engine(arguments.model, arguments.device, arguments.precision, config=config)


def _predict_all(engine: Engine, images: list[Path], cameras: CameraSource, arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    output: Path = arguments.output
    failed = 0
    names = _folder_names(images)
    with tqdm(images, unit="image", disable=None) as progress:
        for path, name in zip(progress, names, strict=True):
            progress.set_postfix_str(path.name)
            try:
                _predict(engine, path, output / name, cameras, arguments)
            except (InputError, DeviceError) as error:
                failed += 1
                with progress.external_write_mode():
                    print(f"prv2: error: {error}", file=sys.stderr)
    print(f"wrote depth of {len(images) - failed} of {len(images)} images to {output}")
    return 1 if failed else 0


def _predict(engine: Engine, path: Path, folder: Path, cameras: CameraSource, arguments: argparse.Namespace) -> None:
    image_rgb = read_image(path)
    try:
        camera = cameras(image_rgb.shape[1], image_rgb.shape[0])
        result = engine.infer(image_rgb, camera, coarse=False)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except DeviceError as error:
        # The engine's words name what its parameters and Python offer, and this command line does not.
        raise DeviceError(
            f"{path}: the GPU's memory is too small for {image_rgb.shape[1]}x{image_rgb.shape[0]} px: give a smaller "
            "picture with the intrinsics of its size, or --device cpu"
        ) from error
    if not np.isfinite(result.depth_m).any():
        _warn_of_nothing(path, arguments.max_depth)
    write_depth_files(folder, image_rgb, result.depth_m, camera, stride=arguments.stride)


def _warn_of_nothing(path: Path, max_depth_m: float) -> None:
    from tqdm import tqdm

    with tqdm.external_write_mode():
        _logger.warning(
            "%s: no pixel has valid depth with --max-depth %g: depth.npy is all NaN and cloud.ply empty",
            path,
            max_depth_m,
        )


def _folder_names(images: list[Path]) -> list[str]:
    """Name one folder an image: its stem, with the suffix where two share a stem, numbered where that is taken."""
    stems = [p.stem for p in images]
    names: list[str] = []
    for path in images:
        base = path.stem if stems.count(path.stem) == 1 else f"{path.stem}_{path.suffix[1:]}"
        name, number = base, 2
        while name in names:
            name, number = f"{base}_{number}", number + 1
        names.append(name)
    return names
