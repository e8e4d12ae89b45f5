"""From a model description to an engine."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import nn

from prv2_ros.config_fields import fit_fields
from prv2_ros.errors import ConfigError, WeightsError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.patches import PatchLayout
from prv2_ros.geometry.tiles import MULTIPLE_PX
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.inference.published import PublishedEngine
from prv2_ros.inference.regions import Region
from prv2_ros.network.checkpoint import (
    expanded,
    fill_strictly,
    load_model,
    load_reference_state_dict,
    model_path,
    read_tensors,
)
from prv2_ros.network.coarse_own import CoarseLiteMaps
from prv2_ros.network.paths import config_folder, models_folder
from prv2_ros.network.refiner_published import build_published_refiner
from prv2_ros.types import DepthResult

_SECTIONS = ("kind", "coarse", "refiner", "tiles")


class Engine(Protocol):
    """What turns an image and its camera into metric depth."""

    device: torch.device
    dtype: torch.dtype
    model_name: str

    def infer(
        self,
        image_rgb: NDArray[np.uint8],
        camera: CameraModel | None = None,
        *,
        coarse: bool = True,
        confidence: bool = False,
        max_latency_ms: float | None = None,
        regions: Sequence[Region] | None = None,
        keep_tiles: bool = False,
    ) -> DepthResult:
        """Depth of an (H, W, 3) uint8 RGB image; see `DepthEngine.infer`."""


@dataclass(frozen=True, kw_only=True)
class CoarsePart:
    """The `coarse` section of a published model."""

    network: str = "depth_anything_v2"
    size: str | None = None
    max_depth_m: float | None = None
    weights: str | None = None
    """A folder or file; for `coarse_lite` the name or the .yaml of one of our own models."""

    projection: str | None = None
    """For `coarse_lite`: file of the 1x1 convolutions that give the refiner its six maps."""

    allow_download: bool = False


@dataclass(frozen=True, kw_only=True)
class RefinerPart:
    """The `refiner` section of a published model."""

    encoder: str = "mobilenetv4_conv_small"
    weights: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class TilesPart(PatchLayout):
    """The `tiles` section of a published model."""

    patch_px: int = 448
    """Side of a patch as the networks see it (px)."""

    def __post_init__(self) -> None:
        """Refuse a side that the networks cannot halve five times, and patches that cannot overlap so far."""
        super().__post_init__()
        if self.patch_px < 1 or self.patch_px % MULTIPLE_PX:
            raise ConfigError(f"patch_px {self.patch_px}: must be a positive multiple of {MULTIPLE_PX}")
        if self.mode == "blend":
            self.blend_grid(self.patch_px)


def load_engine(
    model: str = "default",
    device: str = "auto",
    precision: str = "auto",
    *,
    config: EngineConfig | None = None,
) -> Engine:
    """Load the engine that a model description asks for.

    Args:
        model: name of a packaged model (models/ or config/models/), or the path of the .yaml of one.
        device: see `DepthEngine.load`.
        precision: see `DepthEngine.load`.
        config: range of depth, and tiling of our own models; a published model has its tiling in its description.

    Raises:
        WeightsError: weights that are missing, altered or made for another network.
        ConfigError: a description with unknown keys or values.
        DeviceError: a device or precision that cannot be used.

    """
    path = _published_path(model)
    if path is None:
        return DepthEngine.load(model, device, precision, config=config)
    return _published(path, model, device, precision, config or EngineConfig())


def description_path(model: str) -> Path:
    """Path of the .yaml that describes a model, given its name or that path.

    Raises:
        WeightsError: no such model.

    """
    return _published_path(model) or model_path(model)


def is_published(model: str) -> bool:
    """Whether a model, by its name or path, is the authors' network, and not one of ours."""
    return _published_path(model) is not None


def _published_path(model: str) -> Path | None:
    """Path of the description where it is one of a published model, else None."""
    given = expanded(model)
    candidates = [given] if given.suffix in (".yaml", ".yml") else []
    if not candidates and not (models_folder() / f"{model}.yaml").is_file():
        candidates = [config_folder() / "models" / f"{model}.yaml"]
    for path in candidates:
        if path.is_file():
            try:
                values = yaml.safe_load(path.read_text())
            except (OSError, ValueError, yaml.YAMLError) as error:
                raise WeightsError(f"model {path}: not a model description ({error})") from error
            if isinstance(values, dict) and values.get("kind") == "published":
                return path
    return None


def _published(path: Path, name: str, device: str, precision: str, config: EngineConfig) -> PublishedEngine:
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    unknown = sorted(str(key) for key in values if key not in _SECTIONS)
    if unknown:
        raise ConfigError(f"model {path}: unknown {', '.join(unknown)}; known are {', '.join(_SECTIONS)}")
    coarse_part = _section(CoarsePart, values.get("coarse"), path, "coarse")
    refiner_part = _section(RefinerPart, values.get("refiner"), path, "refiner")
    tiles = _section(TilesPart, {} if values.get("tiles") is None else values["tiles"], path, "tiles")
    for part, weights in (("coarse", coarse_part.weights), ("refiner", refiner_part.weights)):
        if not weights:
            raise WeightsError(
                f"model {path}: {part}.weights is empty: the authors have released none; name a file of yours there"
            )
    coarse = _coarse(coarse_part, path)
    channels: tuple[int, ...] = coarse.feature_channels  # type: ignore[assignment]
    refiner = build_published_refiner(refiner_part.encoder, channels)
    source = _beside(path, str(refiner_part.weights))
    _check_hash(source, refiner_part.sha256, path)
    load_reference_state_dict(refiner, read_tensors(source))
    return PublishedEngine(
        coarse,
        refiner,
        layout=tiles,
        patch_px=tiles.patch_px,
        max_depth_m=config.max_depth_m,
        assumed_fov_deg=config.assumed_fov_deg,
        compile=config.compile,
        model_name=name,
        device=device,
        precision=precision,
    )


def _coarse(part: CoarsePart, path: Path) -> nn.Module:
    if part.network == "coarse_lite":
        return _own_coarse(part, path)
    from prv2_ros.network import coarse_transformers

    source = str(part.weights)
    local = _beside(path, source)
    source = str(local) if local.exists() else source
    if part.network == "depth_anything_v2":
        return coarse_transformers.load_depth_anything(
            source, size=part.size, max_depth_m=part.max_depth_m, allow_download=part.allow_download
        )
    if part.network == "zoedepth":
        return coarse_transformers.load_zoedepth(source, allow_download=part.allow_download)
    raise ConfigError(
        f"model {path}: coarse.network {part.network!r}: expected coarse_lite, depth_anything_v2 or zoedepth"
    )


def _own_coarse(part: CoarsePart, path: Path) -> CoarseLiteMaps:
    if not part.projection:
        raise WeightsError(f"model {path}: coarse.projection is empty: name the file that was trained with the refiner")
    state = read_tensors(_beside(path, part.projection))
    last = state.get("0.bias")
    if last is None or last.ndim != 1:
        raise WeightsError(f"model {path}: {part.projection} holds no projection (expected 0.weight, 0.bias, ...)")
    own = _beside(path, str(part.weights))
    body = load_model(str(own) if own.is_file() else str(part.weights)).coarse
    maps = CoarseLiteMaps(body, len(last))
    fill_strictly(maps.projection, state, f"model {path}: {part.projection}")
    return maps.eval()


def _section(kind: type[Any], values: Any, path: Path, name: str) -> Any:
    if not isinstance(values, dict):
        raise ConfigError(f"model {path}: section {name!r} is missing or no mapping")
    try:
        return kind(**fit_fields(kind, values))
    except ConfigError as error:
        raise ConfigError(f"model {path}: {name}: {error}") from error


def _beside(path: Path, name: str) -> Path:
    given = Path(name).expanduser()
    return given if given.is_absolute() else path.parent / given


def _check_hash(source: Path, expected: str | None, path: Path) -> None:
    if expected is None:
        return
    try:
        found = hashlib.sha256(source.read_bytes()).hexdigest()
    except OSError as error:
        raise WeightsError(f"model {path}: weights {source} cannot be read ({error.strerror})") from error
    if found != expected:
        raise WeightsError(
            f"model {path}: weights {source.name} have sha256 {found[:12]}..., expected {expected[:12]}...: the file "
            "is truncated or altered"
        )
