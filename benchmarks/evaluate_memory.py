"""Peak memory of `prv2 evaluate` on a long bag beside a short one, each in a process of its own.

    python benchmarks/evaluate_memory.py --frames 20 500 --size 1920x1080

Bags hold raw images and 32FC1 depth (14.5 MB a frame at 1920x1080) of which every tenth row and column is known, as
scoring dense truth takes seconds a frame. The engine answers at once: what is measured is reading, keeping and scoring.
With --model a real one is measured.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test"))  # samples with known depth
from bag_samples import FIRST_NS, PERIOD_NS, STORE, Samples

from prv2_ros.files import BAG_VERSION
from prv2_ros.types import DepthResult

LIMIT_MB = 300
TESTS = Path(__file__).resolve().parents[1] / "test"

_CHILD = """
import json, resource, sys
sys.path[:0] = {paths!r}
from pathlib import Path
from evaluate_memory import flat_engine
from prv2_ros.evaluation.config import load_config
from prv2_ros.evaluation.run import Options, evaluate
model = {model!r}
config = load_config(None, models=[model] if model else None, device="cpu")
options = Options(output=Path({output!r}), load_engine=None if model else flat_engine)
outcome = evaluate([Path({bag!r})], config, options)
assert len(outcome.evaluation.records) == {frames}, outcome.evaluation.skipped[:1]
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))
"""


class Flat:
    """Ten metres everywhere."""

    def infer(self, image_rgb: np.ndarray, camera: Any = None, **_options: bool) -> DepthResult:
        depth_m = np.full(image_rgb.shape[:2], 10.0, np.float32)
        return DepthResult(depth_m=depth_m, coarse_depth_m=depth_m, confidence=np.full_like(depth_m, 0.5))


def flat_engine(model: Any, config: Any) -> Flat:
    return Flat()


def write_bag(path: Path, frames: int, width: int, height: int) -> None:
    """Write images of noise and smooth depth."""
    samples = Samples()
    random = np.random.default_rng(0)
    u = np.linspace(0, 6, width, dtype=np.float32)
    with Writer(path, version=BAG_VERSION, storage_plugin=StoragePlugin.MCAP) as writer:
        connections: dict[str, Any] = {}
        for frame in range(frames):
            stamp = FIRST_NS + frame * PERIOD_NS
            pixels = random.integers(0, 255, (height, width, 3), np.uint8)
            depth_m = np.full((height, width), np.nan, np.float32)
            depth_m[::10, ::10] = np.exp(1 + np.sin(u + frame / 50))[::10]
            info = samples.info("front_optical", stamp)
            info.width, info.height = width, height
            info.k = np.array([width, 0, width / 2, 0, width, height / 2, 0, 0, 1.0])
            info.p = np.insert(info.k, (3, 6, 9), 0.0)
            for topic, message in (
                ("/front/camera_info", info),
                ("/front/image_raw", samples.image(pixels, "rgb8", "front_optical", stamp)),
                ("/front/depth/image_rect", samples.image(depth_m, "32FC1", "front_optical", stamp)),
            ):
                kind = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=STORE)
                writer.write(connections[topic], stamp, STORE.serialize_cdr(message, kind))


def peak_mb(frames: int, width: int, height: int, model: str, folder: Path) -> float:
    """Peak resident memory of an evaluation (MB)."""
    bag, output = folder / f"bag_{frames}", folder / f"out_{frames}"
    write_bag(bag, frames, width, height)
    paths = [str(TESTS.parent), str(TESTS), str(Path(__file__).parent)]
    program = _CHILD.format(paths=paths, bag=str(bag), output=str(output), model=model, frames=frames)
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    shutil.rmtree(bag)
    shutil.rmtree(output)
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, nargs=2, default=(20, 500))
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--model", default="", help="a real model instead of one that answers at once")
    parser.add_argument("--folder", type=Path, help="where the bags are written for the while (default: temporary)")
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        few, many = (peak_mb(frames, width, height, arguments.model, Path(name)) for frames in arguments.frames)
    print(f"peak memory: {few:.0f} MB for {arguments.frames[0]} frames, {many:.0f} MB for {arguments.frames[1]}")
    return 0 if many - few <= LIMIT_MB else 1


if __name__ == "__main__":
    sys.exit(main())
