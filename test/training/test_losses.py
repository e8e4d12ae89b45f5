"""Losses against plain numpy over lists of valid pixels."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from golden_tensors import GOLDEN, loss_inputs

from prv2_ros.training import losses


def _case() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(0)
    true = rng.normal(1, 0.5, (2, 1, 12, 17)).astype(np.float32)
    true[0, 0, :3] = np.inf
    true[1, 0, :, :4] = np.nan
    pred = (np.where(np.isfinite(true), true, 1.0) + rng.normal(0.1, 0.2, true.shape)).astype(np.float32)
    return torch.from_numpy(pred).requires_grad_(), torch.from_numpy(true)


def _errors() -> list[np.ndarray]:
    pred, true = (t.detach().numpy() for t in _case())
    return [(p - t)[np.isfinite(t)] for p, t in zip(pred, true, strict=True)]


def test_log_l1() -> None:
    expected = np.mean([np.abs(e).mean() for e in _errors()])
    assert losses.log_l1(*_case()).item() == pytest.approx(expected, rel=1e-5)


def test_relative_error() -> None:
    expected = np.mean([np.abs(np.exp(e) - 1).mean() for e in _errors()])
    assert losses.relative_error(*_case()).item() == pytest.approx(expected, rel=1e-5)


def test_relative_error_grows_linearly_in_the_log_beyond_three_times_the_truth() -> None:
    true = torch.zeros(1, 1, 2, 2)
    found = [losses.relative_error(true + math.log(ratio), true).item() for ratio in (2.9, 3.0, 9.0, 27.0)]
    assert found == pytest.approx([1.9, 2.0, 2 + 3 * math.log(3), 2 + 6 * math.log(3)], rel=1e-5)


def test_relative_error_leaves_two_open_scales_to_the_nearer_one() -> None:
    """A scene of 1 m two times in five, of 4 m else: the likelier scale costs less in logs, the nearer in ratios."""
    true = torch.log(torch.tensor([1.0, 1.0, 4.0, 4.0, 4.0])).view(-1, 1, 1, 1)
    near, far = torch.zeros_like(true), torch.full_like(true, math.log(4.0))
    assert losses.relative_error(near, true) < losses.relative_error(far, true)
    assert losses.log_l1(far, true) < losses.log_l1(near, true)


def test_scale_invariant_ignores_a_common_factor() -> None:
    expected = np.mean([np.abs(e - e.mean()).mean() for e in _errors()])
    pred, true = _case()
    assert losses.scale_invariant(pred, true).item() == pytest.approx(expected, rel=1e-5)
    assert losses.scale_invariant(pred + 0.7, true).item() == pytest.approx(expected, rel=1e-4)


def test_gradient_at_one_scale() -> None:
    pred, true = (t.detach().numpy() for t in _case())
    expected = 0.0
    for axis in (-1, -2):
        means = []
        for p, t in zip(pred, true, strict=True):
            d = np.diff(np.where(np.isfinite(t), p - t, np.nan), axis=axis)
            means.append(np.abs(d[np.isfinite(d)]).mean())
        expected += float(np.mean(means))
    assert losses.gradient(*_case(), scales=1).item() == pytest.approx(expected, rel=1e-5)


def test_gradient_is_the_mean_over_strides_of_powers_of_two() -> None:
    pred, true = (t.detach() for t in _case())
    at = [losses.gradient(pred[..., ::step, ::step], true[..., ::step, ::step], scales=1).item() for step in (1, 2, 4)]
    assert losses.gradient(pred, true, scales=3).item() == pytest.approx(np.mean(at), rel=1e-5)


def test_gradient_ignores_a_common_factor() -> None:
    pred, true = _case()
    assert losses.gradient(pred, true).item() == pytest.approx(losses.gradient(pred + 1, true).item(), rel=1e-4)


def test_sky_is_right_from_its_distance_on() -> None:
    true = torch.full((1, 1, 4, 4), math.inf)
    assert losses.sky(torch.full_like(true, math.log(300)), true).item() == 0
    near = losses.sky(torch.full_like(true, math.log(losses.SKY_M / 2)), true).item()
    assert near == pytest.approx(math.log(2), rel=1e-5)


def test_sky_is_asked_of_sky_alone() -> None:
    true = torch.full((1, 1, 2, 3), math.inf)
    true[..., 1] = math.nan
    true[..., 2] = 1.0
    pred = torch.tensor([math.log(losses.SKY_M / 2), -9.0, -9.0]).expand(1, 1, 2, 3)
    assert losses.sky(pred, true).item() == pytest.approx(math.log(2), rel=1e-5)


def test_no_valid_pixel_gives_zero_and_finite_gradients() -> None:
    pred = torch.zeros(1, 1, 8, 8, requires_grad=True)
    true = torch.full((1, 1, 8, 8), math.nan)
    total = losses.log_l1(pred, true) + losses.scale_invariant(pred, true) + losses.gradient(pred, true)
    (total + losses.sky(pred, true) + losses.relative_error(pred, true)).backward()
    assert total.item() == 0
    assert torch.isfinite(pred.grad).all()


def test_gradients_are_finite_beside_sky_and_holes() -> None:
    pred, true = _case()
    total = losses.log_l1(pred, true) + losses.scale_invariant(pred, true) + losses.gradient(pred, true)
    total.backward()
    assert torch.isfinite(pred.grad).all()
    assert (pred.grad[torch.isnan(true)] == 0).all()


@pytest.mark.parametrize("size", [(2, 1, 33, 47), (1, 1, 3, 5), (1, 3, 1, 1)])
@pytest.mark.parametrize("radius", [1, 3])
def test_largest_around_is_max_pooling(size: tuple[int, ...], radius: int) -> None:
    x = torch.randn(size, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.max_pool2d(x, 2 * radius + 1, 1, radius)
    assert torch.equal(losses._largest_around(x, radius), expected)


def test_edge_weight_marks_three_pixels_on_both_sides() -> None:
    true = torch.zeros(1, 1, 11, 40)
    true[..., 20:] = 0.5
    marked = torch.nonzero(losses.edge_weight(true)[0, 0, 5])[:, 0].tolist()
    assert marked == list(range(16, 24))
    assert losses.edge_weight(torch.zeros(1, 1, 9, 9)).sum() == 0
    true[...] = math.log(2.0)
    assert losses.edge_weight(true).sum() == 0


def test_the_border_of_what_is_unknown_is_no_edge() -> None:
    true = torch.full((1, 1, 12, 30), math.log(5.0))
    true[..., :10] = torch.nan
    assert losses.edge_weight(true).sum() == 0
    true[..., 20:] = math.log(9.0)
    assert torch.nonzero(losses.edge_weight(true)[0, 0, 5])[:, 0].tolist() == list(range(16, 24))


@pytest.mark.parametrize("depth_m", [1.0, 100.0])
def test_edge_weight_marks_the_border_of_the_sky(depth_m: float) -> None:
    true = torch.full((1, 1, 11, 40), math.log(depth_m))
    true[..., 20:] = math.inf
    marked = torch.nonzero(losses.edge_weight(true)[0, 0, 5])[:, 0].tolist()
    assert marked == list(range(16, 24))


def test_aligned_truth_has_the_predictions_scale() -> None:
    pred, true = _case()
    pred = pred.detach() + torch.tensor([1.0, -2.0]).view(2, 1, 1, 1)
    aligned = losses.align_offset(true, pred)
    for p, t, raw in zip(pred, aligned, true, strict=True):
        valid = torch.isfinite(raw)
        assert torch.median((p - t)[valid]).item() == pytest.approx(0, abs=1e-6)
        assert torch.equal(torch.isposinf(t), torch.isposinf(raw))
        assert torch.equal(torch.isnan(t), torch.isnan(raw))
    empty = torch.full((1, 1, 4, 4), torch.inf)
    assert torch.equal(losses.align_offset(empty, torch.zeros(1, 1, 4, 4)), empty)


def test_a_pixel_may_make_a_share_of_the_move_alone() -> None:
    pred, true = _case()
    share = torch.linspace(0, 1, true.numel()).view(true.shape)
    moved = losses.align_offset(true, pred.detach() + 0.7) - true
    partly = losses.align_offset(true, pred.detach() + 0.7, share) - true
    known = torch.isfinite(true)
    assert moved[known].abs().min() > 0.01
    torch.testing.assert_close(partly[known], (share * moved)[known], atol=1e-5, rtol=0)
    assert torch.equal(torch.isposinf(losses.align_offset(true, pred.detach(), share)), torch.isposinf(true))


def test_silog_is_the_authors() -> None:
    inputs = {name: torch.from_numpy(value) for name, value in loss_inputs().items()}
    truth = inputs["truth"]
    log_true = torch.where((truth > 1e-3) & (truth < 80), truth, torch.nan).log()
    expected = json.loads((GOLDEN / "losses.json").read_text())["silog"]
    found = losses.silog(inputs["prediction"].log(), log_true, pooled=True)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_silog_by_sample_does_not_change_with_the_split_over_batches() -> None:
    pred, true = (t.detach() for t in _case())
    expected = np.mean([10 * math.sqrt(np.var(e, ddof=1) + 0.15 * e.mean() ** 2) for e in _errors()])
    assert losses.silog(pred, true).item() == pytest.approx(expected, rel=1e-5)
    halves = [losses.silog(pred[k : k + 1], true[k : k + 1]).item() for k in range(2)]
    assert np.mean(halves) == pytest.approx(expected, rel=1e-5)


def test_silog_punishes_a_common_factor_little() -> None:
    true = torch.randn(1, 1, 6, 7, generator=torch.Generator().manual_seed(0))
    assert losses.silog(true, true).item() == 0
    assert losses.silog(true + 0.3, true).item() == pytest.approx(10 * math.sqrt(0.15) * 0.3, rel=1e-4)


def test_laplace_likelihood() -> None:
    pred, true = _case()
    log_scale = torch.full_like(true, math.log(0.3))
    expected = np.mean([np.abs(e).mean() / 0.3 + math.log(0.3) for e in _errors()])
    assert losses.laplace_nll(pred, true, log_scale).item() == pytest.approx(expected, rel=1e-5)


def test_laplace_likelihood_is_best_at_the_mean_absolute_error() -> None:
    pred, true = (t[:1].detach() for t in _case())
    log_scale = torch.zeros((), requires_grad=True)
    for _ in range(60):
        loss = losses.laplace_nll(pred, true, log_scale.expand_as(true))
        (slope,) = torch.autograd.grad(loss, log_scale)
        log_scale = (log_scale.detach() - 0.5 * slope).requires_grad_()
    assert log_scale.exp().item() == pytest.approx(float(np.abs(_errors()[0]).mean()), rel=1e-3)


@pytest.mark.parametrize("name", ["silog", "silog_pooled", "laplace_nll"])
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    pred, scale, true = (torch.randn(2, 1, 4, 5, generator=generator, dtype=torch.float64) for _ in range(3))
    true[0, 0, 0, :2], true[1, 0, 3, 4] = torch.inf, torch.nan
    pred.requires_grad_()
    if name == "laplace_nll":
        assert torch.autograd.gradcheck(lambda p, s: losses.laplace_nll(p, true, s), (pred, scale.requires_grad_()))
    else:
        assert torch.autograd.gradcheck(lambda p: losses.silog(p, true, pooled=name == "silog_pooled"), (pred,))


def test_likelihood_and_silog_stay_finite_without_truth() -> None:
    pred, scale = (torch.zeros(1, 1, 8, 8, requires_grad=True) for _ in range(2))
    true = torch.full((1, 1, 8, 8), math.nan)
    total = losses.silog(pred, true) + losses.laplace_nll(pred, true, scale)
    total.backward()
    assert total.item() == 0
    assert torch.isfinite(pred.grad).all()
    assert torch.isfinite(scale.grad).all()
