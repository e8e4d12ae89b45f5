"""`prv2 bench`: what a model costs on this machine, and beside the published network."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

from prv2_ros.cli.arguments import add_compile_argument
from prv2_ros.errors import InputError

_COMPARED = ("published-m",)


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("bench", help="measure latency and memory, count the work of a frame")
    parser.add_argument("--model", default="default", help="name of a packaged model or the .yaml of one")
    parser.add_argument("--size", default="3840x2160", help="WIDTHxHEIGHT of the frame in px (default 3840x2160)")
    parser.add_argument("--repeat", type=int, default=3, help="timed frames after one to warm up (default 3)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", help="auto, float32, bfloat16 or float16")
    add_compile_argument(parser)
    parser.add_argument("--flops", action="store_true", help="count the work of a frame by variant; runs nothing")
    parser.add_argument(
        "--compare",
        choices=_COMPARED,
        help="also run PatchRefiner V2-M as published (ViT-L, 16 patches, random weights) on the same frame",
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Count or measure, and print."""
    width, _, height = args.size.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise InputError(f"size {args.size!r}: expected WIDTHxHEIGHT, for example 3840x2160")
    if args.repeat < 1:
        raise InputError(f"repeat {args.repeat}: must be at least 1")
    size_hw = (int(height), int(width))
    if args.flops:
        return _print_work(size_hw)
    return _measure(args, size_hw)


def _print_work(size_hw: tuple[int, int]) -> int:
    from prv2_ros.inference.work import own_work, published_work
    from prv2_ros.network.model import VARIANTS
    from prv2_ros.network.refiner_published import PUBLISHED_ENCODERS

    print(f"GFLOP of a {size_hw[1]}x{size_hw[0]} frame (a multiply-add is two): coarse network + refiner")
    works = {f"refiner_realtime {name}": own_work(spec, size_hw) for name, spec in VARIANTS.items()}
    works |= {f"{name} as published": published_work(encoder) for name, encoder in PUBLISHED_ENCODERS.items()}
    for name, work in works.items():
        print(f"{name:24s}{work.gflop:10,.1f}   {work.coarse_gflop:8,.1f} + {work.refiner_gflop:9,.1f}")
    return 0


def _measure(args: argparse.Namespace, size_hw: tuple[int, int]) -> int:
    import numpy as np
    import torch

    from prv2_ros.geometry.camera import CameraModel
    from prv2_ros.inference.config import ALL_FAR_M, EngineConfig
    from prv2_ros.inference.load import load_engine

    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), np.uint8)
    camera = CameraModel.from_fov(size_hw[1], size_hw[0], 70)
    config = EngineConfig(compile=args.compile, metric_from_m=ALL_FAR_M)
    engine = load_engine(args.model, args.device, args.precision, config=config)
    engine.infer(image, camera, coarse=False)  # as the node asks for it
    runs = [dict(engine.infer(image, camera, coarse=False).timings_ms) for _ in range(args.repeat)]
    ours_ms = statistics.median(run["total"] for run in runs)
    precision = str(engine.dtype).removeprefix("torch.")
    machine = f"{engine.device}, {precision}, {torch.get_num_threads()} threads, compile {args.compile}"
    print(f"{args.model} on {args.size}, {machine}, median of {args.repeat}")
    for stage in runs[0]:
        print(f"  {stage:12s}{statistics.median(run[stage] for run in runs):10.1f} ms")
    print(f"  peak memory {_peak_mib(engine.device):10,.0f} MiB{'' if engine.device.type == 'cuda' else ' resident'}")
    if args.compare:
        other_ms = _published_ms(args, image)
        print(f"{args.compare}: {other_ms / 1e3:.1f} s; {args.model} is {other_ms / ours_ms:.1f} times as fast")
    return 0


def _published_ms(args: argparse.Namespace, image: Any) -> float:
    """Time of one frame through PRV2-M, after one patch to warm up."""
    import torch

    from prv2_ros.geometry.patches import PatchLayout
    from prv2_ros.inference.published import PublishedEngine
    from prv2_ros.network.coarse_transformers import build_depth_anything
    from prv2_ros.network.refiner_published import PUBLISHED_ENCODERS, build_published_refiner

    print("running PRV2-M as published ...", file=sys.stderr, flush=True)
    torch.manual_seed(0)
    coarse = build_depth_anything("large")
    refiner = build_published_refiner(PUBLISHED_ENCODERS["PRV2-M"], coarse.feature_channels)
    settings = {"device": args.device, "precision": args.precision}
    PublishedEngine(coarse, refiner, layout=PatchLayout(rows=1, columns=1), **settings).infer(image, coarse=False)
    engine = PublishedEngine(coarse, refiner, **settings)
    start = time.perf_counter()
    engine.infer(image, coarse=False)
    return (time.perf_counter() - start) * 1e3


def _peak_mib(device: Any) -> float:
    import resource

    import torch

    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
