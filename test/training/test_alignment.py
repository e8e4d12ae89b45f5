"""Scale- and shift-invariant losses: the authors' values, finite differences, and what local windows buy."""

from __future__ import annotations

import json
from collections.abc import Callable

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from golden_tensors import GOLDEN, loss_inputs
from hypothesis import given, settings
from torch import Tensor

from prv2_ros.training.alignment import aligned_residual, ssigm, ssigm_local


def _golden() -> tuple[Tensor, Tensor, dict[str, float]]:
    inputs = {name: torch.from_numpy(value) for name, value in loss_inputs().items()}
    counts = (inputs["truth"] > 1e-3) & (inputs["truth"] < 80)
    label = torch.where(counts, inputs["pseudo_label"], torch.nan)
    return inputs["prediction"], label, json.loads((GOLDEN / "losses.json").read_text())


def test_ssigm_is_the_authors() -> None:
    prediction, label, golden = _golden()
    assert ssigm(prediction, label).item() == pytest.approx(golden["ssigm_global"], rel=1e-5)
    residual = aligned_residual(prediction, label)
    l1 = residual.abs().sum() / torch.isfinite(label).sum()
    assert l1.item() == pytest.approx(golden["ssi_l1_global"], rel=1e-5)


def test_alignment_is_that_of_numpy() -> None:
    prediction, label, _ = _golden()
    residual = aligned_residual(prediction, label)
    for x, y, found in zip(prediction[:, 0].numpy(), label[:, 0].numpy(), residual[:, 0].numpy(), strict=True):
        counts = np.isfinite(y)
        scale, shift = np.polyfit(x[counts].astype(float), y[counts].astype(float), 1)
        np.testing.assert_allclose(found[counts], (scale * x + shift - y)[counts], atol=1e-4)
        assert not found[~counts].any()


def test_a_window_as_large_as_the_map_is_the_whole_map() -> None:
    prediction, label, _ = _golden()
    assert ssigm_local(prediction, label, 96).item() == pytest.approx(ssigm(prediction, label).item(), rel=1e-5)


def test_local_windows_follow_their_definition() -> None:
    prediction, label, _ = _golden()
    prediction, label = prediction[:, :, :40, :50], label[:, :, :40, :50].clone()
    label[0, :, :, :30] = torch.nan
    expected = []
    for x, y in zip(prediction, label, strict=True):
        total, count = 0.0, 0
        for top in range(0, 40, 8):
            for left in range(0, 50, 8):
                if top + 8 >= 40 or left + 8 >= 50:  # the window before it reaches the border
                    continue
                part = y[:, top : top + 16, left : left + 16]
                valid = torch.isfinite(part)
                if valid.sum() < 0.25 * 16 * 16:
                    continue
                r = aligned_residual(x[:, top : top + 16, left : left + 16], part)
                for axis in (-1, -2):
                    far, near = (t.narrow(axis, s, t.shape[axis] - 2) for t, s in ((r, 2), (r, 0)))
                    both = valid.narrow(axis, 2, r.shape[axis] - 2) & valid.narrow(axis, 0, r.shape[axis] - 2)
                    total += float((far - near).abs()[both].sum())
                count += int(valid.sum())
        expected.append(total / count)
    assert ssigm_local(prediction, label, 16).item() == pytest.approx(np.mean(expected), rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(scale=st.floats(0.2, 5.0), shift=st.floats(-3.0, 3.0), window=st.integers(4, 40), seed=st.integers(0, 2**20))
def test_scale_and_shift_of_the_prediction_do_not_count(scale: float, shift: float, window: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x, y = (torch.rand(1, 1, 24, 30, generator=generator, dtype=torch.float64) for _ in range(2))
    before, after = (ssigm_local(p, y, window) for p in (x, scale * x + shift))
    assert after.item() == pytest.approx(before.item(), rel=1e-3)


def test_windows_with_too_few_pixels_are_left_out() -> None:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.rand(1, 1, 16, 32, generator=generator) for _ in range(2))
    y[..., 16:] = torch.nan
    y[..., 4, 25] = 100.0  # a speck that any scale and shift would fit
    alone = ssigm_local(x[..., :16], y[..., :16], 16)
    with_speck = ssigm_local(x, y, 16, least_valid=0.6)
    assert with_speck.item() == pytest.approx(alone.item(), rel=1e-6)
    y[...] = torch.nan
    assert ssigm_local(x, y, 16).item() == 0


@pytest.mark.parametrize("loss", [ssigm, lambda p, t: ssigm_local(p, t, 5)], ids=["global", "local"])
def test_gradients_are_those_of_finite_differences(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    generator = torch.Generator().manual_seed(2)
    x, y = (torch.randn(2, 1, 7, 9, generator=generator, dtype=torch.float64) for _ in range(2))
    y[0, 0, :2, 3], y[1, 0, 5, 5] = torch.nan, torch.inf
    assert torch.autograd.gradcheck(lambda p: loss(p, y), (x.requires_grad_(),))


def test_gradients_are_finite_on_a_flat_prediction_and_beside_holes() -> None:
    x = torch.full((1, 1, 32, 32), 2.0, requires_grad=True)
    y = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(3))
    y[..., 10:20] = torch.nan
    (ssigm(x, y) + ssigm_local(x, y, 8)).backward()
    assert torch.isfinite(x.grad).all()
    assert not x.grad[..., 10:20].any()


def test_gradients_are_bounded_on_a_prediction_that_is_flat_but_for_noise() -> None:
    generator = torch.Generator().manual_seed(4)
    x = (2.0 + 1e-6 * torch.randn(1, 1, 32, 32, generator=generator, dtype=torch.float64)).requires_grad_()
    y = torch.rand(1, 1, 32, 32, generator=generator, dtype=torch.float64)
    (ssigm(x, y) + ssigm_local(x, y, 8)).backward()
    assert x.grad.abs().max() < 1.0


def _scene() -> tuple[Tensor, Tensor, Tensor]:
    """Log depth of a slope with relief, its pseudo label, and where the label is wrong: a pane taken for a far view."""
    v, u = torch.meshgrid(torch.linspace(0, 1, 96), torch.linspace(0, 1, 128), indexing="ij")
    relief = 0.05 * torch.sin(40 * u) * torch.cos(33 * v)
    truth = (1.0 + 0.8 * v + relief)[None, None]
    wrong = (v > 0.55) & (u > 0.7)
    label = torch.where(wrong, truth + 2.0 + 6 * (u - 0.7) * v, truth)
    return truth, label, wrong[None, None]


def _bend(loss: Callable[[Tensor, Tensor], Tensor], label: Tensor, truth: Tensor) -> float:
    """How far the loss's minimum lies from the truth in a family of predictions that holds it: slope times (1 + k).

    The relief is as it is, so slope and relief have the right ratio at k = 0 alone.
    """
    v = torch.linspace(0, 1, 96).view(1, 1, -1, 1)
    k = torch.linspace(-0.9, 3.0, 40)
    values = torch.stack([loss(truth + 0.8 * float(each) * v, label) for each in k])
    return abs(float(k[values.argmin()]))


def _local(prediction: Tensor, label: Tensor) -> Tensor:
    return ssigm_local(prediction, label, 24)


_GRADIENT_KEPT, _BEND = 0.999, 0.05


@pytest.mark.parametrize(("loss", "holds"), [(_local, True), (ssigm, False)], ids=["local", "global"])
def test_one_wrong_region_bends_the_rest_only_with_one_scale_for_all(
    loss: Callable[[Tensor, Tensor], Tensor], *, holds: bool
) -> None:
    """The bounds that local windows keep are those that the global alignment breaks."""
    truth, label, wrong = _scene()
    # Windows that touch the wrong region may move their pixels; those further away may not.
    away = ~torch.nn.functional.max_pool2d(wrong.float(), 49, 1, 24).bool()
    assert away.float().mean() > 0.5
    noise = 1e-3 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(0))
    prediction = (0.6 * truth + 0.3 + noise).requires_grad_()
    asked, right = (torch.autograd.grad(loss(prediction, target), prediction)[0][away] for target in (label, truth))
    kept = torch.nn.functional.cosine_similarity(asked, right, dim=0)
    assert (kept.item() > _GRADIENT_KEPT) is holds
    assert _bend(loss, truth, truth) < _BEND, "with a right label both find the right shape"
    assert (_bend(loss, label, truth) < _BEND) is holds


def test_the_rest_is_aligned_as_if_nothing_were_wrong() -> None:
    truth, label, wrong = _scene()
    prediction = 0.6 * truth + 0.3
    outside = torch.where(wrong, torch.nan, label)
    assert ssigm_local(prediction, outside, 24).item() < 1e-3
    residual = aligned_residual(prediction, label)[~wrong]
    assert residual.abs().mean() > 0.1, "one scale for all is wrong by 10% of the depth where the label is right"
