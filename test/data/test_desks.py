"""Desks seen from behind them through wide lenses: where real cameras at desks are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from prv2_ros.data import desks, synthetic
from prv2_ros.data.builder import Place, SceneBuilder
from prv2_ros.geometry.camera import CameraModel

WIDTH, HEIGHT = 128, 72


def _fov_and_median_m(seed: int) -> tuple[float, float]:
    scene, fov_deg = synthetic.scene_of(seed, "desk")
    depth = synthetic.view(scene, synthetic._pinhole(CameraModel.from_fov(WIDTH, HEIGHT, fov_deg))).depth_HW
    return fov_deg, float(depth[depth.isfinite()].median())


def test_lenses_are_wide_and_half_of_what_is_seen_is_nearer_than_2_m() -> None:
    fovs, medians = np.array([_fov_and_median_m(seed) for seed in range(40)]).T
    assert (fovs > 52).mean() > 0.85
    assert fovs.max() < 95
    # Real desks, through a lens of 70 degrees: 1.1 to 1.5 m.
    assert 1.1 < np.median(medians) < 1.7
    # What a network sees of scale: the median over a focal length of 500 px in a picture of 512.
    canonical = medians * 500 / (256 / np.tan(np.radians(fovs) / 2))
    assert 1.6 < np.median(canonical) < 2.5


def test_the_camera_is_behind_and_over_the_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    tables: list[tuple[float, float]] = []
    original = desks._table

    def noting(p: Place, wide: float, back: float, top: float) -> None:
        tables.append((p.y - back / 2, top))
        original(p, wide, back, top)

    monkeypatch.setattr(desks, "_table", noting)
    for seed in range(30):
        tables.clear()
        scene = desks.desk(SceneBuilder(np.random.default_rng(seed)))
        edge, top = tables[0]
        _, y, z = scene.pose.position
        assert desks.BEHIND_M[0] <= edge - y <= desks.BEHIND_M[1]
        assert 0.2 <= z - top <= 0.95


def test_the_desk_is_in_the_picture() -> None:
    for seed in range(10):
        scene, _ = synthetic.scene_of(seed, "desk")
        hits = synthetic.view(scene, synthetic._pinhole(CameraModel.from_fov(WIDTH, HEIGHT, 70)))
        rows = hits.index_HW[hits.index_HW >= 0].unique()
        assert len(rows) >= 8
        assert abs(scene.pose.pitch_deg) < 75
        assert math.isfinite(scene.pose.yaw_deg)


def test_the_seed_decides_a_desk() -> None:
    first, second = (synthetic.scene_of(9, "desk") for _ in range(2))
    assert torch.equal(first[0].materials["dark"], second[0].materials["dark"])
    assert first[1] == second[1]
