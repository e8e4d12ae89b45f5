"""A whole 3840x2160 frame through the published network: seconds, and the peak of resident memory.

    python benchmarks/published_frame.py [--coarse small] [--encoder mobilenetv4_conv_small] [--mode m2] [--threads 2]

Weights are random: neither time nor memory depends on them. Nothing else runs in the process, so that the peak is the
frame's own: interpreter and libraries, weights, and what is computed.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
import torch

from prv2_ros.geometry.patches import PatchLayout
from prv2_ros.inference.published import PublishedEngine
from prv2_ros.network.coarse_transformers import SIZES, build_depth_anything
from prv2_ros.network.refiner_published import build_published_refiner


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--coarse", default="small", choices=SIZES, help="size of Depth Anything V2 (default: small)")
    parser.add_argument("--encoder", default="mobilenetv4_conv_small")
    parser.add_argument("--mode", default="m2", help="m1, m2, rN or blend (default: m2, 49 patches)")
    parser.add_argument("--size", default="3840x2160", metavar="WxH")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    width, height = (int(side) for side in arguments.size.split("x"))
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    before = peak_mib()
    coarse = build_depth_anything(arguments.coarse)
    refiner = build_published_refiner(arguments.encoder, coarse.feature_channels)
    engine = PublishedEngine(
        coarse,
        refiner,
        layout=PatchLayout(mode=arguments.mode),
        device=arguments.device,
        precision=arguments.precision,
    )
    start = time.perf_counter()
    result = engine.infer(image)
    seconds = time.perf_counter() - start
    stages = ", ".join(f"{name} {value / 1e3:.1f} s" for name, value in result.timings_ms.items())
    network = f"{arguments.coarse} + {arguments.encoder}, {arguments.mode}"
    print(f"{arguments.size}, {network}, {engine.device}: {seconds:.1f} s")
    print(f"stages: {stages}")
    print(f"peak resident memory: {peak_mib():,.0f} MiB, of which {before:,.0f} MiB before the network was built")
    return 0


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    raise SystemExit(main())
