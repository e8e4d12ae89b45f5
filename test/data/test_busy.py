"""Busy surfaces: more contrast and edges on what stands where it stood, and detail close by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.data import busy, indoor, nature, outdoor, synthetic, textures, tiles
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.data.scene import Material, Pose, Scene
from prv2_ros.data.shading import no_shadow_lighting
from prv2_ros.geometry.camera import CameraModel

CAMERA = CameraModel.from_fov(96, 64, 70)


def _room(seed: int) -> tuple[SceneBuilder, Scene]:
    b = SceneBuilder(np.random.default_rng(seed))
    return b, indoor.room(b)


def _steep(linear: np.ndarray) -> float:
    """Share of pixels beside a step of tone of more than 10 of 255."""
    tone = 255 * np.clip(linear.mean(-1) / np.quantile(linear, 0.9), 0, 1) ** (1 / 2.2)
    return float((np.hypot(*np.gradient(tone)) > 10).mean())


def test_the_same_things_stand_in_the_same_places() -> None:
    b, scene = _room(3)
    again = busy.busier(b, scene, "busy")
    assert again.kind == "busy"
    assert again.pose == scene.pose
    for name in ("shape", "linear", "centre"):
        assert torch.equal(getattr(again.primitives, name), getattr(scene.primitives, name))
    assert not torch.equal(again.materials["dark"], scene.materials["dark"])


@pytest.mark.parametrize("compose", [indoor.room, indoor.tabletop, outdoor.street, outdoor.yard])
def test_at_least_half_of_the_matt_surfaces_have_the_least_contrast(compose: Callable[[SceneBuilder], Scene]) -> None:
    shares = []
    for seed in range(8):
        b = SceneBuilder(np.random.default_rng(seed))
        busy.busier(b, compose(b), "busy")
        matt = {id(m): m for m in b.materials if m.emission == 0 and m.specular <= 0.3}.values()
        shares.append(np.mean([busy.contrast(m) >= 0.9 * busy.LEAST_CONTRAST[0] for m in matt]))
        assert all(0.004 <= v <= 0.95 for m in matt for v in (*m.dark, *m.light))
    assert np.mean(shares) > 0.5


def test_pictures_have_more_edges_that_are_no_edges_of_depth() -> None:
    before, after = [], []
    for seed in range(8):
        b, scene = _room(seed)
        before.append(_steep(synthetic.trace(scene, CAMERA)[0]))
        after.append(_steep(synthetic.trace(busy.busier(b, scene, "busy"), CAMERA)[0]))
    assert np.median(after) > 1.3 * np.median(before)


def test_lamps_stay_as_they_are_and_leaves_stay_leaves() -> None:
    b = SceneBuilder(np.random.default_rng(0))
    lamp = b.material(textures.NOISE, emission=3.0)
    b.box((0, 0, 0), (1, 1, 1), lamp)
    nature.bush(Place(b=b, x=0, y=5), 1.0, 1.0)
    scene = b.build("test", no_shadow_lighting(), Pose(position=(0, 0, 1)))
    again = busy.busier(b, scene, "busy")
    assert b.materials[0] == lamp
    assert torch.equal(again.materials["texture"], scene.materials["texture"])


@given(
    dark=st.tuples(*[st.floats(0.004, 0.95)] * 3), light=st.tuples(*[st.floats(0.004, 0.95)] * 3), least=st.floats(0, 1)
)
def test_contrast_is_raised_and_never_lowered(
    dark: tuple[float, float, float], light: tuple[float, float, float], least: float
) -> None:
    m = Material(texture=0, dark=dark, light=light)
    raised = busy._with_contrast(m, least)
    assert all(0.004 <= v <= 0.95 for v in (*raised.dark, *raised.light))
    if busy.contrast(m) >= least:
        assert raised == m
    elif np.ptp(dark) == np.ptp(light) == 0 and min(*dark, *light) > 0.1 and max(*dark, *light) < 0.4 and least < 0.9:
        assert busy.contrast(raised) == pytest.approx(least, abs=0.02)


def test_a_finer_pattern_comes_out_close_by() -> None:
    def steps(fine: float) -> float:
        b = SceneBuilder(np.random.default_rng(0))
        m = b.material(textures.NOISE, base=(0.3, 0.3, 0.3), contrast=0.2, repeat_m=4.0, grain=0.0, specular=0.0)
        b.box((0, 0.9, 0), (20, 1, 20), replace(m, fine=fine))
        scene = b.build("test", no_shadow_lighting(), Pose(position=(0, 0, 0)))
        linear, _ = synthetic.trace(scene, CAMERA)
        return float(np.abs(np.diff(linear.mean(-1), axis=1)).mean() / linear.mean())

    assert steps(0.5) > 3 * steps(0.0)


def test_hardness_makes_patches_of_soft_noise() -> None:
    def middling(hard: float) -> float:
        b = SceneBuilder(np.random.default_rng(0))
        m = Material(texture=0, dark=(0, 0, 0), light=(1, 1, 1), repeat_m=4.0, fine=1e-6, hard=hard)
        b.box((0, 3.5, 0), (20, 1, 20), m)
        scene = b.build("test", no_shadow_lighting(), Pose(position=(0, 0, 0)))
        tone = synthetic.trace(scene, CAMERA)[0].mean(-1)
        return float(((tone > 0.2 * tone.max()) & (tone < 0.8 * tone.max())).mean())

    assert middling(5.0) < 0.6 * middling(1.0)


@pytest.mark.parametrize("kind", ["avenue", "desk", "busy"])
def test_tiles_show_what_the_overview_shows(kind: str) -> None:
    scene = tiles.render(4, 1, scale=2.5, kind=kind)
    assert scene.overview.kind == kind
    assert scene.tiles[0].image.shape == (256, 256, 3)
    assert scene.tiles[0].depth_m.min() >= 0.9 * scene.overview.depth_m.min()


def test_half_of_the_scenes_are_painted_over() -> None:
    kinds = []
    for seed in range(40):
        b, scene = _room(seed)
        kinds.append(busy.busier_half(b, scene) is scene)
    assert 10 < sum(kinds) < 30
