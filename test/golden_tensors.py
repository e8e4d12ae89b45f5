"""Weights and inputs of the golden values in test/golden, made anew from names and seeds.

Everything comes from numpy's legacy RandomState, whose streams no later numpy changes.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GOLDEN = Path(__file__).parent / "golden"
PATCH_PX = 224
MAX_DEPTH_M = 80.0

_COARSE_CHW = ((256, 8, 8), (256, 16, 16), (256, 32, 32), (256, 64, 64), (256, 128, 128), (128, 224, 224))


def read_keys(file_name: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the tensors listed in a file of test/golden, by name; a scalar has the shape ()."""
    shapes = {}
    for line in (GOLDEN / file_name).read_text(encoding="utf-8").splitlines():
        name, _, sides = line.partition(" ")
        shapes[name] = tuple(int(side) for side in sides.split("x") if side.isdigit())
    return shapes


def fill_tensor(name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """What the tensor `name` held when the golden values were computed: float32, or int64 for a counter."""
    if name.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    noise = np.random.RandomState(zlib.crc32(name.encode()) & 0x7FFFFFFF).standard_normal(shape)
    if name.endswith("running_var"):
        noise = 1.0 + 0.1 * np.abs(noise)
    elif name.endswith("running_mean"):
        noise = 0.1 * noise
    elif len(shape) > 1:
        noise = noise / np.sqrt(np.prod(shape[1:]))  # keeps activations of order one through every layer
    elif name.endswith(("weight", "gamma")):
        noise = 1.0 + 0.1 * noise
    else:
        noise = 0.05 * noise
    return np.asarray(noise, np.float32)


def vit_input(side_px: int = PATCH_PX, seed: int = 3) -> NDArray[np.float32]:
    """RGB in 0..1 for Depth Anything V2, (1, 3, side_px, side_px)."""
    return np.random.RandomState(seed).rand(1, 3, side_px, side_px).astype(np.float32)


def refiner_inputs(batch: int = 1, seed: int = 7) -> dict[str, Any]:
    """Patches as the refiner gets them: `image` in 0..1, `coarse_depth` in metres, six `coarse_features`."""
    return _refiner_inputs(np.random.RandomState(seed), batch, (PATCH_PX, PATCH_PX))


def scene_inputs(height: int = 480, width: int = 640, seed: int = 11) -> dict[str, Any]:
    """A whole image with its coarse maps at network size, keys as in `refiner_inputs`."""
    return _refiner_inputs(np.random.RandomState(seed), 1, (height, width))


def _refiner_inputs(rng: np.random.RandomState, batch: int, image_hw: tuple[int, int]) -> dict[str, Any]:
    image = rng.rand(batch, 3, *image_hw).astype(np.float32)
    depth = (1.0 + 20.0 * rng.rand(batch, 1, PATCH_PX, PATCH_PX)).astype(np.float32)
    features = [rng.standard_normal((batch, *chw)).astype(np.float32) for chw in _COARSE_CHW]
    return {"image": image, "coarse_depth": depth, "coarse_features": features}


def loss_inputs(seed: int = 5) -> dict[str, NDArray[np.float32]]:
    """`prediction`, `truth` and `pseudo_label`, (2, 1, 64, 96), metres; the truth counts where 1e-3 < truth < 80."""
    rng = np.random.RandomState(seed)
    truth = (1 + 20 * rng.rand(2, 1, 64, 96)).astype(np.float32)
    prediction = (truth * (1 + 0.2 * rng.standard_normal(truth.shape))).clip(0.05).astype(np.float32)
    truth[:, :, :8] = 0  # no measurement
    truth[:, :, :, -5:] = 200.0  # out of range
    pseudo = (0.7 * truth + 0.5 + 0.3 * rng.standard_normal(truth.shape)).clip(0.05).astype(np.float32)
    return {"prediction": prediction, "truth": truth, "pseudo_label": pseudo}
