from __future__ import annotations

import pytest
import torch

from prv2_ros.network.model import DepthModel


@pytest.fixture(scope="package")
def model() -> DepthModel:
    torch.manual_seed(1)
    return DepthModel().eval()
