"""Measure the accuracy of a depth model, coarse and refined, on frames whose depth is known.

    python benchmarks/accuracy.py                                  # motorcycle, held-aside scenes, two lenses
    python benchmarks/accuracy.py --rendered DIR --real DIR -o runs/accuracy

Writes accuracy.json (every frame) and accuracy.md (the table) into the output folder, and prints the table.
Another model is measured with `--predictor package.module:function`, a callable that takes an image (H, W, 3)
uint8 RGB and a CameraModel and returns depth (H, W) in metres, or a mapping of variant name to such depths, in which
`confidence` is no variant but how sure `refined` is of each pixel.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from prv2_ros.data.frames import HELD_ASIDE_SEEDS
from prv2_ros.errors import InputError, Prv2Error
from prv2_ros.evaluation import frames
from prv2_ros.evaluation.frames import TruthFrame
from prv2_ros.evaluation.report import Depths, markdown
from prv2_ros.evaluation.sets import CONFIDENCE, Predictor, engine_predictor, plain, score_set
from prv2_ros.files import whole_file
from prv2_ros.geometry.camera import CameraModel

SETS = ("motorcycle", "synthetic", "lenses")

LENS_FOCAL_LENGTHS_PX = (1060.0, 2180.0)
LENS_SIZE_PX = (1936, 1216)
LENS_WINDOW_PX = 33
"""Side of the window at the image centre whose median is compared, at the shorter focal length."""


def named_predictor(name: str) -> Predictor:
    """Predict with `module:function`; a bare array becomes the variant `prediction`."""
    module_name, _, function_name = name.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"predictor {name!r}: {error}; expected package.module:function on the path") from error

    def predict(image_rgb: NDArray[np.uint8], camera: CameraModel) -> Depths:
        depths = function(image_rgb, camera)
        return depths if isinstance(depths, Mapping) else {"prediction": depths}

    return predict


def synthetic_frames(count: int, width: int, height: int) -> Iterator[TruthFrame]:
    """Scenes of held-aside seeds at the given size (px)."""
    from prv2_ros.data.synthetic import render

    for seed in HELD_ASIDE_SEEDS[:count]:
        frame = render(seed, width, height)
        yield TruthFrame(name=str(seed), kind=frame.kind, image=frame.image, truth_m=frame.depth_m, camera=frame.camera)


def _centre_median_m(depth_m: NDArray[np.float32], size_px: float) -> float:
    height, width = depth_m.shape
    half = max(1, round(size_px / 2))
    window = depth_m[height // 2 - half : height // 2 + half, width // 2 - half : width // 2 + half]
    known = window[np.isfinite(window) & (window > 0)]
    return float(np.median(known)) if known.size > window.size / 2 else float("nan")


def two_lens_check(predict: Predictor, count: int, progress: tqdm[Any] | None = None) -> dict[str, Any]:
    """Depth at the image centre of one scene through two lenses: it should not depend on the focal length.

    The windows compared cover the same piece of the scene. Scenes whose centre is sky, or whose truth differs
    between the lenses by over 2% (an edge runs through the centre), are left out.
    """
    from prv2_ros.data.synthetic import render

    rows: list[dict[str, Any]] = []
    for seed in HELD_ASIDE_SEEDS[1000 : 1000 + 4 * count]:
        truth_m, depths_m = [], []
        for f_px in LENS_FOCAL_LENGTHS_PX:
            frame = render(seed, *LENS_SIZE_PX, f_px=f_px)
            window_px = LENS_WINDOW_PX * f_px / LENS_FOCAL_LENGTHS_PX[0]
            truth_m.append(_centre_median_m(frame.depth_m, window_px))
            if not np.isfinite(truth_m[-1]):
                break
            depths = predict(frame.image, frame.camera)
            variants = {name: depth for name, depth in depths.items() if name != CONFIDENCE}
            depths_m.append({name: _centre_median_m(depth, window_px) for name, depth in variants.items()})
        if len(depths_m) < 2 or not abs(truth_m[1] / truth_m[0] - 1) < 0.02:
            continue
        ratios = {name: depths_m[1][name] / depths_m[0][name] for name in depths_m[0]}
        rows.append({"seed": seed, "kind": frame.kind, "truth_m": truth_m, "depths_m": depths_m, "ratios": ratios})
        if progress is not None:
            progress.update()
        if len(rows) == count:
            break
    names = rows[0]["ratios"] if rows else {}
    disagreement = {name: [abs(np.log(row["ratios"][name])) for row in rows] for name in names}
    return {
        "focal_lengths_px": LENS_FOCAL_LENGTHS_PX,
        "scenes": rows,
        "median_disagreement": {v: float(np.expm1(np.median(d))) for v, d in disagreement.items()},
        "share_within_10_percent": {v: float(np.mean(np.exp(d) <= 1.1)) for v, d in disagreement.items()},
    }


def build_report(options: argparse.Namespace) -> dict[str, Any]:
    """Run everything that was asked for."""
    predict = (
        named_predictor(options.predictor) if options.predictor else engine_predictor(options.model, options.device)
    )
    sources: dict[str, Iterable[TruthFrame]] = {}
    if "motorcycle" in options.sets:
        sources["motorcycle"] = [frames.motorcycle_frame()]
    if "synthetic" in options.sets:
        sources["synthetic, held aside"] = synthetic_frames(options.scenes, options.width, options.height)
    if options.rendered:
        sources["rendered"] = frames.rendered_frames(options.rendered)
    if options.real:
        root = options.real / "frames" if (options.real / "frames").is_dir() else options.real
        sources["real"] = frames.indexed_frames(root)
        for bag in sorted((options.real / "bags").glob("*")):
            sources[f"bag {bag.name}"] = frames.bag_frames(bag)
    report: dict[str, Any] = {"model": options.predictor or options.model, "sets": {}}
    for name, source in sources.items():
        with tqdm(desc=name, unit="frame", file=sys.stderr) as progress:

            def tick(frame: str, progress: tqdm[Any] = progress) -> None:
                progress.update()
                progress.set_postfix_str(frame)

            report["sets"][name] = score_set(source, predict, max_depth_m=options.max_depth, tick=tick)
    if "lenses" in options.sets:
        with tqdm(desc="two lenses", unit="scene", total=options.lens_scenes, file=sys.stderr) as progress:
            report["two_lenses"] = two_lens_check(predict, options.lens_scenes, progress)
    return report


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Command line of this script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="model name or weights path")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--predictor", help="package.module:function to measure in place of this package's engine")
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    parser.add_argument("--scenes", type=int, default=64, help="held-aside synthetic scenes")
    parser.add_argument("--lens-scenes", type=int, default=64)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--rendered", type=Path, help="folder of rendered frames")
    parser.add_argument("--real", type=Path, help="folder with frames/index.json and bags/")
    parser.add_argument("--max-depth", type=float, default=float("inf"), help="truth beyond this (m) counts as sky")
    parser.add_argument("-o", "--output", type=Path, default=Path("runs/accuracy"))
    return parser.parse_args(arguments)


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as file:
        file.write(text.encode())


def main(arguments: list[str] | None = None) -> int:
    """Measure, write and print; 1 and one line on stderr where something cannot be done."""
    options = parse(arguments)
    try:
        report = build_report(options)
        table = markdown(report)
        write_whole(options.output / "accuracy.json", json.dumps(plain(report), indent=1) + "\n")
        write_whole(options.output / "accuracy.md", table)
    except (OSError, Prv2Error) as error:
        print(f"accuracy: {error}", file=sys.stderr)
        return 1
    print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
