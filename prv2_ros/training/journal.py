"""Figures of a run: smoothed over steps, written to `log.jsonl` and, where asked, for TensorBoard."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from prv2_ros.files import whole_file

_KEPT = 0.98

SKIPPED = "skipped_steps"
"""Figure of a row: steps since the row before of which a figure was not finite; not there where there were none."""

_logger = logging.getLogger(__name__)


class Journal:
    """Running means of figures that stay on their device until a row is written; what is not finite is left out."""

    def __init__(self, folder: Path, *, tensorboard: bool = False) -> None:
        """Write into `folder`; a missing `tensorboard` package costs a line, not the run."""
        self.path = folder / "log.jsonl"
        self.means: dict[str, Tensor] = {}
        self.writer = _tensorboard(folder) if tensorboard else None
        self._skipped: Tensor | None = None  # since the last row

    def keep_until(self, step: int) -> None:
        """Drop the rows of later steps, which a resumed run does again, and one that was cut short."""
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []
        kept = [line for line in lines if _step_of(line) <= step]
        if len(kept) < len(lines):
            with whole_file(self.path) as file:
                file.writelines(kept)

    def add(self, figures: Mapping[str, Tensor]) -> None:
        """Take the figures of one step."""
        if not figures:
            return
        finite = {name: torch.isfinite(value) for name, value in figures.items()}
        for name, value in figures.items():
            self.means[name] = _moved(self.means[name], value, finite[name]) if name in self.means else value
        skipped = (~torch.stack(list(finite.values()))).any().long()
        self._skipped = skipped if self._skipped is None else self._skipped + skipped

    def write(self, step: int, seconds: float, learning_rate: float) -> dict[str, float]:
        """Write a row of what the figures are now, and give it; a figure that was never finite is left out."""
        means = {name: float(value) for name, value in self.means.items()}
        figures = {name: value for name, value in means.items() if math.isfinite(value)}
        skipped = 0 if self._skipped is None else int(self._skipped)
        self._skipped = None
        if skipped:
            figures[SKIPPED] = skipped
        row = {"step": step, "seconds": round(seconds, 1), **{k: round(v, 5) for k, v in figures.items()}}
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        if self.writer is not None:
            for name, value in (*figures.items(), ("learning_rate", learning_rate)):
                self.writer.add_scalar(name, value, step)
            self.writer.flush()
        return figures


def _step_of(line: bytes) -> float:
    """Step of a row; infinity where it is none, as what a killed process has left."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf


def _moved(mean: Tensor, value: Tensor, finite: Tensor) -> Tensor:
    """Move a mean towards a finite value; one that is not finite has not begun, and takes the value."""
    return torch.where(torch.isfinite(mean), torch.where(finite, value.lerp(mean, _KEPT), mean), value)


def _tensorboard(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        _logger.warning("tensorboard is not installed: figures go to log.jsonl alone (pip install tensorboard)")
        return None
    return SummaryWriter(str(folder / "tensorboard"))
