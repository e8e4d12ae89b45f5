"""The ceiling of sharpening: perfect edges over the depth's own errors."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prv2_ros.evaluation.ceiling import with_perfect_edges
from prv2_ros.evaluation.edges import depth_edges


def step_scene(height: int = 60, width: int = 150) -> np.ndarray:
    truth = np.full((height, width), 8.0, np.float32)
    truth[:, 70:] = 2.0
    return truth


def test_a_soft_edge_becomes_the_truths_and_each_side_keeps_its_own_error() -> None:
    truth = step_scene()
    factor = np.where(truth > 4, np.float32(1.3), np.float32(0.9))
    soft = cv2.GaussianBlur(truth * factor, (0, 0), 2.0)
    sharp = with_perfect_edges(soft, truth)
    near_edge = np.s_[:, 67:73]
    before, after = np.abs(soft - truth * factor)[near_edge], np.abs(sharp - truth * factor)[near_edge]
    assert after.mean() < 0.1 * before.mean()
    np.testing.assert_allclose(sharp[:, :40], 8.0 * 1.3, rtol=0.02)
    np.testing.assert_allclose(sharp[:, 110:], 2.0 * 0.9, rtol=0.02)


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.2, 5.0), seed=st.integers(0, 1000))
def test_an_error_of_scale_is_no_matter_of_edges(scale: float, seed: int) -> None:
    truth = np.random.default_rng(seed).uniform(0.5, 50, (16, 40)).astype(np.float32)
    np.testing.assert_allclose(with_perfect_edges(truth * np.float32(scale), truth), truth * scale, rtol=1e-4)


def test_weighs_like_pixels_as_counted_one_by_one() -> None:
    rng = np.random.default_rng(3)
    truth = np.exp(rng.uniform(0, 0.06, (9, 31))).astype(np.float32)
    truth[:, 12:20] *= np.exp(rng.uniform(0, 0.2, (9, 8))).astype(np.float32)
    depth = (truth * np.exp(rng.normal(0, 0.2, truth.shape))).astype(np.float32)
    sharp = with_perfect_edges(depth, truth)
    edges = depth_edges(truth)
    trust = np.where(
        [[edges[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].any() for x in range(31)] for y in range(9)], 0.02, 1
    )
    assert 0.05 < (trust == 1).mean() < 0.95
    step = max(1, round(31 / 15 / 3))
    for y, x in ((0, 0), (4, 15), (8, 30)):
        total = weight = 0.0
        for row in range(-3, 4):
            for column in range(-3, 4):
                v, u = y + row * step, x + column * step
                if 0 <= v < 9 and 0 <= u < 31:
                    like = trust[v, u] * max(0.0, 1 - (np.log(truth[v, u] / truth[y, x]) / 0.1) ** 2)
                    total += like * np.log(depth[v, u] / truth[v, u])
                    weight += like
        assert sharp[y, x] == pytest.approx(truth[y, x] * np.exp(total / weight), rel=1e-4)


def test_what_is_unknown_is_nan_and_lends_nothing() -> None:
    truth, depth = step_scene(), step_scene() * np.float32(1.5)
    truth[:, :10], depth[:, 100:110], depth[5, 50] = np.inf, np.nan, 0.0
    sharp = with_perfect_edges(depth, truth)
    unknown = np.zeros(truth.shape, bool)
    unknown[:, :10] = unknown[:, 100:110] = unknown[5, 50] = True
    np.testing.assert_array_equal(np.isnan(sharp), unknown)
    np.testing.assert_allclose(sharp[~unknown], truth[~unknown] * 1.5, rtol=1e-4)
