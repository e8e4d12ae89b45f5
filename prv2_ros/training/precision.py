"""Which precision a run computes in on its device."""

from __future__ import annotations

import dataclasses
import logging
import platform

import torch

from prv2_ros.errors import ConfigError
from prv2_ros.training.config import TrainConfig

_logger = logging.getLogger(__name__)

_X86 = ("x86_64", "amd64")
_CHECKS = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # of torch.cpu; not every torch has them


def bfloat16_is_slow() -> bool:
    """Whether this CPU has neither AVX512-BF16 nor AMX; False where torch cannot tell."""
    checks = [getattr(torch.cpu, name, None) for name in _CHECKS]
    if platform.machine().lower() not in _X86 or None in checks:
        return False
    return not any(check() for check in checks if check is not None)


def with_fitting_precision(config: TrainConfig, device: torch.device, *, tell: bool = True) -> TrainConfig:
    """Give the config with `bf16` off where the CPU would emulate it: a step then takes about eight times as long.

    This follows from the machine alone, so that a run that is resumed there goes on as it began.

    Args:
        config: as the user wrote it.
        device: what the run computes on.
        tell: whether to log that `bf16` was turned off.

    Raises:
        ConfigError: float16 on a CPU.

    """
    if config.fp16 and device.type != "cuda":
        raise ConfigError(f"fp16 needs CUDA, and the device is {device}: use bf16")
    if not config.bf16 or device.type != "cpu" or not bfloat16_is_slow():
        return config
    if tell:
        _logger.warning("bf16 is off: this CPU has neither AVX512-BF16 nor AMX, and is faster in float32")
    return dataclasses.replace(config, bf16=False)
