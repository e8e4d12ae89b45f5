"""Choice of the compute device and of the precision on it."""

from __future__ import annotations

import logging

import torch

from prv2_ros.errors import DeviceError

_logger = logging.getLogger(__name__)

PRECISIONS = ("auto", "float32", "bfloat16", "float16")


def choose_device(name: str) -> torch.device:
    """Turn a device name into a device that was seen to work.

    Args:
        name: `auto` (CUDA where a small convolution runs on it, else the CPU, with the reason logged), `cpu`,
            `cuda` or `cuda:N`.

    Raises:
        DeviceError: an unknown name, or a CUDA device that was asked for and does not work.

    """
    if name == "auto":
        if not torch.cuda.is_available():
            _logger.info("device auto: cpu, as %s", why_no_cuda())
            return torch.device("cpu")
        fault = _cuda_fault(torch.device("cuda"))
        if fault is None:
            return torch.device("cuda")
        _logger.warning("device auto: cpu, because CUDA is there and does not work: %s", fault)
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise DeviceError(f"device {name!r} is unknown: use auto, cpu, cuda or cuda:N")
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise DeviceError(f"device {name!r} cannot be used: {why_no_cuda()}; use device auto or cpu")
        count = torch.cuda.device_count()
        if device.index is not None and device.index >= count:
            raise DeviceError(f"device {name!r} does not exist: this machine has {count} CUDA device(s)")
        fault = _cuda_fault(device)
        if fault is not None:
            raise DeviceError(f"device {name!r} does not work: {fault}; use device auto or cpu")
    return device


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Turn a precision name into the type that convolutions are computed in; weights and depth stay float32.

    Args:
        name: `float32`, `bfloat16`, `float16` (CUDA only), or `auto`: float16 on CUDA, float32 on a CPU. Even on a
            CPU with bfloat16 tiles (AMX) bfloat16 measured only 1.2 to 1.4 times as fast as float32, and it changes
            the coarse depth by 0.7 % on average and 3.6 % at most.
        device: a device of `choose_device`.

    Raises:
        DeviceError: an unknown name, or float16 on a CPU.

    """
    if name not in PRECISIONS:
        raise DeviceError(f"precision {name!r} is unknown: use one of {', '.join(PRECISIONS)}")
    if name == "float16" and device.type == "cpu":
        raise DeviceError("precision 'float16' is not for a CPU: use auto, float32 or bfloat16")
    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]
    return torch.float16 if device.type == "cuda" else torch.float32


def why_no_cuda() -> str:
    """Say in a clause why torch offers no CUDA device that works."""
    if torch.cuda.is_available():
        return f"CUDA does not work: {_cuda_fault(torch.device('cuda'))}"
    if torch.version.cuda is None:
        return f"torch {torch.__version__} is built without CUDA"
    return (
        f"torch {torch.__version__}, built for CUDA {torch.version.cuda}, sees no CUDA device (is the NVIDIA driver "
        "installed, and new enough for that CUDA? nvidia-smi says; older drivers need a torch built for an older one)"
    )


def _cuda_fault(device: torch.device) -> str | None:
    """Run a convolution and wait for it; return what went wrong in one line, or None."""
    try:
        weight = torch.ones(8, 8, 3, 3, device=device)
        result = torch.nn.functional.conv2d(torch.ones(1, 8, 16, 16, device=device), weight)
        torch.cuda.synchronize(device)
        if float(result[0, 0, 0, 0]) != 72.0:
            return f"a convolution gave {float(result[0, 0, 0, 0])} instead of 72"
    except RuntimeError as error:
        return str(error).strip().splitlines()[0]
    return None
