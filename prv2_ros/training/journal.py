"""Figures of a run: smoothed over steps, written to `log.jsonl` and, where asked, for TensorBoard."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

_KEPT = 0.98

_logger = logging.getLogger(__name__)


class Journal:
    """Running means of figures that stay on their device until a row is written."""

    def __init__(self, folder: Path, *, tensorboard: bool = False) -> None:
        """Write into `folder`; a missing `tensorboard` package costs a line, not the run."""
        self.path = folder / "log.jsonl"
        self.means: dict[str, Tensor] = {}
        self.writer = _tensorboard(folder) if tensorboard else None

    def add(self, figures: Mapping[str, Tensor]) -> None:
        """Take the figures of one step."""
        for name, value in figures.items():
            self.means[name] = value.lerp(self.means[name], _KEPT) if name in self.means else value

    def write(self, step: int, seconds: float, learning_rate: float) -> dict[str, float]:
        """Write a row of what the figures are now, and give it."""
        figures = {name: float(value) for name, value in self.means.items()}
        row = {"step": step, "seconds": round(seconds, 1), **{k: round(v, 5) for k, v in figures.items()}}
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if self.writer is not None:
            for name, value in (*figures.items(), ("learning_rate", learning_rate)):
                self.writer.add_scalar(name, value, step)
            self.writer.flush()
        return figures


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _logger.warning("tensorboard is not installed: figures go to log.jsonl alone (pip install tensorboard)")
        return None
    return SummaryWriter(str(folder / "tensorboard"))
