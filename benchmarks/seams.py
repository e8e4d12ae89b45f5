"""Seams between tiles: how much neighbouring tiles disagree where they overlap, and what is left of it in the answer.

    python benchmarks/seams.py [--model default] [--scenes 4] [--size 3840x2160] [--overlap 64]

On procedural scenes from seeds that nothing was trained on. Blending spreads a disagreement over the crossfade, so
that no step stands out, however large it is. Hence, in percent of the depth:

- the disagreement itself: mean |log depth difference| of two tiles over the pixels that both see;
- what it adds from one pixel to the next, spread over the crossfade, beside the mean step of the depth there.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from tqdm import tqdm

from prv2_ros.data.synthetic import render
from prv2_ros.evaluation.temporal import tile_consistency
from prv2_ros.geometry.tiles import TileAxis, tile_grid
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.types import DepthResult

FIRST_SEED = 9_200_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--size", default="3840x2160", metavar="WxH")
    parser.add_argument("--overlap", type=int, default=64, metavar="PX")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    engine = DepthEngine.load(arguments.model, config=EngineConfig(overlap_px=arguments.overlap, max_depth_m=np.inf))
    found = []
    for k in tqdm(range(arguments.scenes), unit="scene"):
        frame = render(FIRST_SEED + k, width, height)
        found.append(seam_steps(engine.infer(frame.image, frame.camera, keep_tiles=True), engine.config))
    disagreement, added, step = np.mean(found, 0)
    print(f"overlap {arguments.overlap} px: tiles disagree by {disagreement:.2%} of the depth where they overlap")
    print(f"blended: {added:.4%} from pixel to pixel, where the depth itself steps by {step:.4%}")
    return 0


def seam_steps(result: DepthResult, config: EngineConfig) -> tuple[float, float, float]:
    """Disagreement of the tiles of an image, what it adds per pixel of the crossfade, and the mean step there."""
    height, width = result.depth_m.shape
    grid = tile_grid(height, width, max_tile=config.max_tile_px, overlap=config.overlap_px)
    disagreement = tile_consistency(result.tiles)["tile_consistency_log"]
    log_depth = np.log(result.depth_m)
    steps, lengths = [], []
    for axis, tiles in ((0, grid.y), (1, grid.x)):
        step = np.abs(np.diff(log_depth, axis=axis)).mean(1 - axis)
        for begin, end in fades(tiles):
            steps.append(step[begin:end].mean())
            lengths.append(end - begin)
    return disagreement, disagreement / float(np.mean(lengths)), float(np.mean(steps))


def fades(tiles: TileAxis) -> Iterator[tuple[int, int]]:
    """First pixel and end of each stretch where two tiles share the weight."""
    for k in range(len(tiles.starts) - 1):
        yield tiles.used(k + 1)[0], tiles.used(k)[1]


if __name__ == "__main__":
    raise SystemExit(main())
