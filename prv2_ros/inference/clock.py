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

    def lap(self, stage: str) -> float:
        """End a stage; gives its milliseconds."""
        now = self._now()
        self._stages[stage] = (now - self._last) * 1e3
        self._last = now
        return self._stages[stage]

    def elapsed_ms(self) -> float:
        """Milliseconds since the start."""
        return (self._now() - self._start) * 1e3

    def _now(self) -> float:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def timings_ms(self) -> dict[str, float]:
        """Milliseconds by stage, and `total`."""
        return {**self._stages, "total": (self._last - self._start) * 1e3}
