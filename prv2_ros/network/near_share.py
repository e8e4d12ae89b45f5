"""Where the scale of depth is the coarse network's alone, and where the refiner has a say in it.

A tile cannot tell the scale of what is near, which fills it. What is far is small, and native pixels show what the
coarse network's do not. Training and inference share this rule, so that the refiner is asked for what is taken of it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def share_within(log_depth: Tensor, far_m: float) -> Tensor:
    """1 up to half of `far_m`, 0 from there on, falling with the log depth (of metres) between."""
    # One new map and one pass in place: a map of a 4K picture is 33 MB.
    return torch.rsub(log_depth, math.log2(far_m), alpha=1 / math.log(2)).clamp_(0, 1)
