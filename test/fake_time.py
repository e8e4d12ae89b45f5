"""A clock that only what a test runs moves on."""

from __future__ import annotations


class FakeTime:
    """Stands in for the module `time`."""

    def __init__(self) -> None:
        self.now_ms = 0.0

    def __deepcopy__(self, memo: dict[int, object]) -> FakeTime:
        """The engine's copy of a model is on the same clock."""
        return self

    def perf_counter(self) -> float:
        return self.now_ms / 1e3
