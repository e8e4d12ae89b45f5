"""Losses on log depth.

All take log depth in natural-log metres, shape (B, 1, H, W), and the truth with +inf where there is sky and NaN where
there is no truth. Each sample weighs the same, however many of its pixels are valid.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

SKY_M = 250.0
"""Depth (m) from which on a prediction for the sky is right."""

_FAR_OFF = 3.0


def sample_means(value: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid pixels of each sample, (B,); zero for a sample without any."""
    total = torch.where(valid, value, 0.0).flatten(1).sum(1)
    return total / valid.flatten(1).sum(1).clamp(min=1)


def sample_mean(value: Tensor, valid: Tensor) -> Tensor:
    """Mean over the valid pixels of each sample, then over samples (those without any count as zero)."""
    return sample_means(value, valid).mean()


def log_l1(log_pred: Tensor, log_true: Tensor) -> Tensor:
    """Mean absolute error of the log depth (metric scale counts)."""
    valid = torch.isfinite(log_true)
    return sample_mean((log_pred - torch.where(valid, log_true, 0.0)).abs(), valid)


def relative_error(log_pred: Tensor, log_true: Tensor) -> Tensor:
    """Mean absolute relative error |p / t - 1|, linear from `_FAR_OFF` times the truth on.

    Where a picture leaves two scales open (a toy or a car), its least expectation lies at the nearer one, the least
    expectation of `log_l1` at the likelier one: what is too far costs without bound, what is too near at most 1.
    The linear part keeps one hopeless sample from ruling a step.
    """
    valid = torch.isfinite(log_true)
    return sample_mean(relative(log_pred - torch.where(valid, log_true, 0.0)), valid)


def relative(log_error: Tensor) -> Tensor:
    """Absolute relative error that belongs to an error of the log depth, as in `relative_error`, of any shape."""
    knee = math.log(_FAR_OFF)
    ratio = torch.exp(log_error.clamp(max=knee)) + _FAR_OFF * F.relu(log_error - knee)
    return (ratio - 1).abs()


def silog(log_pred: Tensor, log_true: Tensor, *, pooled: bool = False) -> Tensor:
    """SILog as PatchRefiner V2 has it (arXiv 2501.01121): 10 sqrt(var(g) + 0.15 mean(g)^2), g the log error.

    Args:
        log_pred: log metres.
        log_true: log metres, not finite where there is no truth.
        pooled: one variance (unbiased) over all samples together, as the authors' code takes it. By default each sample
            has its own, so that the loss does not change with the batch's size or its split over processes.

    """
    valid = torch.isfinite(log_true)
    if pooled:
        valid, log_pred, log_true = (x.reshape(1, -1) for x in (valid, log_pred, log_true))
    error = torch.where(valid, log_pred - torch.where(valid, log_true, 0.0), 0.0).flatten(1)
    valid = valid.flatten(1)
    count = valid.sum(1, keepdim=True)
    mean = error.sum(1, keepdim=True) / count.clamp(min=1)
    spread = torch.where(valid, error - mean, 0.0).square().sum(1, keepdim=True) / (count - 1).clamp(min=1)
    square = spread + 0.15 * mean.square()
    some = square > 0  # a sample without truth lies at 0, where the root has no slope
    return 10 * torch.where(some, torch.sqrt(torch.where(some, square, 1.0)), 0.0).mean()


def laplace_nll(log_pred: Tensor, log_true: Tensor, log_scale: Tensor) -> Tensor:
    """Negative log-likelihood of the log error under a Laplace distribution of predicted scale b, less log 2.

    |error| / b + log b, least at b = |error| (Kendall and Gal, arXiv 1703.04977, with the heavier tail that depth
    edges ask for).

    Args:
        log_pred: log metres.
        log_true: log metres, not finite where there is no truth.
        log_scale: log b, b in units of log depth.

    """
    valid = torch.isfinite(log_true)
    error = (log_pred - torch.where(valid, log_true, 0.0)).abs()
    return sample_mean(error * torch.exp(-log_scale) + log_scale, valid)


def scale_invariant(log_pred: Tensor, log_true: Tensor) -> Tensor:
    """Mean absolute deviation of the log error from its mean over the sample: the shape without the scale."""
    valid = torch.isfinite(log_true)
    error = torch.where(valid, log_pred - torch.where(valid, log_true, 0.0), 0.0)
    count = valid.flatten(1).sum(1).clamp(min=1).view(-1, 1, 1, 1)
    mean = error.sum((1, 2, 3), keepdim=True) / count
    return sample_mean((error - mean).abs(), valid)


def gradient(log_pred: Tensor, log_true: Tensor, scales: int = 4) -> Tensor:
    """Mean absolute difference of the spatial gradients at strides 1, 2, 4, ... (MegaDepth, arXiv 1804.00607)."""
    return gradients(log_pred, log_true, scales).mean()


def gradients(log_pred: Tensor, log_true: Tensor, scales: int = 4) -> Tensor:
    """`gradient` of each sample, (B,)."""
    valid = torch.isfinite(log_true)
    error = torch.where(valid, log_pred - torch.where(valid, log_true, 0.0), 0.0)
    total = error.new_zeros(len(error))
    for k in range(scales):
        step = 2**k
        e, v = error[..., ::step, ::step], valid[..., ::step, ::step]
        total = total + sample_means((e[..., 1:] - e[..., :-1]).abs(), v[..., 1:] & v[..., :-1])
        total = total + sample_means((e[..., 1:, :] - e[..., :-1, :]).abs(), v[..., 1:, :] & v[..., :-1, :])
    return total / scales


def sky(log_pred: Tensor, log_true: Tensor) -> Tensor:
    """Shortfall below `SKY_M` where the truth is the sky; further away is as right."""
    return skies(log_pred, log_true).mean()


def skies(log_pred: Tensor, log_true: Tensor) -> Tensor:
    """`sky` of each sample, (B,)."""
    return sample_means(F.relu(math.log(SKY_M) - log_pred), torch.isposinf(log_true))


def far_and_beside(log_true: Tensor, far_m: float, radius: int = 16) -> Tensor:
    """Truth beyond `far_m`, the sky included, and within `radius` px of that; NaN elsewhere."""
    far = log_true > math.log(far_m)  # of what is unknown it is not
    beside = _largest_around(far.to(log_true.dtype), radius) > 0
    return torch.where(beside, log_true, torch.nan)


def align_offset(log_true: Tensor, log_pred: Tensor, share: Tensor | float = 1.0) -> Tensor:
    """Truth moved by each sample's median log error, so that the prediction's scale is right on the median.

    Args:
        log_true: log metres, not finite where there is no truth.
        log_pred: log metres.
        share: of the move that each pixel makes, 0 to 1, a number or of the shape of `log_true`.

    """
    error = torch.where(torch.isfinite(log_true), log_pred - log_true, torch.nan).flatten(1)
    offset = torch.nan_to_num(torch.nanmedian(error, dim=1).values)
    return log_true + offset.view(-1, 1, 1, 1) * share


def edge_weight(log_true: Tensor, radius: int = 3, jump: float = 0.08) -> Tensor:
    """1 within `radius` px of a step of more than `jump` in log depth (or of the sky's border), else 0."""
    known = ~torch.isnan(log_true)
    filled = torch.nan_to_num(log_true, posinf=math.log(2 * SKY_M)).clamp(-3, 7)
    # The border of what is unknown is no edge: there is nothing to step to.
    highest = _largest_around(torch.where(known, filled, -math.inf), 1)
    lowest = -_largest_around(torch.where(known, -filled, -math.inf), 1)
    step = torch.where(known, highest - lowest, 0.0)
    return _largest_around((step > jump).to(log_true.dtype), radius)


def _largest_around(x: Tensor, radius: int) -> Tensor:
    """Maximum over the square of `radius` px around each pixel: a max_pool2d, which is slow for a single channel."""
    for axis, sides in ((-1, (radius, radius)), (-2, (0, 0, radius, radius))):
        size = x.shape[axis]
        padded = F.pad(x, sides, value=-math.inf)
        for shift in range(2 * radius + 1):
            moved = padded.narrow(axis, shift, size)
            x = moved if shift == 0 else torch.maximum(x, moved)
    return x
