"""How fast a run learns at which time, and the average of its weights, which is the result."""

from __future__ import annotations

import math

import torch


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
