"""The training loop: clocked or counted, with averaged weights, checkpoints, exact resume and a log."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from prv2_ros.errors import WeightsError
from prv2_ros.network.model import DepthModel
from prv2_ros.training.coarse_maps import write_coarse_maps
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import loader
from prv2_ros.training.stages import STEPS, parameter_groups, set_training_mode, trained_part

_LOG_EVERY = 50  # steps
_CHECKPOINT = "checkpoint.pt"


class Average:
    """Exponential moving average of a module's state; the first steps weigh alike (a plain mean)."""

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        """Start from the module as it is."""
        self.decay = decay
        self.count = 0
        self.state = {name: value.detach().clone() for name, value in module.state_dict().items()}

    def update(self, module: torch.nn.Module) -> None:
        """Move towards the module."""
        self.count += 1
        keep = min(self.decay, self.count / (self.count + 10))
        for name, value in module.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[name].lerp_(value.detach(), 1 - keep)
            else:
                self.state[name].copy_(value)


def learning_rate_share(progress: float, warmup: float) -> float:
    """Linear warm-up, then a cosine to 1%; `progress` runs from 0 to 1."""
    if progress < warmup:
        return max(0.02, progress / warmup)
    along = min(1.0, (progress - warmup) / (1 - warmup))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * along))


class Trainer:
    """One stage's run in a folder: `checkpoint.pt` (resume), `log.jsonl` (figures)."""

    def __init__(self, model: DepthModel, config: TrainConfig, folder: Path) -> None:
        """Prepare; resumes where the folder has a checkpoint."""
        torch.manual_seed(config.seed)
        self.model, self.config, self.folder = model.to(memory_format=torch.channels_last), config, folder
        self.part = trained_part(model, config.stage)
        set_training_mode(model, config)
        groups = parameter_groups(model, config)
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99))
        self.average = Average(self.part, config.ema)
        self.step, self.elapsed = 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        if self.checkpoint.exists():
            self._load()

    @property
    def checkpoint(self) -> Path:
        """File that the run resumes from."""
        return self.folder / _CHECKPOINT

    def progress(self) -> float:
        """Share of the run that is done."""
        if self.config.steps:
            return self.step / self.config.steps
        return self.elapsed / self.config.seconds

    def run(self) -> None:
        """Train to the end; leaves the averaged weights in the model."""
        config = self.config
        figures: dict[str, float] = {}
        maps = (
            write_coarse_maps(self.model, config.data, self.folder, bf16=config.bf16)
            if config.stage == "refiner"
            else {}
        )
        set_training_mode(self.model, config)
        mark = time.monotonic()
        with tqdm(total=1000, initial=int(1000 * self.progress()), desc=config.stage, unit="‰") as bar:
            for batch in loader(config, self.step, maps):
                if self.progress() >= 1:
                    break
                now = self._advance(batch)
                for name, value in now.items():
                    figures[name] = 0.98 * figures.get(name, value) + 0.02 * value
                self.elapsed += time.monotonic() - mark
                mark = time.monotonic()
                bar.update(min(1000, int(1000 * self.progress())) - bar.n)
                if self.step % _LOG_EVERY == 0:
                    self._log(figures)
                    bar.set_postfix({k: f"{v:.3f}" for k, v in figures.items()})
                if self.step % config.checkpoint_every == 0:
                    self._save()
        self._save()
        self.part.load_state_dict(self.average.state)
        self.model.eval()

    def _advance(self, batch: dict[str, Tensor]) -> dict[str, float]:
        """One step of the optimizer; gives the figures of the batch."""
        share = learning_rate_share(self.progress(), self.config.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * group["lr_share"] * share
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bf16):
            loss, figures = STEPS[self.config.stage](self.model, batch)
        if self.step % self.config.accumulate == 0:
            self.optimizer.zero_grad(set_to_none=True)
        (loss / self.config.accumulate).backward()
        self.step += 1
        if self.step % self.config.accumulate == 0:
            self._update()
        return {"loss": float(loss.detach()), **figures}

    def _update(self) -> None:
        norm = torch.nn.utils.clip_grad_norm_(self.part.parameters(), self.config.clip_norm)
        if torch.isfinite(norm):  # one broken batch must not end a night's run
            self.optimizer.step()
            self.average.update(self.part)

    def _log(self, figures: dict[str, float]) -> None:
        row = {"step": self.step, "seconds": round(self.elapsed, 1), **{k: round(v, 5) for k, v in figures.items()}}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _save(self) -> None:
        state: dict[str, Any] = {
            "stage": self.config.stage,
            "part": self.part.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state,
            "average_count": self.average.count,
            "step": self.step,
            "elapsed": self.elapsed,
        }
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(state, temporary)
        temporary.replace(self.checkpoint)

    def _load(self) -> None:
        state = _read(self.checkpoint, self.config.stage)
        self.part.load_state_dict(state["part"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.state = state["average"]
        self.average.count = state["average_count"]
        self.step, self.elapsed = state["step"], state["elapsed"]


def load_average(model: DepthModel, stage: str, folder: Path) -> None:
    """Put the averaged weights of a run's last checkpoint into the stage's part of the model."""
    path = folder / _CHECKPOINT
    if not path.exists():
        raise WeightsError(f"no checkpoint in {folder} to export")
    trained_part(model, stage).load_state_dict(_read(path, stage)["average"])


def _read(path: Path, stage: str) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    if state["stage"] != stage:
        raise WeightsError(f"{path} is of stage {state['stage']}, not {stage}: name another folder")
    return state
