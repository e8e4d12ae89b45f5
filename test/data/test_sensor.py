from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from prv2_ros.data.sensor import SensorEffects, expose, meter


def _picture() -> np.ndarray:
    return np.random.default_rng(0).uniform(0.05, 0.6, (48, 64, 3)).astype(np.float32)


def _expose(effects: SensorEffects, seed: int = 0) -> np.ndarray:
    return expose(_picture(), effects, np.random.default_rng(seed)).astype(float)


def test_ideal_sensor_keeps_order_and_meters_to_mid_grey() -> None:
    image = _expose(SensorEffects())
    light = _picture()
    order = np.argsort(light.ravel())
    assert (np.diff(image.ravel()[order]) >= 0).all()
    assert 90 < image.mean() < 150


def test_each_effect_does_what_its_name_says() -> None:
    plain = _expose(SensorEffects())
    assert _expose(SensorEffects(exposure_ev=1.0)).mean() > plain.mean() + 10
    assert _expose(SensorEffects(vignette=0.8))[:4, :4].mean() < plain[:4, :4].mean() - 10
    assert (
        np.abs(np.diff(_expose(SensorEffects(blur_sigma_px=1.5)), axis=1)).mean()
        < 0.5 * np.abs(np.diff(plain, axis=1)).mean()
    )
    streaked = _expose(SensorEffects(motion_px=7, motion_deg=0))
    assert np.abs(np.diff(streaked, axis=1)).mean() < 0.5 * np.abs(np.diff(streaked, axis=0)).mean()
    assert _expose(SensorEffects(glare=0.5)).std() < 0.75 * plain.std()
    rows = (_expose(SensorEffects(row_noise=0.1)) - plain).mean((1, 2))
    assert rows.std() > 5
    assert np.ptp(_expose(SensorEffects(saturation=0.0)), axis=-1).max() <= 1
    warm = _expose(SensorEffects(white_balance=(1.4, 1.0, 0.7)))
    assert warm[..., 0].mean() > warm[..., 2].mean() + 20
    assert np.abs(_expose(SensorEffects(jpeg_quality=20)) - plain).mean() > 2


def test_noise_follows_the_seed() -> None:
    effects = SensorEffects(noise=0.05)
    np.testing.assert_array_equal(_expose(effects, 1), _expose(effects, 1))
    assert np.abs(_expose(effects, 1) - _expose(effects, 2)).mean() > 1


def test_random_effects_are_seeded_and_blur_scales() -> None:
    a = SensorEffects.random(np.random.default_rng(3))
    assert a == SensorEffects.random(np.random.default_rng(3))
    half = SensorEffects.random(np.random.default_rng(3), scale=0.5)
    assert half == replace(a, blur_sigma_px=a.blur_sigma_px / 2, motion_px=a.motion_px / 2)


def test_a_part_is_as_bright_as_what_was_metered_on_the_whole() -> None:
    light, effects, rng = _picture(), SensorEffects(), np.random.default_rng(0)
    own = meter(light, effects)
    np.testing.assert_array_equal(expose(light, effects, rng, own), expose(light, effects, rng))
    assert expose(light, effects, rng, 2 * own).mean() < expose(light, effects, rng, own).mean() - 10


def test_a_low_meter_lets_the_sky_burn_out() -> None:
    light = np.full((40, 30, 3), 0.1, np.float32)
    light[:20] = 2.0
    plain, low, high = (
        meter(picture, SensorEffects(meter_low=m)) for picture, m in ((light, 0), (light, 1), (light[::-1], 1))
    )
    assert low < 0.6 * plain < 0.6 * high
    balanced = SensorEffects(white_balance=(2.0, 1.0, 1.0))
    assert meter(light[20:], balanced) > 1.1 * meter(light[20:], SensorEffects())


def test_jpeg_keeps_the_colours_in_their_order() -> None:
    light = np.broadcast_to(np.array([0.5, 0.2, 0.05], np.float32), (16, 16, 3)).copy()
    plain, coded = (expose(light, SensorEffects(jpeg_quality=q), np.random.default_rng(0)) for q in (100, 98))
    assert np.abs(coded.astype(int) - plain).max() <= 4


def test_contrast_turns_about_mid_grey() -> None:
    plain = _expose(SensorEffects())
    np.testing.assert_allclose(_expose(SensorEffects(contrast=0.5)), 127.5 + 0.5 * (plain - 127.5), atol=1.01)


def test_haze_keeps_the_light_and_a_vignette_takes_it_from_every_corner_alike() -> None:
    grey = np.full((40, 40, 3), 0.2, np.float32)
    plain, haze, dark = (
        expose(grey, effects, np.random.default_rng(0)).astype(int)
        for effects in (SensorEffects(), SensorEffects(glare=0.5), SensorEffects(vignette=0.5))
    )
    assert np.abs(haze - plain).max() <= 1
    np.testing.assert_array_equal(dark, dark[:, ::-1])
    np.testing.assert_array_equal(dark, dark[::-1])
    assert dark[0, 0, 0] == pytest.approx(255 * (0.5 * 0.2 * 0.2 / meter(grey, SensorEffects())) ** (1 / 2.2), abs=1)
