"""One process or many: what differs between them.

Started by `torchrun`, every process takes its part of each batch; gradients are averaged, so that W processes with
batches of B take the step that one would take with a batch of W * B.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

_PATIENCE = timedelta(hours=12)  # coarse maps and pseudo labels of a large data set are made by one process


@dataclass(frozen=True, kw_only=True)
class World:
    """Place of a process among all that train together."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and talks."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait for the others."""
        if self.size > 1:
            dist.barrier()

    def mean(self, figures: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Average scalars of the same names over all processes."""
        if self.size == 1 or not figures:
            return dict(figures)
        values = torch.stack([value.detach().float() for value in figures.values()])
        dist.all_reduce(values)
        return dict(zip(figures, values / self.size, strict=True))

    def from_first(self, value: float) -> float:
        """Give every process the first one's value."""
        if self.size == 1:
            return value
        device = torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else "cpu"
        shared = torch.tensor([value], dtype=torch.float64, device=device)
        dist.broadcast(shared, 0)
        return float(shared)


def current_world() -> World:
    """Give this process's place among those that were joined."""
    if not (dist.is_available() and dist.is_initialized()):
        return World()
    return World(rank=dist.get_rank(), size=dist.get_world_size())


@contextmanager
def joined(device: torch.device) -> Iterator[torch.device]:
    """Join the processes that `torchrun` started, if it did, and leave them at the end.

    Gives the device of this process: under `torchrun` each takes the CUDA device of its local rank.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield device
        return
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=_PATIENCE)
    try:
        yield device
    finally:
        dist.destroy_process_group()


def synchronise_norms(module: nn.Module, world: World, device: torch.device) -> None:
    """Let batch norms take their statistics over the batches of all processes."""
    if world.size == 1:
        return
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return
    for name, norm in list(module.named_modules()):  # torch's own kind is for CUDA only
        if type(norm) is nn.BatchNorm2d:
            parent, _, last = name.rpartition(".")
            setattr(module.get_submodule(parent), last, SyncedNorm.of(norm))


class SyncedNorm(nn.BatchNorm2d):
    """Batch norm over the equal batches of all processes, on any device."""

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> SyncedNorm:
        """Take the place of a norm, with its very parameters and statistics."""
        synced = cls(norm.num_features, norm.eps, norm.momentum)
        synced.weight, synced.bias = norm.weight, norm.bias
        synced.running_mean, synced.running_var = norm.running_mean, norm.running_var
        synced.num_batches_tracked = norm.num_batches_tracked
        return synced.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise (B, C, h, w)."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None, "built without statistics"
        assert self.running_var is not None, "built without statistics"
        assert self.momentum is not None, "built with a cumulative average"
        values = x.float()
        mean = _MeanOverProcesses.apply(values.mean((0, 2, 3)))
        centred = values - mean.view(1, -1, 1, 1)
        variance = _MeanOverProcesses.apply(centred.square().mean((0, 2, 3)))
        count = values.numel() // values.shape[1] * dist.get_world_size()
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked.add_(1)
        gain = self.weight * torch.rsqrt(variance + self.eps)
        normed: Tensor = (centred * gain.view(1, -1, 1, 1) + self.bias.view(1, -1, 1, 1)).to(x.dtype)
        return normed


class _MeanOverProcesses(torch.autograd.Function):
    """Mean of a tensor over all processes; what one process's loss asks of it reaches all."""

    @staticmethod
    def forward(_context: object, value: Tensor) -> Tensor:
        shared = value.clone()
        dist.all_reduce(shared)
        return shared.div_(dist.get_world_size())

    @staticmethod
    def backward(_context: object, *gradients: Tensor) -> Tensor:
        shared = gradients[0].clone()
        dist.all_reduce(shared)
        return shared.div_(dist.get_world_size())
