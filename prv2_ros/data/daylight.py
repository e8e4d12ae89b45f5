"""Sun and sky of outdoor scenes."""

from __future__ import annotations

import math

import numpy as np

from prv2_ros.data.builder import SceneBuilder
from prv2_ros.data.scene import Lighting, Sky

_SUN_M = 200.0


def _sky(rng: np.random.Generator, weather: str, warm: float) -> tuple[np.ndarray, Sky]:
    """Draw a sky: the light that it sheds and what is seen of it."""
    common = {
        "falloff": rng.uniform(1.5, 5),
        "cloud_scale": math.exp(rng.uniform(math.log(0.02), math.log(0.1))),
        "cloud_shift": rng.uniform(0, 10),
    }
    texture = int(rng.integers(6))
    if weather == "clear":
        blue = np.array([rng.uniform(0.12, 0.3), rng.uniform(0.3, 0.48), rng.uniform(0.7, 0.95)])
        edge = np.array([0.75, 0.86, 1.0]) * rng.uniform(0.8, 1.3) * [1, 1 - 0.15 * (1 - warm), warm]
        cover = rng.uniform(0.1, 0.65) if rng.uniform() < 0.6 else 0.0
        seen = Sky(
            zenith_rgb=_rgb(blue * rng.uniform(0.5, 1.1)),
            horizon_rgb=_rgb(edge),
            cover=cover,
            cloud_rgb=_rgb(np.array([1.0, 0.98, 0.95]) * rng.uniform(1.0, 1.8)),
            cloud_depth=rng.uniform(0.1, 0.5),
            cloud_edge=rng.uniform(3, 9),
            cloud_texture=texture,
            **common,
        )
        return (0.45 * blue + 0.3 * edge) * rng.uniform(0.7, 1.1), seen
    bright = rng.uniform(0.7, 1.1) if weather == "overcast" else rng.uniform(1.6, 4.0)
    tint = np.array([1.0, 1.0, 1.0]) + rng.normal(0, 0.04) * np.array([-1.0, 0.0, 1.2])
    contrast = rng.uniform(0, 0.45) if weather == "overcast" else rng.uniform(0, 0.12)
    seen = Sky(
        zenith_rgb=_rgb(tint * bright * rng.uniform(0.75, 1.2)),
        horizon_rgb=_rgb(tint * bright * rng.uniform(0.85, 1.25)),
        cover=rng.uniform(0.4, 0.9),
        cloud_rgb=_rgb(tint * bright),
        cloud_depth=contrast,
        cloud_edge=rng.uniform(1, 3),
        cloud_texture=texture,
        **common,
    )
    return tint * min(bright, 1.2), seen


def daylight(b: SceneBuilder, target_y: float = 12.0) -> Lighting:
    """Draw sun and sky: clear or cloudy, overcast, or a burnt-out white; the shadows reach 35 m around the target."""
    rng = b.rng
    weather = str(rng.choice(["clear", "overcast", "white"], p=[0.55, 0.25, 0.2]))
    elevation = math.radians(rng.uniform(8, 75))
    azimuth = rng.uniform(0, 2 * math.pi)
    toward = np.array(
        [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
    )
    target = (0.0, target_y, 0.0)
    x, y, z = np.array(target) + _SUN_M * toward
    power = rng.uniform(1.2, 4.0) if weather == "clear" else rng.uniform(0.0, 0.25)
    warm = 1 - 0.45 * math.exp(-math.degrees(elevation) / 12)
    shed, sky = _sky(rng, weather, warm)
    fog = math.exp(rng.uniform(math.log(60), math.log(500))) if rng.uniform() < 0.25 else rng.uniform(800, 5000)
    return Lighting(
        key_position=(float(x), float(y), float(z)),
        key_target=target,
        key_spread_m=35.0,
        key_rgb=(power, power * (0.6 + 0.4 * warm), power * warm * 0.92),
        sky_rgb=_rgb(shed),
        ground_rgb=_rgb(shed * rng.uniform(0.12, 0.3) * np.array([1.0, 0.95, 0.85])),
        fog_m=fog,
        softness_m=0.03 if weather == "clear" else rng.uniform(0.2, 1.0),
        sky=sky,
    )


def _rgb(value: np.ndarray) -> tuple[float, float, float]:
    r, g, b = np.maximum(value, 0.0)
    return float(r), float(g), float(b)
