from __future__ import annotations

import logging

import pytest
import torch

from prv2_ros.errors import DeviceError
from prv2_ros.inference.device import choose_device, choose_precision

CPU = torch.device("cpu")
without_cuda = pytest.mark.skipif(
    torch.cuda.is_available(), reason="says what happens without CUDA; this machine has it"
)


def test_auto_takes_a_device_that_works():
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


@without_cuda
def test_auto_says_why_it_takes_the_cpu(caplog):
    with caplog.at_level(logging.INFO, logger="prv2_ros.inference.device"):
        choose_device("auto")
    assert "device auto: cpu, as torch " in caplog.text
    assert "CUDA" in caplog.text


@without_cuda
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_that_is_not_there_names_the_way_out(name):
    with pytest.raises(DeviceError, match=rf"device '{name}' cannot be used: torch .*CUDA.*; use device auto or cpu"):
        choose_device(name)


@pytest.mark.parametrize("name", ["", "gpu", "cuda:x", "mps", "meta", "cpu:"])
def test_unknown_devices_are_refused(name):
    with pytest.raises(DeviceError, match=r"is unknown: use auto, cpu, cuda or cuda:N"):
        choose_device(name)


@pytest.mark.parametrize(
    ("name", "device", "expected"),
    [
        ("auto", CPU, torch.float32),
        ("auto", torch.device("cuda"), torch.float16),
        ("float32", CPU, torch.float32),
        ("bfloat16", CPU, torch.bfloat16),
        ("float16", torch.device("cuda"), torch.float16),
    ],
)
def test_precisions(name, device, expected):
    assert choose_precision(name, device) is expected


@pytest.mark.parametrize(
    ("name", "message"),
    [("half", "precision 'half' is unknown: use one of auto"), ("float16", "not for a CPU: use auto")],
)
def test_precisions_that_cannot_be_used(name, message):
    with pytest.raises(DeviceError, match=message):
        choose_precision(name, CPU)
