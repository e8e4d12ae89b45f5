"""Train `refiner_realtime` m and PatchRefiner V2-M side by side: same coarse network, windows, order, loss and samples.

    prv2 synth --tiles -o tiles --start 1000000 --count 1500
    prv2 synth --tiles -o held --start 9100000 --count 24
    python tools/equal_training.py --data tiles --held-aside held -o run --samples 2400

Writes checkpoint.pt (run the same command again to go on), log.jsonl, equal_training.json and equal_training.md.
Several networks may be named (tools/equal_networks.py); all of them see each window before the next one is read.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from equal_data import Window, Windows, check_apart, check_sizes, list_tiles, view_windows
from equal_networks import PATCH_PX, PUBLISHED_RATE, Contestant, build
from equal_report import clock, write_report
from torch.utils.data import DataLoader
from tqdm import tqdm

from prv2_ros.errors import ConfigError, Prv2Error, WeightsError
from prv2_ros.files import whole_file
from prv2_ros.inference.device import choose_device
from prv2_ros.network.checkpoint import load_model
from prv2_ros.network.coarse_lite import CoarseLite
from prv2_ros.training.journal import Journal
from prv2_ros.training.loop import Average, learning_rate_share
from prv2_ros.training.stages import refiner_step

_LOG_EVERY = 25  # steps


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What a run is; a run is resumed with the same alone."""

    data: tuple[str, ...]
    """Folders of tile scenes to learn from."""

    networks: tuple[str, ...] = ("ours-random", "ours-imagenet", "published-64")
    model: str = "default"
    """Model whose coarse network all of them get, fixed."""

    samples: int = 0
    """Windows that each network learns from; 0 for as many as `minutes` allows."""

    minutes: float = 0.0
    """Time after which the run ends, the rate having fallen with the clock where that is ahead; 0 for no limit."""

    batch: int = 6
    window_px: int = 128
    published_rate: float = PUBLISHED_RATE
    bf16: bool = True
    """Automatic mixed precision in bfloat16, in training and measuring alike."""

    warmup: float = 0.05
    """Share of the run during which the rate rises."""

    clip_norm: float = 1.0
    ema: float = 0.99
    """Decay of the averaged weights, which are measured."""

    seed: int = 0
    checkpoint_every: int = 25
    """Steps."""

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.samples < 0 or self.minutes < 0 or not (self.samples or self.minutes):
            raise ConfigError(f"samples {self.samples}, minutes {self.minutes}: give one of them, above 0")
        if self.batch < 2 or self.samples % self.batch:
            raise ConfigError(f"batch {self.batch}: must be at least 2 (batch norms) and divide samples {self.samples}")
        if self.window_px % 32 or self.window_px < 32:
            raise ConfigError(f"window_px {self.window_px}: must be a multiple of 32")
        if len(set(self.networks)) != len(self.networks) or not self.networks:
            raise ConfigError(f"networks {', '.join(self.networks) or 'none'}: give at least one, each once")


class Learner:
    """A network with its optimizer and the average of its weights."""

    def __init__(self, contestant: Contestant, settings: Settings, device: torch.device) -> None:
        """Move to the device, in training mode."""
        self.contestant, self.settings = contestant, settings
        contestant.model.to(device)
        contestant.train()
        self.optimizer = torch.optim.AdamW(contestant.groups, lr=contestant.config.learning_rate, betas=(0.9, 0.99))
        self.average = Average(contestant.part, settings.ema)
        self.seconds, self.skipped = 0.0, 0

    def step(self, batch: dict[str, Any], share: float) -> dict[str, torch.Tensor]:
        """Learn from a batch at a share of the peak rate; gives the loss and its parts."""
        device = batch["image"].device
        start = clock(device)
        for group in self.optimizer.param_groups:
            group["lr"] = self.contestant.config.learning_rate * group["lr_share"] * share
        self.optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.settings.bf16):
            # The loss asks its model for `refine` alone.
            loss, figures = refiner_step(self.contestant.model, batch, self.contestant.config)  # type: ignore[arg-type]
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.contestant.part.parameters(), self.settings.clip_norm)
        if torch.isfinite(norm):  # one broken batch must not end a run
            self.optimizer.step()
            self.average.update(self.contestant.part)
        else:
            self.skipped += 1
        self.seconds += clock(device) - start
        return {"loss": loss.detach(), **figures, "norm": norm.detach()}

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs."""
        return {
            "part": self.contestant.part.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state,
            "average_count": self.average.count,
            "seconds": self.seconds,
            "skipped": self.skipped,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take up a state."""
        self.contestant.part.load_state_dict(state["part"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.state, self.average.count = state["average"], state["average_count"]
        self.seconds, self.skipped = state["seconds"], state["skipped"]


class Run:
    """Side-by-side training in a folder; resumes where the folder has a checkpoint."""

    def __init__(self, settings: Settings, folder: Path, device: torch.device) -> None:
        """Build the networks.

        Raises:
            WeightsError: the folder holds a run of other settings.

        """
        self.settings, self.folder, self.device = settings, folder, device
        self.windows = Windows([Path(name) for name in settings.data], settings.window_px, settings.seed)
        state = self._checkpointed()
        coarse = load_model(settings.model).coarse.eval().requires_grad_(False)
        self.coarse: CoarseLite = coarse.to(device).to(memory_format=torch.channels_last)
        rate = settings.published_rate
        self.learners = [
            Learner(build(name, self.coarse, settings.seed, rate), settings, device) for name in settings.networks
        ]
        self.step, self.elapsed, self.coarse_seconds = 0, 0.0, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(folder)
        if state:
            self._load(state)

    @property
    def checkpoint(self) -> Path:
        """File that the run resumes from."""
        return self.folder / "checkpoint.pt"

    @property
    def samples(self) -> int:
        """Windows that each network has learned from."""
        return self.step * self.settings.batch

    def progress(self) -> float:
        """Share of the run that is done."""
        s = self.settings
        counted = self.samples / s.samples if s.samples else 0.0
        return max(counted, self.elapsed / (60 * s.minutes) if s.minutes else 0.0)

    def train(self, workers: int = 0, stop_after: int = 0) -> None:
        """Train to the end, or for `stop_after` steps; leaves the averaged weights in the networks."""
        s, first = self.settings, self.samples
        order = range(first, s.samples if s.samples else sys.maxsize)
        loader = DataLoader(self.windows, batch_size=s.batch, sampler=order, num_workers=workers, collate_fn=list)
        mark = time.monotonic()
        start, last = int(1000 * self.progress()), self.step + stop_after
        with tqdm(total=1000, initial=start, desc="equal training", unit="‰") as bar:
            for windows in loader if self.progress() < 1 else ():
                self.journal.add(self._advance(windows))
                self.elapsed += time.monotonic() - mark
                mark = time.monotonic()
                bar.update(min(1000, int(1000 * self.progress())) - bar.n)
                ends = self.progress() >= 1 or self.step == last
                if self.step % _LOG_EVERY == 0 or ends:
                    figures = self.journal.write(self.step, self.elapsed, self._rate_share())
                    bar.set_postfix({k: f"{v:.3f}" for k, v in figures.items() if k.endswith(".loss")})
                if self.step % s.checkpoint_every == 0 or ends:
                    self._save()
                if ends:
                    break
        for learner in self.learners:
            learner.contestant.part.load_state_dict(learner.average.state)
            learner.contestant.model.eval()

    def _advance(self, windows: Sequence[Window]) -> dict[str, torch.Tensor]:
        start = clock(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.bf16):
            view = view_windows(self.coarse, windows, self.device)
        self.coarse_seconds += clock(self.device) - start
        figures = {}
        for learner in self.learners:
            found = learner.step(learner.contestant.batch(windows, view), self._rate_share())
            figures |= {f"{learner.contestant.name}.{key}": value for key, value in found.items()}
        self.step += 1
        return figures

    def _rate_share(self) -> float:
        return learning_rate_share(self.progress(), self.settings.warmup)

    def identity(self) -> dict[str, Any]:
        """What a run that goes on must have in common with its checkpoint."""
        return {**dataclasses.asdict(self.settings), "tiles": len(self.windows.tiles)}

    def _save(self) -> None:
        state = {
            "settings": self.identity(),
            "learners": {learner.contestant.name: learner.state() for learner in self.learners},
            "figures": self.journal.means,
            "step": self.step,
            "elapsed": self.elapsed,
            "coarse_seconds": self.coarse_seconds,
        }
        with whole_file(self.checkpoint) as file:
            torch.save(state, file)

    def _checkpointed(self) -> dict[str, Any]:
        if not self.checkpoint.exists():
            return {}
        state: dict[str, Any] = torch.load(self.checkpoint, map_location=self.device, weights_only=True)
        own, found = self.identity(), state["settings"]
        other = [f"{key} {found.get(key)!r}, now {value!r}" for key, value in own.items() if found.get(key) != value]
        if other:
            raise WeightsError(f"{self.checkpoint} is of another run ({'; '.join(other)}): name another folder")
        return state

    def _load(self, state: dict[str, Any]) -> None:
        for learner in self.learners:
            learner.load(state["learners"][learner.contestant.name])
        self.journal.means = state["figures"]
        self.step, self.elapsed, self.coarse_seconds = state["step"], state["elapsed"], state["coarse_seconds"]


def main(argv: Sequence[str] | None = None) -> int:
    known = Settings(data=(), samples=6)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", required=True, help="folders of tile scenes to learn from")
    parser.add_argument("--held-aside", type=Path, required=True, help="folder of tile scenes to measure on")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--networks", nargs="+", default=known.networks, help=f"default: {' '.join(known.networks)}")
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0.0)
    for option in ("model", "batch", "window_px", "published_rate", "seed"):
        value = getattr(known, option)
        parser.add_argument(f"--{option.replace('_', '-')}", type=type(value), default=value, help=f"default: {value}")
    parser.add_argument("--float32", action="store_true", help="no mixed precision")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that read windows (default: 0)")
    parser.add_argument("--frame", default="3840x2160", help="WIDTHxHEIGHT px of the frame that is timed; 0 for none")
    parser.add_argument("--patch-px", type=int, default=PATCH_PX, help="the published patch as timed (default: 448)")
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    try:
        names = [field.name for field in dataclasses.fields(Settings) if hasattr(options, field.name)]
        given = {name: getattr(options, name) for name in names}
        given |= {"data": tuple(options.data), "networks": tuple(options.networks), "bf16": not options.float32}
        settings = Settings(**given)
        check_apart(settings.data, options.held_aside)
        check_sizes(list_tiles(options.held_aside), settings.window_px)
        run = Run(settings, options.output, choose_device(options.device))
        run.train(options.workers)
        print(write_report(run, options.held_aside, options.frame, options.patch_px).read_text())
    except Prv2Error as error:
        print(f"equal_training: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
