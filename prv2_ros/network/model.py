"""The whole depth network: coarse pass over the image, refinement of native-resolution tiles."""

from __future__ import annotations

import copy
import dataclasses
import math
from dataclasses import dataclass

from torch import Tensor, nn

from prv2_ros.config_fields import fit_own_fields
from prv2_ros.errors import ConfigError
from prv2_ros.network.coarse_lite import CoarseLite, CoarseOutput
from prv2_ros.network.refiner_realtime import RefinedTile, RefinerRealtime

STRIDE_PX = 32
"""Sides of network images and tiles are multiples of this."""

_WIDEST = 4096
_LARGEST_AREA_PX = 4096 * 4096


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Architecture of a model; with the weights it is the model."""

    name: str = "default"
    coarse_encoder: str = "tf_efficientnet_lite0"
    coarse_widths: tuple[int, ...] = (48, 64, 96, 160)
    coarse_lens: bool = True
    """Whether the coarse network is told the focal length; models of before 2026-11-27, which do not say, are not."""

    refiner_encoder: str = "tf_efficientnet_lite0"
    refiner_widths: tuple[int, ...] = (32, 48, 64, 96)
    refiner_shrink: int = 2
    """How much smaller than the tile the refiner's encoder sees it, 1 or 2."""

    coarse_area_px: int = 288 * 512
    """Area of the coarse network's input; the aspect ratio follows the image. At 384x640 the same weights were less
    accurate (models/MODEL_CARD.md): they have mostly seen pictures of this size and smaller ones."""

    far_network: bool = False
    """Whether the closer look at what is far (`prv2_ros.network.far_look`) has a coarse network of its own, which stage
    `far` trains; else the coarse network takes that look, too."""

    second_look: float = 2.0
    """Area of the coarse network's second, mirrored look at the picture, as a multiple of the first one's; 0 for one
    look alone (`prv2_ros.network.looks`)."""

    def __post_init__(self) -> None:
        """Refuse values of other types, and numbers that no network is built with."""
        fit_own_fields(self)
        for name in ("coarse_widths", "refiner_widths"):
            widths = getattr(self, name)
            if len(widths) != 4 or not all(1 <= width <= _WIDEST for width in widths):
                raise ConfigError(f"{name} {list(widths)}: must be four numbers from 1 to {_WIDEST}")
        if self.refiner_shrink not in (1, 2):
            raise ConfigError(f"refiner_shrink {self.refiner_shrink}: must be 1 or 2")
        if not STRIDE_PX**2 <= self.coarse_area_px <= _LARGEST_AREA_PX:
            raise ConfigError(
                f"coarse_area_px {self.coarse_area_px}: must be from {STRIDE_PX**2} to {_LARGEST_AREA_PX}; "
                f"{ModelSpec.coarse_area_px} is usual"
            )
        if self.second_look != 0 and not 0.1 <= self.second_look <= 16:
            raise ConfigError(f"second_look {self.second_look}: must be 0 (one look alone) or from 0.1 to 16")


VARIANTS = {
    "s": ModelSpec(name="s", refiner_encoder="mobilenetv4_conv_small", refiner_widths=(24, 32, 48, 64)),
    "m": ModelSpec(),
    "l": ModelSpec(name="l", refiner_encoder="convnext_nano", refiner_widths=(48, 64, 96, 128)),
}
"""Sizes of the refiner, by the width and the encoder; `m` is the default."""


class DepthModel(nn.Module):
    """`coarse_lite` and `refiner_realtime` of one specification."""

    def __init__(self, spec: ModelSpec | None = None) -> None:
        """Build with random weights."""
        super().__init__()
        self.spec = spec or ModelSpec()
        self.coarse = self._coarse_network()
        self.far = self._coarse_network() if self.spec.far_network else None
        self.refiner = RefinerRealtime(self.spec.refiner_encoder, self.spec.refiner_widths, self.spec.refiner_shrink)

    def _coarse_network(self) -> CoarseLite:
        return CoarseLite(self.spec.coarse_encoder, self.spec.coarse_widths, self.spec.coarse_lens)

    def add_far_network(self) -> None:
        """Give the closer look a network of its own, a copy of the coarse one, where it has none."""
        if self.far is None:
            self.far = copy.deepcopy(self.coarse)
            self.spec = dataclasses.replace(self.spec, far_network=True)

    def network_size(self, width: int, height: int) -> tuple[int, int]:
        """(height, width) of the coarse network's input for an image: its aspect ratio, multiples of 32."""
        scale = math.sqrt(self.spec.coarse_area_px / (width * height))
        h = max(STRIDE_PX, round(height * scale / STRIDE_PX) * STRIDE_PX)
        w = max(STRIDE_PX, round(width * scale / STRIDE_PX) * STRIDE_PX)
        return h, w

    def predict_coarse(self, image_B3hw: Tensor, f_px_B: Tensor) -> CoarseOutput:
        """Coarse log depth and features of RGB images in 0..1 at network size; focal length (px) at that size."""
        output: CoarseOutput = self.coarse(image_B3hw, f_px_B)
        return output

    def predict_far(self, image_B3hw: Tensor, f_px_B: Tensor) -> CoarseOutput:
        """As `predict_coarse`, of the closer look at what is far; right where something is far and around it alone."""
        if self.far is None:
            return self.predict_coarse(image_B3hw, f_px_B)
        output: CoarseOutput = self.far(image_B3hw, f_px_B)
        return output

    def refine(
        self, image_B3HW: Tensor, log_coarse_B1hw: Tensor, features_BChw: Tensor, log_scale_B1hw: Tensor
    ) -> RefinedTile:
        """Refine native-resolution tiles; coarse depth and scale at (H/4, W/4), features at (H/8, W/8)."""
        output: RefinedTile = self.refiner(image_B3HW, log_coarse_B1hw, features_BChw, log_scale_B1hw)
        return output
