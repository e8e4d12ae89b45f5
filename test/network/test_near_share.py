from __future__ import annotations

import math

import torch

from prv2_ros.network.near_share import share_within


def test_a_share_falls_from_half_of_the_depth_on() -> None:
    depths_m = torch.tensor([1.0, 25.0, 25.0 * math.sqrt(2), 50.0, 300.0])
    torch.testing.assert_close(share_within(depths_m.log(), 50.0), torch.tensor([1.0, 1.0, 0.5, 0.0, 0.0]))
