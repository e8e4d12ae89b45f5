"""What a camera does to light: exposure, white balance, vignette, blur, noise, tone curve and JPEG."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class SensorEffects:
    """Strength of each effect; the defaults of `ideal` change nothing but the tone curve."""

    exposure_ev: float = 0.0
    meter_low: float = 0.0
    """How much more the bottom of the picture counts for the exposure: 1 lets a bright sky burn out."""

    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    vignette: float = 0.0
    """Light lost in the corners, 0 to 1."""

    blur_sigma_px: float = 0.0
    motion_px: float = 0.0
    """Length of the motion blur."""

    motion_deg: float = 0.0
    """Direction of the motion blur; 0 is horizontal."""

    glare: float = 0.0
    """Share of the light that lens and haze spread over a wide surrounding."""

    row_noise: float = 0.0
    """Standard deviation of each row's own offset, as a share of full scale."""

    noise: float = 0.0
    """Standard deviation of the noise at mid grey, as a share of full scale."""

    contrast: float = 1.0
    saturation: float = 1.0
    jpeg_quality: int = 100

    @classmethod
    def random(cls, rng: np.random.Generator, scale: float = 1.0) -> SensorEffects:
        """Draw the effects of one camera; `scale` is the blur's, 1 for full-resolution frames."""
        return cls(
            exposure_ev=float(np.clip(rng.normal(0.15, 0.55), -1.3, 1.7)),
            meter_low=float(rng.uniform(0, 1)) if rng.uniform() < 0.7 else 0.0,
            white_balance=(math.exp(rng.normal(0, 0.07)), 1.0, math.exp(rng.normal(0, 0.09))),
            vignette=max(0.0, rng.normal(0.05, 0.15)),
            blur_sigma_px=scale * float(rng.uniform(0.3, 0.8) if rng.uniform() < 0.8 else rng.uniform(0.8, 1.6)),
            motion_px=scale * float(rng.uniform(1, 5)) if rng.uniform() < 0.08 else 0.0,
            motion_deg=float(rng.normal(0, 25)),
            glare=float(rng.uniform(0.02, 0.2)) if rng.uniform() < 0.3 else 0.0,
            row_noise=float(rng.exponential(0.004)) if rng.uniform() < 0.2 else 0.0,
            noise=float(rng.exponential(0.008) if rng.uniform() < 0.9 else rng.uniform(0.02, 0.06)),
            contrast=math.exp(rng.normal(0, 0.15)),
            saturation=math.exp(rng.normal(0, 0.25)),
            jpeg_quality=int(rng.integers(60, 99)),
        )


def meter(linear_HW3: NDArray[np.float32], effects: SensorEffects) -> float:
    """Geometric mean of a picture's radiance; lamps and the sun count no more than twice white."""
    light = np.log(np.minimum(linear_HW3 * np.asarray(effects.white_balance, np.float32), 2.0) + 0.01).mean((1, 2))
    weight = 1 + effects.meter_low * np.linspace(-0.95, 0.95, len(light))
    return float(np.exp(np.average(light, weights=weight)))


def expose(
    linear_HW3: NDArray[np.float32],
    effects: SensorEffects,
    rng: np.random.Generator,
    metered: float | None = None,
    veil_HW3: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """Develop linear RGB (H, W, 3) into an 8-bit sRGB image.

    Args:
        linear_HW3: radiance.
        effects: what the camera does to it.
        rng: draws the noise.
        metered: what `meter` says of the whole picture, where this is a part of it.
        veil_HW3: what `veil` says of the whole picture, here, likewise.

    """
    metered = meter(linear_HW3, effects) if metered is None else metered
    light = _light(linear_HW3, effects, metered)
    if effects.vignette > 0:
        light *= _vignette(light.shape[0], light.shape[1], effects.vignette)
    if effects.glare > 0:
        light += effects.glare * ((_spread(light) if veil_HW3 is None else veil_HW3) - light)
    if effects.motion_px > 1:
        light = cv2.filter2D(light, -1, _streak(effects.motion_px, effects.motion_deg))
    if effects.blur_sigma_px > 0.05:
        light = cv2.GaussianBlur(light, (0, 0), effects.blur_sigma_px)
    if effects.noise > 0:
        shot = effects.noise * np.sqrt(np.maximum(light, 0.0) / 0.2 + 0.05)
        light = light + shot * rng.standard_normal(light.shape, np.float32) * 0.2
    if effects.row_noise > 0:
        light = light + effects.row_noise * rng.standard_normal((len(light), 1, 1), np.float32) * 0.5
    light = np.maximum(light, 0)
    light = light / (1 + 0.35 * np.maximum(light - 0.4, 0))  # a soft shoulder, or every lamp burns out
    srgb = np.clip(light, 0, 1) ** (1 / 2.2)
    grey = srgb.mean(-1, keepdims=True)
    srgb = grey + effects.saturation * (srgb - grey)
    srgb = 0.5 + effects.contrast * (srgb - 0.5)
    image: NDArray[np.uint8] = (np.clip(srgb, 0, 1) * 255 + 0.5).astype(np.uint8)
    if effects.jpeg_quality >= 100:
        return image
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, effects.jpeg_quality])
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.ascontiguousarray(decoded[..., ::-1])


def veil(linear_HW3: NDArray[np.float32], effects: SensorEffects, metered: float) -> NDArray[np.float32]:
    """Light that glare spreads over the whole picture, (H, W, 3), for `expose` of parts of it."""
    return _spread(_light(linear_HW3, effects, metered))


def _light(linear_HW3: NDArray[np.float32], effects: SensorEffects, metered: float) -> NDArray[Any]:
    light: NDArray[Any] = linear_HW3 * np.asarray(effects.white_balance, np.float32)
    light *= 0.2 / metered * 2.0**effects.exposure_ev
    return light


def _spread(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Wide blur (a twentieth of the width), on a small copy; lamps and the sun count as six times white."""
    height, width = light.shape[:2]
    bounded = np.minimum(light, 6.0)
    small = cv2.resize(bounded, (64, max(8, 64 * height // width)), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 3.2)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _streak(length_px: float, angle_deg: float) -> NDArray[np.float32]:
    """Kernel of a straight motion; its sum is 1."""
    size = 2 * round(length_px / 2) + 3
    kernel = np.zeros((size, size), np.float32)
    reach = length_px / 2 * np.array([math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))])
    for step in np.linspace(-1, 1, 4 * size):
        x, y = np.rint(size // 2 + step * reach).astype(int)
        kernel[y, x] += 1
    kernel /= kernel.sum()
    return kernel


def _vignette(height: int, width: int, strength: float) -> NDArray[np.float32]:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return np.maximum(0.1, 1 - strength * (x * x + y * y) / 2)[..., None].astype(np.float32)
