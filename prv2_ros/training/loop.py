"""The training loop: clocked or counted, one process or many, with averaged weights, checkpoints and exact resume."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch.nn.parallel import DistributedDataParallel
from tqdm import tqdm

from prv2_ros.errors import ConfigError, InputError
from prv2_ros.network.checkpoint import fill_strictly
from prv2_ros.network.model import DepthModel
from prv2_ros.training.checkpoint import (
    CHECKPOINT,
    Start,
    check_learning,
    find_checkpoint,
    origin_of,
    write_checkpoint,
)
from prv2_ros.training.coarse_maps import write_coarse_maps
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.distributed import World, current_world, synchronise_norms
from prv2_ros.training.feed import Batch, Prepared, loader
from prv2_ros.training.journal import Journal
from prv2_ros.training.parts import parameter_groups, set_training_mode, trained_part, untrained_encoders
from prv2_ros.training.precision import with_fitting_precision
from prv2_ros.training.pseudo_labels import Teacher, write_pseudo_labels
from prv2_ros.training.resident import ResidentFeed
from prv2_ros.training.schedule import Average, learning_rate_share
from prv2_ros.training.stages import Figures, StageModule
from prv2_ros.training.stopping import Stop

_logger = logging.getLogger(__name__)

_LOG_EVERY = 50  # steps
_CPU = torch.device("cpu")


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
        start: Start | None = None,
    ) -> None:
        """Prepare; resumes where the folder has a checkpoint. `start` says what the model was made from.

        Raises:
            ConfigError: float16 on a CPU, a real stage without a teacher, or a checkpoint of other layers that learn.
            WeightsError: the checkpoint cannot be read, or is of another stage or of the part of another model.

        """
        if config.stage == "real" and teacher is None:
            raise ConfigError("the real stage needs a teacher for its pseudo labels: --teacher MODEL")
        torch.manual_seed(config.seed)
        self.world: World = current_world()
        config = with_fitting_precision(config, device, tell=self.world.first)
        self.model = model.to(device).to(memory_format=torch.channels_last)
        self.config, self.folder, self.device, self.teacher = config, folder, device, teacher
        self.part = trained_part(model, config.stage)
        self.origin = origin_of(model, config.stage, start)
        saved = find_checkpoint(self.checkpoint, config.stage, self.origin)
        self.untrained = untrained_encoders(model, config.stage)
        if saved is not None:  # runs with older checkpoints held random encoders fixed as any other, and go on so
            self.untrained = tuple(saved.get("untrained", ()))
        synchronise_norms(model, self.world, device)
        set_training_mode(model, config, self.untrained)
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
        if saved is not None:
            self._load(saved)
        self._mark()
        self._saved_step = self.step

    @property
    def checkpoint(self) -> Path:
        """File that the run resumes from."""
        return self.folder / CHECKPOINT

    def progress(self) -> float:
        """Share of the run that is done."""
        if self.config.steps:
            return self.step / self.config.steps
        return self.elapsed / self.config.seconds

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to train; a step whose batches accumulate is taken whole."""
        return self.progress() >= 1 and self.step % self.config.accumulate == 0

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
        """Train to the end; leaves the averaged weights in the model.

        A signal, or an error of the batches, ends the run before its time. What was done until then is saved.
        """
        self._tell_of_untrained()
        prepared = self.prepare()
        set_training_mode(self.model, self.config, self.untrained)
        batches = self._batches(prepared)
        if self.world.first:
            self.journal.keep_until(self.step)
        with Stop(alone=self.world.size == 1) as stop:
            self._train(batches, stop)
            if self.is_finished:
                self._save()
            else:
                self._leave()
            self.world.barrier()
        if stop.cause is not None:
            raise stop.cause
        if not self.is_finished:
            raise InputError("another process of this run was stopped or got no batch: see what it says")
        self.part.load_state_dict(self.average.state)
        self.model.eval()

    def _train(self, batches: Iterable[Batch], stop: Stop) -> None:
        """Take steps until the run is finished, or there is a cause to stop in any process."""
        config, first = self.config, self.world.first
        each = iter(batches)
        mark = time.monotonic()
        start = min(1000, int(1000 * self.progress()))
        with tqdm(total=1000, initial=start, desc=config.stage, unit="‰", disable=not first) as bar:
            while not self.is_finished:
                batch = stop.next(each)
                if self._any(batch is None) or batch is None:
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
                if self.step % config.accumulate == 0:
                    self._mark()
                if self.step % config.checkpoint_every == 0:
                    self._save()

    def _any(self, here: bool) -> bool:
        """Whether something holds in any process; all must go on, or none, as each step waits for all of them."""
        if self.world.size == 1:
            return here
        return bool(self.world.mean({"any": torch.tensor(float(here), device=self.device)})["any"] > 0)

    def _mark(self) -> None:
        """Remember what batches change before the step that they accumulate for, so that it can be taken back."""
        buffers = {name: buffer.clone() for name, buffer in self.part.named_buffers()}
        self._marked = (self.step, self.elapsed, dict(self.journal.means), buffers)

    def _leave(self) -> None:
        """Save the last whole step of a run that ends before its time, if there is one that is not saved."""
        if self.step % self.config.accumulate:
            self.step, self.elapsed, self.journal.means, _ = self._marked
            self._take_back_buffers()
        if self.step != self._saved_step:
            self._save()
        if self.world.first and self.step:
            _logger.info("stopped at step %d, which %s holds: the same command goes on", self.step, self.checkpoint)

    def _take_back_buffers(self) -> None:
        for name, buffer in self.part.named_buffers():
            buffer.copy_(self._marked[-1][name])

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
        else:
            self._take_back_buffers()  # the norms' running means have the broken batch already
        self.scaler.update()

    def _save(self) -> None:
        self._saved_step = self.step
        if not self.world.first:
            return
        state: dict[str, Any] = {
            "stage": self.config.stage,
            "origin": self.origin,
            "learning": self._learning(),
            "untrained": list(self.untrained),
            "part": self.part.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": self.average.state,
            "average_count": self.average.count,
            "figures": self.journal.means,
            "step": self.step,
            "elapsed": self.elapsed,
        }
        write_checkpoint(self.checkpoint, state)

    def _learning(self) -> list[list[str]]:
        """Names of the parameters that learn, by group of the optimizer."""
        names = {id(parameter): name for name, parameter in self.part.named_parameters()}
        return [[names[id(parameter)] for parameter in group["params"]] for group in self.optimizer.param_groups]

    def _tell_of_untrained(self) -> None:
        if self.untrained and self.world.first and (self.config.frozen or self.config.fixed_depthwise):
            _logger.info(
                "%s starts from random weights: all of it learns, whatever `frozen` and `fixed_depthwise` say",
                " and ".join(self.untrained),
            )

    def _load(self, saved: dict[str, Any]) -> None:
        check_learning(saved, self.checkpoint, self._learning())
        fill_strictly(self.part, saved["part"], str(self.checkpoint))
        wanted = [{key: group[key] for key in ("lr_share", "weight_decay")} for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(saved["optimizer"])
        for group, values in zip(self.optimizer.param_groups, wanted, strict=True):
            group.update(values)  # else a changed config would not be heeded
        if self.config.fp16 and saved["scaler"]:
            self.scaler.load_state_dict(saved["scaler"])
        self.average.state = {name: value.to(self.device) for name, value in saved["average"].items()}
        self.average.count = saved["average_count"]
        self.journal.means = {name: value.to(self.device) for name, value in saved["figures"].items()}
        self.step, self.elapsed = saved["step"], saved["elapsed"]
        self.origin = saved.get("origin", self.origin)
