"""What `min_confidence` leaves and how good it is: share of the pixels with known depth, and their errors.

    python benchmarks/sure_pixels.py --real DIR      # a folder as of benchmarks/accuracy.py

Means over frames, one table for the frames of the folder and one for each bag.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from prv2_ros.errors import Prv2Error
from prv2_ros.evaluation import frames
from prv2_ros.evaluation.frames import TruthFrame
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine

LIMITS = (0.0, 0.75, 0.8, 0.85, 0.88, 0.9)


def frame_rows(engine: DepthEngine, frame: TruthFrame) -> NDArray[np.float64]:
    """AbsRel, mean |log error| and share of what is left, (limits, 3); NaN where nothing is."""
    result = engine.infer(frame.image, frame.camera, coarse=False, confidence=True)
    assert result.confidence is not None
    known = np.isfinite(frame.truth_m) & (frame.truth_m > 0)
    ratio = (result.depth_m[known] / frame.truth_m[known]).astype(np.float64)
    confidence = result.confidence[known]
    rows = []
    for limit in LIMITS:
        kept = ratio[confidence >= limit]
        errors = (np.abs(kept - 1).mean(), np.abs(np.log(kept)).mean()) if kept.size else (math.nan, math.nan)
        rows.append((*errors, kept.size / ratio.size))
    return np.array(rows)


def print_table(name: str, engine: DepthEngine, source: Iterable[TruthFrame]) -> None:
    """Means over the frames of a source."""
    means = np.nanmean([frame_rows(engine, frame) for frame in tqdm(source, desc=name, unit="frame")], axis=0)
    print(f"{name}\nmin_confidence  AbsRel  |log error|  share of known pixels")
    for limit, (abs_rel, log_error, share) in zip(LIMITS, means, strict=True):
        print(f"{limit:14.2f}  {abs_rel:6.3f}  {log_error:11.3f}  {share:21.2f}")


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, required=True, help="folder with frames/ and bags/, or with index.json")
    parser.add_argument("--model", default="default", help="name of a packaged model, or the .yaml of one")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    options = parser.parse_args()
    try:
        engine = DepthEngine.load(options.model, options.device, config=EngineConfig(max_depth_m=math.inf))
        root = options.real / "frames" if (options.real / "frames").is_dir() else options.real
        print_table("frames", engine, frames.indexed_frames(root))
        for bag in sorted((options.real / "bags").glob("*")):
            print_table(f"bag {bag.name}", engine, frames.bag_frames(bag))
    except Prv2Error as error:
        print(f"sure_pixels: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
