"""The default mixture stays what it is: the model card's held-aside figures are on its scenes."""

from __future__ import annotations

import numpy as np
import pytest

from prv2_ros.data import synthetic
from prv2_ros.geometry.camera import CameraModel

SEED = 9_000_000
"""First of those that no training sees."""

FIRST_KINDS = (
    "room", "corridor", "room", "offroad", "garage", "room", "tabletop", "garage", "plain", "room", "road", "road",
)  # fmt: skip

SCENES = {
    "room": (229, 4048, 5.61079, 0.171938),
    "plain": (128, 1531, 2.97116, 1.26741),
    "tabletop": (133, 2603, 0.42243, 0.238186),
    "corridor": (152, 3392, 3.08464, 0.121677),
    "garage": (225, 3271, 5.58654, 0.192441),
    "warehouse": (391, 7734, 10.7775, 0.356934),
    "street": (983, 30644, 8.17526, 0.363342),
    "road": (525, 18072, 6.41562, 0.286769),
    "yard": (526, 12749, 7.96822, 0.0314673),
    "offroad": (327, 15250, 6.32187, 0.0786136),
    "driving": (542, 15117, 8.91321, 0.20632),
    "close": (24, 794, 0.566909, 0.24862),
}
"""Of each kind as it was when the card was written: shapes, sum of their textures, median depth (m), mean radiance."""


def test_the_same_seeds_show_the_same_kinds() -> None:
    assert tuple(synthetic.scene_of(SEED + k)[0].kind for k in range(len(FIRST_KINDS))) == FIRST_KINDS


@pytest.mark.parametrize("kind", SCENES)
def test_scenes_look_as_they_did(kind: str) -> None:
    scene, fov_deg = synthetic.scene_of(SEED, kind)
    linear, depth_m = synthetic.trace(scene, CameraModel.from_fov(96, 64, fov_deg))
    shapes, textures, median_m, mean = SCENES[kind]
    assert len(scene.materials["texture"]) == shapes
    assert int(scene.materials["texture"].sum()) == textures
    assert float(np.median(depth_m[np.isfinite(depth_m)])) == pytest.approx(median_m, rel=1e-4)
    assert float(linear.mean()) == pytest.approx(mean, rel=1e-4)


def test_scenes_of_the_mixture_are_not_painted_over() -> None:
    for kind in SCENES:
        materials = synthetic.scene_of(SEED, kind)[0].materials
        assert not materials["fine"].any()
        assert (materials["stains"] == -1).all()
        assert (materials["hard"] == 1).all()


def test_kinds_without_a_share_are_made_when_asked_for_alone() -> None:
    shares = {kind: share for kind, (_, share) in synthetic.KINDS.items()}
    assert sum(shares.values()) == pytest.approx(1.0)
    assert {kind for kind, share in shares.items() if not share} == {"driving", "close", "avenue", "desk", "busy"}
