"""One patch of the published refiner: this implementation against a plain one, in turn, in one process.

    python benchmarks/published.py [--encoder mobilenetv4_conv_small] [--patch 448] [--threads 2] [--repeat 3]

Weights are random: time does not depend on them. `difference` is to the plain float32 depth; for bfloat16 the mean of
the relative difference.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from published_plain import plain_forward
from torch import Tensor

from prv2_ros.network.refiner_published import COARSE_CHANNELS, build_published_refiner


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="mobilenetv4_conv_small")
    parser.add_argument("--patch", type=int, default=448, help="side of the patch in px (default: 448)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    plain = build_published_refiner(arguments.encoder).eval()
    fast = build_published_refiner(arguments.encoder).eval()
    fast.load_state_dict(plain.state_dict())
    fast = fast.to(memory_format=torch.channels_last)
    image, depth, coarse = patch_inputs(arguments.patch)
    last = [x.contiguous(memory_format=torch.channels_last) for x in (image, *coarse)]

    def bf16() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return fast(last[0], depth, last[1:]).float()

    ways: dict[str, Callable[[], Tensor]] = {
        "plain, float32": lambda: plain_forward(plain, image, depth, coarse),
        "ours, float32": lambda: fast(last[0], depth, last[1:]),
        "ours, bfloat16": bf16,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    answers = {}
    with torch.inference_mode():
        for turn in range(arguments.repeat + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                answers[name] = way()
                if turn:  # the first turn builds primitives
                    seconds[name].append(time.perf_counter() - start)
    truth = answers["plain, float32"]
    first = statistics.median(seconds["plain, float32"])
    print(f"{arguments.encoder}, one patch of {arguments.patch} px, {arguments.threads} threads, median")
    for name, values in seconds.items():
        gap = (answers[name] - truth).abs()
        told = (
            f"mean {float((gap / truth.clamp(min=0.1)).mean()):.2%}"
            if "bf" in name
            else f"max {float(gap.max()):.1e} m"
        )
        median = statistics.median(values)
        print(f"{name:16s}{median:8.2f} s{first / median:8.2f} x   difference {told}")
    return 0


def patch_inputs(patch: int) -> tuple[Tensor, Tensor, list[Tensor]]:
    sizes = [max(1, round(patch * share)) for share in (1, 4 / 7, 2 / 7, 1 / 7, 1 / 14, 1 / 28)]
    coarse = [torch.randn(1, c, s, s) for c, s in zip(COARSE_CHANNELS, sizes, strict=True)]
    return torch.rand(1, 3, patch, patch), 1 + 20 * torch.rand(1, 1, patch, patch), coarse[::-1]


if __name__ == "__main__":
    raise SystemExit(main())
