from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from prv2_ros.data.builder import SceneBuilder
from prv2_ros.data.scene import Pose
from prv2_ros.data.shading import no_shadow_lighting
from prv2_ros.data.shadow import ShadowMap

UP = torch.tensor([[0.0], [0.0], [1.0]])


def test_a_slab_shades_what_is_under_it_and_nothing_else() -> None:
    b = SceneBuilder(np.random.default_rng(0))
    b.box((0, 0, -0.5), (40, 40, 1), b.material())
    b.box((0, 0, 2), (2, 2, 0.1), b.material())
    lighting = replace(no_shadow_lighting(), key_position=(0.0, 0.0, 100.0), key_spread_m=10.0)
    scene = b.build("test", lighting, Pose(position=(0, -5, 1.5)))
    x = torch.linspace(-4, 4, 33)
    floor = torch.stack([x, 0.1 * x, torch.zeros_like(x)])
    shadow = ShadowMap.of(scene, floor)
    lit = shadow.share(floor, UP.expand_as(floor))
    assert (lit[x.abs() < 0.9] == 0).all()
    assert (lit[x.abs() > 1.2] == 1).all()
    above = torch.tensor([[0.0], [0.0], [2.06]])
    assert float(shadow.share(above, UP)) == 1.0, "the slab does not shade its own top"
    far = torch.tensor([[300.0], [0.0], [0.0]])
    assert float(shadow.share(far, UP)) == 1.0, "beyond the map everything is lit"
