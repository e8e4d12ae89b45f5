"""Losses that compare shapes up to a scale and a shift, over whole maps or inside local windows.

A pseudo label has good edges and an unsure scale, so the prediction is first moved onto it by least squares:
R = s * prediction + t - label with the (s, t) of the least sum R^2; what counts are the steps of R. Over the whole map,
one region where the label is wrong bends s and t, and with them what is asked of everything else; inside windows it
bends its own windows alone (PatchRefiner V2, arXiv 2501.01121, ICLR version).

Maps are of shape (B, 1, H, W), in metres or their logarithm; a label that is not finite does not count.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_GAP_PX = 2
"""SSIGM compares residuals this far apart, along x and along y."""

_LEAST_STD = 1e-3
"""Relief (in the maps' units) below which a prediction counts as flat: without it the scale of a bare wall is noise
divided by noise, and its gradient has no bound."""


def aligned_residual(prediction: Tensor, label: Tensor) -> Tensor:
    """R = s * prediction + t - label, s and t by least squares over the last two axes; 0 where the label is not finite.

    Differentiable through s and t too. Any leading axes: each map has its own s and t.
    """
    valid = torch.isfinite(label)
    count = valid.sum((-2, -1), keepdim=True).clamp(min=1)
    x, y = torch.where(valid, prediction, 0.0), torch.where(valid, label, 0.0)
    x = torch.where(valid, x - x.sum((-2, -1), keepdim=True) / count, 0.0)
    y = torch.where(valid, y - y.sum((-2, -1), keepdim=True) / count, 0.0)
    variance = (x * x).sum((-2, -1), keepdim=True) / count
    scale = (x * y).sum((-2, -1), keepdim=True) / count / (variance + _LEAST_STD**2)
    return scale * x - y


def ssigm(prediction: Tensor, label: Tensor) -> Tensor:
    """Scale- and shift-invariant gradient matching over whole maps.

    sum |R[i] - R[i + 2]| along x and y over pairs that both count, divided by the number of pixels that count; mean
    over samples (those without any count as zero).
    """
    valid = torch.isfinite(label)
    return _matched(aligned_residual(prediction, label), valid)


def ssigm_local(prediction: Tensor, label: Tensor, window_px: int, *, least_valid: float = 0.25) -> Tensor:
    """`ssigm` with a scale and a shift for each window of `window_px`; windows overlap by half.

    Args:
        prediction: (B, 1, H, W).
        label: (B, 1, H, W), not finite where there is none.
        window_px: side of a window, at least 4; a window as large as the map gives `ssigm`.
        least_valid: share of a window that must count; windows with less are left out, for a scale and a shift fit a
            few pixels whatever they are.

    """
    assert window_px >= 4, f"window of {window_px} px"
    x, y = _windows(prediction, window_px, 0.0), _windows(label, window_px, torch.nan)
    valid = torch.isfinite(y)
    enough = valid.float().mean((-2, -1), keepdim=True) >= least_valid
    y = torch.where(enough, y, torch.nan)
    return _matched(aligned_residual(x, y), valid & enough)


def _matched(residual: Tensor, valid: Tensor) -> Tensor:
    """Sum of the residual's steps over the number of pixels, by sample; axes (B, ..., h, w)."""
    total = residual.new_zeros(residual.shape[0])
    for axis in (-2, -1):
        length = residual.shape[axis] - _GAP_PX
        step = residual.narrow(axis, _GAP_PX, length) - residual.narrow(axis, 0, length)
        both = valid.narrow(axis, _GAP_PX, length) & valid.narrow(axis, 0, length)
        total = total + torch.where(both, step.abs(), 0.0).flatten(1).sum(1)
    return (total / valid.flatten(1).sum(1).clamp(min=1)).mean()


def _windows(map_B1HW: Tensor, window_px: int, fill: float) -> Tensor:
    """Windows (B, rows, columns, h, w) that overlap by half; beyond the border stands `fill`."""
    sides = [min(window_px, side) for side in map_B1HW.shape[-2:]]
    steps = [(side + 1) // 2 for side in sides]
    over = [
        -(length - side) % step if length > side else 0
        for length, side, step in zip(map_B1HW.shape[-2:], sides, steps, strict=True)
    ]
    padded = F.pad(map_B1HW, (0, over[1], 0, over[0]), value=fill)[:, 0]
    return padded.unfold(1, sides[0], steps[0]).unfold(2, sides[1], steps[1])
