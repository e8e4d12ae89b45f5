"""What the C library does with freed memory, in a process that needs the same large arrays frame after frame."""

from __future__ import annotations

import ctypes
import gc
import os
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT_BYTES = 256 << 20
_LARGEST_BYTES = 32 << 20  # the most that glibc takes; a depth map of 3840x2160 fits
_USERS_CHOICE = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Have glibc keep up to 256 MiB of freed memory instead of handing every large array back at once.

    Messages, their serialised form and the networks' maps are megabytes each and wanted again in the next frame; asked
    of the kernel anew, their pages cost more than their contents: publishing takes a third longer
    (benchmarks/node_overhead.py --return-memory).

    Returns:
        Whether it took effect: not on another C library, nor where the user has set glibc's own environment variables.

    """
    if any(name in os.environ for name in _USERS_CHOICE):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _LARGEST_BYTES)) and bool(mallopt(_TRIM_THRESHOLD, _KEPT_BYTES))


def release_memory(device: Any) -> None:
    """Give back the GPU memory that torch keeps for later, once a model is gone; on a CPU there is nothing to do."""
    if getattr(device, "type", "cpu") != "cuda":
        return
    import torch

    gc.collect()  # what still stands in a cycle holds its memory
    with torch.cuda.device(device):
        torch.cuda.empty_cache()
