"""Time of one training step of the coarse network on this CPU, and what each saving brings.

    python benchmarks/training.py [--threads 1] [--batch 8] [--size 256x448] [--repeat 5]

Random pictures: no data is read. All variants run in turn in one process, so that the ratios hold where others use the
machine, too. `mixed precision` needs a CPU with AMX or AVX512-BF16 to be of use.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from prv2_ros.network.model import DepthModel
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.stages import coarse_step, set_training_mode

STEM = ("conv_stem", "blocks.0")
VARIANTS: dict[str, dict[str, object]] = {
    "float32, all learning": {"frozen": ()},
    "float32": {"frozen": STEM},
    "mixed precision": {"frozen": STEM, "bf16": True},
    "fixed depthwise kernels": {"frozen": STEM, "fixed_depthwise": True},
    "both": {"frozen": STEM, "bf16": True, "fixed_depthwise": True},
    "both, first half frozen": {
        "frozen": (*STEM, "blocks.1", "blocks.2"),
        "bf16": True,
        "fixed_depthwise": True,
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--size", default="256x448", metavar="HxW")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    height, width = (int(side) for side in arguments.size.split("x"))
    torch.manual_seed(0)
    batch = {
        "image": torch.randint(0, 255, (arguments.batch, 3, height, width), dtype=torch.uint8),
        "log_depth": torch.randn(arguments.batch, 1, height, width),
        "f_px": torch.full((arguments.batch,), 400.0),
    }
    model = DepthModel().to(memory_format=torch.channels_last)
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for turn in range(arguments.repeat + 1):
        for name, values in VARIANTS.items():
            seconds = step_seconds(model, batch, TrainConfig(stage="coarse", **values))  # type: ignore[arg-type]
            if turn:  # the first turn builds the primitives
                times[name].append(seconds)
    first = statistics.median(times["float32, all learning"])
    print(f"one step of {arguments.batch} images of {width}x{height}, {arguments.threads} thread(s), median")
    for name, values in times.items():
        median = statistics.median(values)
        print(f"{name:26s}{median:8.2f} s{first / median:8.2f} x")
    return 0


def step_seconds(model: DepthModel, batch: dict[str, torch.Tensor], config: TrainConfig) -> float:
    """Forward and backward of one step."""
    model.requires_grad_(True)
    set_training_mode(model, config)
    model.zero_grad(set_to_none=True)
    start = time.perf_counter()
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bf16):
        loss, _ = coarse_step(model, batch)
    loss.backward()
    return time.perf_counter() - start


if __name__ == "__main__":
    raise SystemExit(main())
