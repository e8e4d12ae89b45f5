"""Predictions on disk, each under a fingerprint of all that decides it, so that no frame is inferred twice.

The fingerprint of a frame is a SHA-256 over the model (description, weights, device, precision, number of threads,
largest depth, versions of the packages that it runs through, and this package's own sources) and over the bytes of the
image message, its camera info and the way it is rectified. The bag's name, place and time do not enter: a copied or
renamed bag finds its predictions again, an altered one does not. Depth is kept as it is (float32), confidence in half
precision (its steps of 0.0005 are far finer than any calibration of it); scoring always reads what was stored, so the
first run and the next see the same numbers.
"""

from __future__ import annotations

import hashlib
import json
import platform
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

import prv2_ros
from prv2_ros.errors import WeightsError
from prv2_ros.evaluation.config import EvaluationConfig
from prv2_ros.files import whole_file

_SOURCES = ("geometry", "messages", "network", "inference", "types.py", "jpeg.py", "evaluation/temporal.py")
"""Folders and files of this package that decide what a `Prediction` holds."""

_FILES = ("weights", "projection")
"""Keys of a description that name files."""

_NETWORKS = ("timm", "transformers")
"""Packages that networks are built of; a published model alone needs transformers."""

_BLOCK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model said of one image."""

    depth_m: NDArray[np.float32]
    """(H, W) metres; NaN where there is none."""

    confidence: NDArray[np.float32] | None = None
    """(H, W), 0 to 1; None where the model gives none."""

    consistency: Mapping[str, float] = field(default_factory=dict)
    """Scores of `temporal.tile_consistency`; empty where the model has no tiles."""

    timings_ms: Mapping[str, float] = field(default_factory=dict)
    """Milliseconds by stage, as measured when it was made."""


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """All of a model that decides its predictions."""

    name: str
    sha256: str
    """Over the description and every local file that it names."""

    device: str
    precision: str
    fingerprint: str
    """Over the above, the configuration that matters and the versions."""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, for the report."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "device": self.device,
            "precision": self.precision,
            "fingerprint": self.fingerprint,
        }


def identify_model(name: str, config: EvaluationConfig) -> ModelIdentity:
    """Identify a model without loading its network.

    Raises:
        WeightsError: no such model, or weights that cannot be read.
        DeviceError: a device or precision that cannot be used.

    """
    from prv2_ros.inference.device import choose_device, choose_precision
    from prv2_ros.inference.load import description_path

    path = description_path(name)
    digest = hashlib.sha256()
    for file in (path, *_named_files(path)):
        _add_file(digest, file)
    device = choose_device(config.device)
    precision = str(choose_precision(config.precision, device)).removeprefix("torch.")
    decides: dict[str, Any] = {
        "weights": digest.hexdigest(),
        "device": _device_name(device),
        "precision": precision,
        "max_depth_m": config.to_json()["max_depth_m"],
        "threads": config.threads if device.type == "cpu" else 0,
        "versions": versions(),
        "code": code_hash(),
    }
    fingerprint = hashlib.sha256(json.dumps(decides, sort_keys=True, allow_nan=False).encode()).hexdigest()
    return ModelIdentity(
        name=name, sha256=digest.hexdigest(), device=decides["device"], precision=precision, fingerprint=fingerprint
    )


@lru_cache(maxsize=1)
def versions() -> dict[str, str]:
    """Versions of what the figures depend on; what is not installed is left out."""
    import cv2
    import torch

    networks: dict[str, str] = {}
    for name in _NETWORKS:
        with suppress(metadata.PackageNotFoundError):
            networks[name] = metadata.version(name)
    return {
        "prv2_ros": prv2_ros.__version__,
        "code": code_hash()[:16],
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        **networks,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "machine": platform.machine(),
    }


@lru_cache(maxsize=1)
def code_hash() -> str:
    """SHA-256 of the package's sources that a prediction runs through."""
    root = Path(prv2_ros.__file__).parent
    digest = hashlib.sha256()
    sources = (root / name for name in _SOURCES)
    for path in sorted(p for source in sources for p in ([source] if source.is_file() else source.rglob("*.py"))):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


class PredictionCache:
    """A folder of predictions: FOLDER/<model's fingerprint>/<frame's fingerprint>.npz, each written whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, model: ModelIdentity, frame: str) -> Path:
        """File of a prediction."""
        return self.folder / model.fingerprint[:24] / f"{frame}.npz"

    def stored_bytes(self, model: ModelIdentity) -> int:
        """Size on disk of all predictions of a model; what other fingerprints left in the folder is none of them."""
        return sum(path.stat().st_size for path in self.path(model, "").parent.glob("*.npz"))

    def load(self, model: ModelIdentity, frame: str) -> Prediction | None:
        """Return a prediction, None where there is none or its file is damaged (zip checksums and names tell)."""
        path = self.path(model, frame)
        try:
            with np.load(path, allow_pickle=False) as file:
                confidence = file["confidence"].astype(np.float32) if file["has_confidence"] else None
                return Prediction(
                    depth_m=file["depth_m"],
                    confidence=confidence,
                    consistency=json.loads(str(file["consistency"])),
                    timings_ms=json.loads(str(file["timings_ms"])),
                )
        except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
            return None  # RuntimeError: bits that say the file is encrypted, or compressed in some other way

    def store(self, model: ModelIdentity, frame: str, prediction: Prediction) -> Prediction:
        """Write a prediction and return it as a later `load` would.

        Raises:
            StorageError: the disk is full.

        """
        path = self.path(model, frame)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays: dict[str, Any] = {
            "depth_m": np.asarray(prediction.depth_m, np.float32),
            "consistency": np.array(json.dumps(dict(prediction.consistency))),
            "timings_ms": np.array(json.dumps(dict(prediction.timings_ms))),
            "has_confidence": np.array(prediction.confidence is not None),
        }
        if prediction.confidence is not None:
            arrays["confidence"] = prediction.confidence.astype(np.float16)
        with whole_file(path) as file:
            np.savez(file, **arrays)
        confidence = arrays["confidence"].astype(np.float32) if "confidence" in arrays else None
        return replace(prediction, depth_m=arrays["depth_m"], confidence=confidence)


def frame_fingerprint(image: bytes, info: object, geometry: object) -> str:
    """SHA-256 of an image message, its camera info (`messages.camera_info.info_content`) and view settings."""
    digest = hashlib.sha256(repr((info, geometry)).encode())
    digest.update(image)
    return digest.hexdigest()


def _device_name(device: Any) -> str:
    if device.type != "cuda":
        return str(device)
    import torch

    return f"{device} ({torch.cuda.get_device_name(device)})"


def _named_files(description: Path) -> list[Path]:
    """Local files that a description names under `_FILES`, at any depth; what a folder holds counts one by one.

    A model named there brings its own description and weights; what is on the hub is told by its name alone.
    """
    from prv2_ros.network.checkpoint import model_path

    try:
        values = yaml.safe_load(description.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WeightsError(f"model {description}: not a model description ({error})") from error
    found: list[Path] = []
    waiting = [values]
    while waiting:
        part = waiting.pop()
        if not isinstance(part, dict):
            continue
        waiting += list(part.values())
        for name in (part[key] for key in _FILES if isinstance(part.get(key), str)):
            path = description.parent / Path(name).expanduser()
            if not path.exists():
                with suppress(WeightsError):
                    path = model_path(name)
            if path.is_dir():
                found += sorted(p for p in path.rglob("*") if p.is_file())
            elif path.is_file():
                found.append(path)
                if path.suffix in (".yaml", ".yml") and path != description:
                    found += _named_files(path)
    return found


def _add_file(digest: Any, path: Path) -> None:
    digest.update(f"{path.name} {path.stat().st_size}\n".encode())
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
