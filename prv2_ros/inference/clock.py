"""Time of the stages of one inference."""

from __future__ import annotations

import time

import torch


class StageClock:
    """Wall-clock time by stage; waits for the GPU at the end of each, or its work would count for a later one."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._start = self._last = time.perf_counter()
        self._stages: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """End a stage."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self._stages[stage] = (now - self._last) * 1e3
        self._last = now

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage, and `total`."""
        return {**self._stages, "total": (self._last - self._start) * 1e3}
