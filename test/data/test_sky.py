from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from prv2_ros.data import daylight, sky
from prv2_ros.data.builder import SceneBuilder
from prv2_ros.data.scene import Sky
from prv2_ros.data.shading import no_shadow_lighting

DARK = replace(no_shadow_lighting(), sky=Sky(zenith_rgb=(0.1, 0.2, 0.4), horizon_rgb=(0.8, 0.9, 1.0)))


def _unit(*directions: tuple[float, float, float]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(directions).T, dim=0)


def test_a_clear_sky_goes_from_the_horizons_colour_to_the_zeniths() -> None:
    colours = sky.radiance(DARK, _unit((0, 1, 0), (0, 1, -0.2), (0, 0, 1), (1, 0, 0.4)))
    torch.testing.assert_close(colours[:, 0], torch.tensor([0.8, 0.9, 1.0]))
    torch.testing.assert_close(colours[:, 1], colours[:, 0])
    torch.testing.assert_close(colours[:, 2], torch.tensor([0.1, 0.2, 0.4]))
    assert (colours[:, 3] < colours[:, 0]).all()
    assert (colours[:, 3] > colours[:, 2]).all()


def test_the_sun_is_the_brightest_place() -> None:
    sunny = replace(DARK, key_position=(0.0, 100.0, 100.0), key_rgb=(3.0, 3.0, 3.0))
    at_sun, beside, away = sky.radiance(sunny, _unit((0, 1, 1), (0.2, 1, 1), (0, -1, 1))).T
    assert float(at_sun.min()) > 20 * float(beside.max())
    assert float(beside.min()) > float(away.min())


def test_clouds_cover_about_the_share_that_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    directions = torch.from_numpy(rng.normal(0, 1, (3, 4000)) * [[1], [1], [0]] + [[0], [0], [0.8]]).float()
    directions = directions / directions.norm(dim=0)
    covers = []
    for cover in (0.1, 0.5, 0.9):
        cloudy = replace(
            DARK, sky=replace(DARK.sky, cover=cover, cloud_rgb=(5.0, 5.0, 5.0), cloud_edge=50.0, cloud_depth=0.0)
        )
        covers.append(float((sky.radiance(cloudy, directions)[0] > 2).float().mean()))
    assert covers[0] < 0.3 < covers[1] < 0.75 < covers[2]


def test_weather_varies_and_some_of_it_burns_out() -> None:
    """The dimmest channel of the sky is above what a camera can hold in some scenes, and far below in others."""
    lights = [daylight.daylight(SceneBuilder(np.random.default_rng(seed))) for seed in range(40)]
    brightest = [min(light.sky.horizon_rgb) for light in lights]
    assert min(brightest) < 0.9
    assert max(brightest) > 2.0
    assert 0.2 < np.mean([light.key_rgb[0] > 1 for light in lights]) < 0.9
