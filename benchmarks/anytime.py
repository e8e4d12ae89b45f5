"""Anytime inference: is the budget kept, and are the tiles that are refined the ones with the most to gain?

    python benchmarks/anytime.py [--model default] [--size 3840x2160] [--frames 100] [--share 0.5] [--scenes 8]

First the time of a whole frame, then `frames` frames with `share` of it as the budget: latency over budget at several
percentiles. Then, on procedural scenes from seeds that nothing was trained on: of the error near depth edges that
refining all tiles takes away, the share that the first `share` of the tiles takes away, in the engine's order, in a
random order (mean of 200), and in the best order there is. Errors are of the log depth, after one scale for the frame.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from prv2_ros.data.synthetic import render
from prv2_ros.evaluation.edges import edge_zone
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.tiles import TileGrid, tile_grid
from prv2_ros.inference.config import ALL_FAR_M, EngineConfig
from prv2_ros.inference.engine import DepthEngine

FIRST_SEED = 9_300_000
ORDERS = 200


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--size", default="3840x2160", metavar="WxH")
    parser.add_argument("--tile", type=int, default=768, help="largest side of a tile (px, default: 768)")
    parser.add_argument("--frames", type=int, default=100, help="frames against the clock; 0 to leave that out")
    parser.add_argument("--share", type=float, default=0.5, help="budget as a share of the whole frame's time")
    parser.add_argument("--scenes", type=int, default=8, help="scenes for the ranking; 0 to leave that out")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    config = EngineConfig(max_depth_m=np.inf, max_tile_px=arguments.tile)
    if arguments.frames:
        far = dataclasses.replace(config, metric_from_m=ALL_FAR_M)
        timed = DepthEngine.load(arguments.model, arguments.device, config=far)
        print_latency(timed, width, height, arguments.frames, arguments.share)
    if arguments.scenes:
        # Without it: what it takes away is not the tiles'.
        still = dataclasses.replace(config, far_look=0.0)
        engine = DepthEngine.load(arguments.model, arguments.device, config=still)
        print_ranking(engine, width, height, arguments.scenes, arguments.share)
    return 0


def print_latency(engine: DepthEngine, width: int, height: int, frames: int, share: float) -> None:
    """Measure frames under a budget against the budget."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    camera = CameraModel.from_fov(width, height, 70)
    engine.infer(image, camera)
    whole_ms = statistics.median(engine.infer(image, camera).timings_ms["total"] for _ in range(3))
    budget_ms = share * whole_ms
    engine.infer(image, camera, max_latency_ms=budget_ms)  # learns what a tile costs
    ratios, shares = [], []
    for _ in tqdm(range(frames), unit="frame"):
        result = engine.infer(image, camera, max_latency_ms=budget_ms)
        # Not the depth: keeping it would make every frame pay for memory that was never touched.
        ratios.append(result.timings_ms["total"] / budget_ms)
        shares.append(result.refined_share)
    refined = np.mean(shares)
    print(f"{width}x{height}: whole frame {whole_ms:.0f} ms, budget {budget_ms:.0f} ms, tiles refined {refined:.0%}")
    found = ", ".join(f"p{p} {np.percentile(ratios, p):.3f}" for p in (5, 50, 95, 100))
    print(f"latency / budget over {frames} frames: {found}")


def print_ranking(engine: DepthEngine, width: int, height: int, scenes: int, share: float) -> None:
    """Compare what the first tiles gain in several orders."""
    grid = tile_grid(height, width, max_tile=engine.config.max_tile_px, overlap=engine.config.overlap_px)
    count = max(1, round(share * len(grid)))
    found = []
    for k in tqdm(range(scenes), unit="scene"):
        gains = tile_gains(engine, FIRST_SEED + k, grid)
        rng = np.random.default_rng(k)
        chance = np.mean([gains[rng.permutation(len(gains))[:count]].sum() for _ in range(ORDERS)])
        found.append((gains[:count].sum(), chance, np.sort(gains)[::-1][:count].sum(), gains.sum()))
    ours, chance, best, whole = np.sum(found, 0)
    print(f"edge error that the first {count} of {len(grid)} tiles take away, of all that is taken away:")
    print(f"  engine's order {ours / whole:.0%}, random {chance / whole:.0%}, best possible {best / whole:.0%}")


def tile_gains(engine: DepthEngine, seed: int, grid: TileGrid) -> NDArray[np.float64]:
    """Summed edge error that refining each tile takes away, in the engine's order of tiles."""
    height, width = grid.y.length, grid.x.length
    frame = render(seed, width, height)
    # With a budget that is never spent all tiles are refined, in order of their worth.
    result = engine.infer(frame.image, frame.camera, max_latency_ms=1e9, keep_tiles=True)
    known = np.isfinite(frame.depth_m) & (frame.depth_m > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.log(result.coarse_depth_m) - np.log(frame.depth_m)
        offset = np.median(error[known])
        less = np.abs(error - offset) - np.abs(np.log(result.depth_m) - np.log(frame.depth_m) - offset)
    less = np.where(known & edge_zone(frame.depth_m), less, 0.0)
    places = {(tile.y, tile.x): tile for tile in grid}
    gains = []
    for tile in (places[kept.y, kept.x] for kept in result.tiles):
        weight = grid.weight(tile)
        gains.append(float((less[tile.y : tile.y + weight.shape[0], tile.x : tile.x + weight.shape[1]] * weight).sum()))
    return np.array(gains)


if __name__ == "__main__":
    raise SystemExit(main())
