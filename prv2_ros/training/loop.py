"""The training loop: clocked or counted, one process or many, with averaged weights, checkpoints and exact resume."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from prv2_ros.errors import ConfigError, WeightsError
from prv2_ros.files import whole_file
from prv2_ros.network.checkpoint import fill_strictly
from prv2_ros.network.model import DepthModel
from prv2_ros.training.coarse_maps import write_coarse_maps
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.distributed import World, current_world, synchronise_norms
from prv2_ros.training.feed import Batch, Prepared, loader
from prv2_ros.training.journal import Journal
from prv2_ros.training.parts import parameter_groups, set_training_mode, trained_part
from prv2_ros.training.pseudo_labels import Teacher, write_pseudo_labels
from prv2_ros.training.resident import ResidentFeed
from prv2_ros.training.stages import Figures, StageModule

_LOG_EVERY = 50  # steps
_CHECKPOINT = "checkpoint.pt"
_CPU = torch.device("cpu")


class Average:
    """Exponential moving average of a module's state, with a shorter memory at first.

    Until n / (n + 10) exceeds the decay, the average after n updates lags by n / 11 of them: update k weighs as
    (k + 1)(k + 2)...(k + 9), the state at the start being update 0, which is soon forgotten.
    """

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


def learning_rate_share(progress: float, warmup: float, start: float = 0.02) -> float:
    """Rise in a line from `start` to 1, then fall as a cosine to 1%; `progress` runs from 0 to 1."""
    if progress < warmup:
        return start + (1 - start) * progress / warmup
    along = min(1.0, (progress - warmup) / (1 - warmup))
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * along))


class Trainer:
    """One stage's run in a folder: `checkpoint.pt` (resume), `log.jsonl` (figures)."""

    def __init__(
        self,
        model: DepthModel,
        config: TrainConfig,
        folder: Path,
        *,
        device: torch.device = _CPU,
        teacher: Teacher | None = None,
    ) -> None:
        """Prepare; resumes where the folder has a checkpoint.

        Raises:
            ConfigError: float16 on a CPU, or a real stage without a teacher.
            WeightsError: the checkpoint is of another stage.

        """
        if config.fp16 and device.type != "cuda":
            raise ConfigError(f"fp16 needs CUDA, and the device is {device}: use bf16")
        if config.stage == "real" and teacher is None:
            raise ConfigError("the real stage needs a teacher for its pseudo labels: --teacher MODEL")
        torch.manual_seed(config.seed)
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.config, self.folder, self.device, self.teacher = config, folder, device, teacher
        self.world: World = current_world()
        self.part = trained_part(model, config.stage)
        synchronise_norms(model, self.world, device)
        set_training_mode(model, config)
        self.stage: torch.nn.Module = StageModule(model, config)
        if self.world.size > 1:
            places = [device] if device.type == "cuda" else None
            self.stage = DistributedDataParallel(self.stage, device_ids=places, broadcast_buffers=False)
        groups = parameter_groups(model, config)
        self.optimizer = torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99))
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.fp16)
        self.average = Average(self.part, config.ema)
        self.step, self.elapsed = 0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(folder, tensorboard=config.tensorboard and self.world.first)
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

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train."""
        return self.progress() >= 1

    def prepare(self) -> Prepared:
        """Compute what the stage needs once: coarse maps or pseudo labels. One process does, the others read."""
        if not self.world.first:
            self.world.barrier()
        prepared = Prepared()
        if self.config.stage == "refiner":
            maps = write_coarse_maps(self.model, self.config.data, self.folder, bf16=self.config.bf16)
            prepared = Prepared(maps=maps)
        elif self.config.stage == "real":
            assert self.teacher is not None
            prepared = Prepared(labels=write_pseudo_labels(self.teacher, self.config.data, self.folder))
        if self.world.first:
            self.world.barrier()
        return prepared

    def run(self) -> None:
        """Train to the end; leaves the averaged weights in the model."""
        config, first = self.config, self.world.first
        prepared = self.prepare()
        set_training_mode(self.model, config)
        batches = self._batches(prepared)
        mark = time.monotonic()
        if first and self.step:
            self.journal.keep_until(self.step)
        start = min(1000, int(1000 * self.progress()))
        with tqdm(total=1000, initial=start, desc=config.stage, unit="‰", disable=not first) as bar:
            for batch in batches:
                if self.is_finished:
                    break
                self.journal.add(self._advance(batch))
                elapsed = self.elapsed + time.monotonic() - mark
                mark = time.monotonic()
                # All processes must see the same clock, or they would not stop at the same step.
                self.elapsed = elapsed if config.steps else self.world.from_first(elapsed)
                bar.update(min(1000, int(1000 * self.progress())) - bar.n)
                # A run shorter than the rows are apart has one, too.
                if first and (self.step % _LOG_EVERY == 0 or self.is_finished):
                    rate = config.learning_rate * self._rate_share()
                    figures = self.journal.write(self.step, self.elapsed, rate)
                    bar.set_postfix({k: f"{v:.3f}" for k, v in figures.items()})
                if self.step % config.checkpoint_every == 0:
                    self._save()
        self._save()
        self.world.barrier()
        self.part.load_state_dict(self.average.state)
        self.model.eval()

    def _batches(self, prepared: Prepared) -> Iterable[Batch]:
        if self.config.resident:
            return ResidentFeed(self.config, self.step, self.device, rank=self.world.rank)
        return loader(self.config, self.step, prepared, rank=self.world.rank)

    def _rate_share(self) -> float:
        return learning_rate_share(self.progress(), self.config.warmup, self.config.warmup_from)

    def _advance(self, batch: Batch) -> Figures:
        """One step of the optimizer, or the part of one that accumulates; gives the figures over all processes."""
        config = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * group["lr_share"] * self._rate_share()
        if self.step % config.accumulate == 0:
            self.optimizer.zero_grad(set_to_none=True)
        complete = (self.step + 1) % config.accumulate == 0
        batch = {name: value.to(self.device, non_blocking=True) for name, value in batch.items()}
        with self._unshared(not complete):
            half = torch.float16 if config.fp16 else torch.bfloat16
            with torch.autocast(self.device.type, half, enabled=config.bf16 or config.fp16):
                loss, figures = self.stage(batch)
            self.scaler.scale(loss / config.accumulate).backward()
        self.step += 1
        if complete:
            self._update()
        return self.world.mean({"loss": loss.detach(), **figures})

    def _unshared(self, wanted: bool) -> AbstractContextManager[object]:
        """Keep gradients to this process until the last batch of a step."""
        if wanted and isinstance(self.stage, DistributedDataParallel):
            context: AbstractContextManager[object] = self.stage.no_sync()
            return context
        return nullcontext()

    def _update(self) -> None:
        self.scaler.unscale_(self.optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.part.parameters(), self.config.clip_norm)
        if torch.isfinite(norm):  # one broken batch must not end a night's run
            self.scaler.step(self.optimizer)
            self.average.update(self.part)
        self.scaler.update()

    def _save(self) -> None:
        if not self.world.first:
            return
        state: dict[str, Any] = {
            "stage": self.config.stage,
            "part": self.part.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state,
            "average_count": self.average.count,
            "figures": self.journal.means,
            "step": self.step,
            "elapsed": self.elapsed,
        }
        # Through memory: where torch writes to a file itself, a full disk is an error of its own without a cause.
        data = io.BytesIO()
        torch.save(state, data)
        with whole_file(self.checkpoint) as file:
            file.write(data.getbuffer())

    def _load(self) -> None:
        state = _read(self.checkpoint, self.config.stage, self.device)
        fill_strictly(self.part, state["part"], str(self.checkpoint))
        self.optimizer.load_state_dict(state["optimizer"])
        if self.config.fp16 and state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
        self.average.state = state["average"]
        self.average.count = state["average_count"]
        self.journal.means = state["figures"]
        self.step, self.elapsed = state["step"], state["elapsed"]


def load_average(model: DepthModel, stage: str, folder: Path) -> None:
    """Put the averaged weights of a run's last checkpoint into the stage's part of the model."""
    path = folder / _CHECKPOINT
    if not path.exists():
        raise WeightsError(f"no checkpoint in {folder} to export")
    fill_strictly(trained_part(model, stage), _read(path, stage, _CPU)["average"], str(path))


def _read(path: Path, stage: str, device: torch.device) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    if state["stage"] != stage:
        raise WeightsError(f"{path} is of stage {state['stage']}, not {stage}: name another folder")
    return state
