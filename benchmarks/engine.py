"""Time of the engine by stage, and its peak memory, at three image sizes.

    python benchmarks/engine.py [--device cpu] [--model default] [--sizes 1920x1080 ...] [--json FILE]

Each size runs in a process of its own, so that its peak memory is its own. Beside the wall-clock median stands the
time the CPU worked: on a machine that does other things, only that one repeats.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SIZES = ("1280x720", "1920x1080", "3840x2160")
STAGES = ("preprocess", "coarse", "far_look", "refine", "postprocess", "total")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=SIZES, metavar="WxH")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument(
        "--model", default="default", help="a packaged model, the .yaml of one, or `random` (default: default)"
    )
    parser.add_argument("--tile", type=int, default=768, help="largest side of a tile (px, default: 768)")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: torch's choice)")
    parser.add_argument(
        "--repeat", type=int, default=3, help="timed runs of each size after one to warm up (default: 3)"
    )
    parser.add_argument("--json", type=Path, help="write the figures here as well")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments)))
        return 0
    rows = []
    print(
        f"{'size':>10} {'tiles':>6}"
        + "".join(f"{stage + ' ms':>16}" for stage in STAGES)
        + f"{'CPU ms':>9}{'peak MiB':>10}"
    )
    for size in arguments.sizes:
        command = [sys.executable, __file__, "--one", "--sizes", size, "--device", arguments.device]
        command += ["--precision", arguments.precision, "--model", arguments.model, "--tile", str(arguments.tile)]
        command += ["--threads", str(arguments.threads), "--repeat", str(arguments.repeat)]
        row = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
        rows.append(row)
        stages = "".join(f"{row['median_ms'][stage]:16.1f}" for stage in STAGES)
        print(f"{size:>10} {row['tiles']:>6}{stages}{row['cpu_ms']:9.0f}{row['peak_mib']:10.0f}", flush=True)
    print(
        f"device {rows[0]['device']}, {rows[0]['precision']}; peak memory of the {rows[0]['memory']}, weights included"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")
    return 0


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run one size; the peak is of the GPU's memory on a GPU, else of the process."""
    import numpy as np
    import torch

    from prv2_ros.geometry.camera import CameraModel
    from prv2_ros.geometry.tiles import tile_grid
    from prv2_ros.inference.config import ALL_FAR_M, EngineConfig
    from prv2_ros.inference.engine import DepthEngine
    from prv2_ros.network.model import DepthModel

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    config = EngineConfig(max_tile_px=arguments.tile, metric_from_m=ALL_FAR_M)
    kwargs = {"device": arguments.device, "precision": arguments.precision, "config": config}
    random = arguments.model == "random"
    engine = DepthEngine(DepthModel(), **kwargs) if random else DepthEngine.load(arguments.model, **kwargs)
    width, height = (int(side) for side in arguments.sizes[0].split("x"))
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    camera = CameraModel.from_fov(width, height, 70)
    engine.infer(image, camera)
    runs, cpu_ms = [], []
    for _ in range(arguments.repeat):
        start = time.process_time()
        runs.append(engine.infer(image, camera).timings_ms)
        cpu_ms.append((time.process_time() - start) * 1e3)
    on_gpu = engine.device.type == "cuda"
    peak = torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "size": arguments.sizes[0],
        "tiles": len(tile_grid(height, width, max_tile=config.max_tile_px, overlap=config.overlap_px)),
        "median_ms": {stage: statistics.median(run[stage] for run in runs) for stage in STAGES},
        "cpu_ms": statistics.median(cpu_ms),
        "peak_mib": peak / 2**20,
        "memory": "GPU" if on_gpu else "process",
        "device": str(engine.device),
        "precision": str(engine.dtype).removeprefix("torch."),
    }


if __name__ == "__main__":
    sys.exit(main())
