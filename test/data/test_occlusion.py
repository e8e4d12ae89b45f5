"""Ambient occlusion: crevices are darker, and a part of a picture is as dark as it is there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from prv2_ros.data.occlusion import Surroundings
from prv2_ros.data.raycast import Pinhole
from prv2_ros.data.synthetic import scene_of, surroundings, trace
from prv2_ros.geometry.camera import CameraModel

WIDE = Pinhole(width=200, height=100, fx=100.0, fy=100.0, cx=99.5, cy=49.5)


def test_a_plain_wall_gets_all_light_and_what_stands_behind_an_edge_less() -> None:
    wall = torch.full((100, 200), 4.0)
    torch.testing.assert_close(Surroundings.of(wall, WIDE).occlusion(wall, WIDE), torch.ones(100, 200))
    step = wall.clone()
    step[:, :100] = 3.0
    light = Surroundings.of(step, WIDE).occlusion(step, WIDE)
    assert float(light[50, 102]) < 0.8
    assert float(light[50, 97]) > 0.999, "the nearer side has nothing before it"
    assert float(light[50, 190]) > 0.999, "far from the edge"


def test_the_sky_gets_all_light_and_casts_no_shade() -> None:
    depth = torch.full((100, 200), torch.inf)
    depth[60:] = 5.0
    light = Surroundings.of(depth, WIDE).occlusion(depth, WIDE)
    assert torch.isfinite(light).all()
    torch.testing.assert_close(light[60:], torch.ones(40, 200))


@pytest.mark.parametrize("width", [199, 200, 211])
def test_shade_lies_where_its_cause_does_up_to_the_last_column(width: int) -> None:
    """The last cells of a grid may hang over the picture's edge, and nothing may be shifted for that."""
    camera = replace(WIDE, width=width)
    depth = torch.full((100, width), 4.0)
    depth[:, width - 25 : width - 15] = 3.0
    light = 1 - Surroundings.of(depth, camera).occlusion(depth, camera)[50]
    left, right = light[width - 40 : width - 25].flip(0), light[width - 15 :]
    torch.testing.assert_close(left, right, atol=0.12, rtol=0)


@pytest.mark.parametrize("corner", [(0, 0), (400, 200), (704, 320)])
@pytest.mark.parametrize("seed", [3, 7])
def test_a_tile_is_as_bright_as_the_same_pixels_of_the_whole_picture(seed: int, corner: tuple[int, int]) -> None:
    scene, fov_deg = scene_of(seed)
    camera = CameraModel.from_fov(960, 576, fov_deg)
    small = camera.resized(320, 192)
    picture, _ = trace(scene, camera)
    around = surroundings(trace(scene, small)[1], small)
    x, y = corner
    cut, _ = trace(scene, camera.cropped(x, y, 256, 256), whole=around)
    there = picture[y : y + 256, x : x + 256]
    brightness = np.abs(np.log((cut.mean(-1) + 1e-3) / (there.mean(-1) + 1e-3)))
    assert brightness.mean() < 0.02
    assert np.quantile(brightness, 0.95) < 0.08
