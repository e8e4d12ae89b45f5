from __future__ import annotations

import math

import pytest
import torch

from prv2_ros.training.schedule import Average, learning_rate_share


def test_learning_rate_warms_up_and_falls() -> None:
    shares = [learning_rate_share(p / 100, 0.1) for p in range(101)]
    assert shares[10] == pytest.approx(1.0)
    assert shares[:11] == sorted(shares[:11])
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert shares[100] == pytest.approx(0.01)
    assert learning_rate_share(0.0, 0.3, 0.5) == 0.5, "the published cycle starts from a half"
    assert learning_rate_share(0.15, 0.3, 0.5) == pytest.approx(0.75)


def test_average_moves_from_mean_to_exponential() -> None:
    module = torch.nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(0.0)
    average = Average(module, 0.9)
    for value in range(1, 400):
        module.weight.data.fill_(float(value))
        average.update(module)
        if value <= 90:  # n / (n + 10) is 0.9 here
            weights = [math.prod(range(k + 1, k + 10)) for k in range(value + 1)]
            mean = sum(k * weight for k, weight in enumerate(weights)) / sum(weights)
            found = float(average.state["weight"])
            assert found == pytest.approx(mean, rel=1e-5)
            assert found == pytest.approx(value * 10 / 11, rel=1e-5), "a plain mean lags by half of the steps"
    # An exponential mean of a ramp lags by decay / (1 - decay) steps.
    assert float(average.state["weight"]) == pytest.approx(399 - 9, abs=0.5)
