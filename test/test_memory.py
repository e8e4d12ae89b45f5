"""Freed memory that is kept: told by the page faults of a process of its own, as the setting is the process's."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_PROGRAM = """
import resource
import numpy as np
from prv2_ros.memory import keep_freed_memory
print(keep_freed_memory())
for k in range(12):
    if k == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    a = np.ones(8 << 20, np.uint8)
    del a
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10)
"""


def _run(**environment: str) -> tuple[bool, float]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=clean | environment, capture_output=True, text=True, check=True
    )
    took_effect, faults = done.stdout.split()
    return took_effect == "True", float(faults)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_large_arrays_reuse_their_pages() -> None:
    took_effect, faults = _run()
    if not took_effect:
        pytest.skip("this C library has no mallopt")
    assert faults < 100  # 8 MiB fetched anew are 2,048 pages of 4 KiB


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MALLOC_TRIM_THRESHOLD_", "131072"),
        ("MALLOC_MMAP_THRESHOLD_", "131072"),
        ("GLIBC_TUNABLES", "glibc.malloc.trim_threshold=131072"),
    ],
)
def test_the_users_own_setting_stays(name: str, value: str) -> None:
    took_effect, _ = _run(**{name: value})
    assert not took_effect
