"""Seams between tiles: the mean depth step across tile borders against the same one pixel away from them.

    python benchmarks/seams.py [--model default] [--scenes 4] [--size 3840x2160] [--overlaps 64 0]

On procedural scenes from seeds that nothing was trained on. A border is where a tile's share begins, ends, or passes
one half. The step is |log depth difference| of neighbouring pixels, in percent of the depth. `overlap 0` cuts tiles
hard and shows what blending is worth.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from prv2_ros.data.synthetic import render
from prv2_ros.geometry.tiles import TileAxis, tile_grid
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine

FIRST_SEED = 9_200_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--size", default="3840x2160", metavar="WxH")
    parser.add_argument("--overlaps", type=int, nargs="+", default=[64, 0], metavar="PX")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    engines = {
        overlap: DepthEngine.load(arguments.model, config=EngineConfig(overlap_px=overlap, max_depth_m=np.inf))
        for overlap in arguments.overlaps
    }
    steps: dict[int, list[tuple[float, float]]] = {overlap: [] for overlap in engines}
    for k in tqdm(range(arguments.scenes), unit="scene"):
        frame = render(FIRST_SEED + k, width, height)
        for overlap, engine in engines.items():
            log_depth = np.log(engine.infer(frame.image, frame.camera).depth_m)
            grid = tile_grid(height, width, max_tile=engine.config.max_tile_px, overlap=overlap)
            steps[overlap].append(border_steps(log_depth, grid.y, grid.x))
    for overlap, found in steps.items():
        at, beside = np.mean(found, 0)
        print(f"overlap {overlap:3d} px: step {at:.4%} at borders, {beside:.4%} beside them, ratio {at / beside:.3f}")
    return 0


def border_steps(log_depth: NDArray[np.float32], y: TileAxis, x: TileAxis) -> tuple[float, float]:
    """Mean step across the borders of both axes, and one pixel before and after them."""
    at, beside = [], []
    for axis, tiles in ((0, y), (1, x)):
        step = np.abs(np.diff(log_depth, axis=axis)).mean(1 - axis)
        for border in borders(tiles):
            at.append(step[border])
            beside.append((step[border - 1] + step[border + 1]) / 2)
    return float(np.mean(at)), float(np.mean(beside))


def borders(tiles: TileAxis) -> Iterator[int]:
    """Pixel before each border along an axis."""
    for k in range(len(tiles.starts) - 1):
        begin, end = tiles.used(k + 1)[0], tiles.used(k)[1]
        for border in {begin, (begin + end) // 2, end}:
            if 1 < border < tiles.length - 2:
                yield border - 1


if __name__ == "__main__":
    raise SystemExit(main())
