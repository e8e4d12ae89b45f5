from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import save_file
from torch import nn

from prv2_ros.errors import ConfigError, WeightsError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.inference import load as loading
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.engine import DepthEngine
from prv2_ros.inference.load import load_engine
from prv2_ros.inference.published import PublishedEngine
from prv2_ros.network import coarse_transformers
from prv2_ros.network.checkpoint import save_model
from prv2_ros.network.coarse_lite import CoarseLite
from prv2_ros.network.coarse_own import CoarseLiteMaps
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.network.reference_keys import own_name
from prv2_ros.network.refiner_published import build_published_refiner

ENCODER = "mobilenetv4_conv_small"
CHANNELS = (8, 16, 16, 16, 16, 16)


class FlatCoarse(nn.Module):
    feature_channels = CHANNELS

    def forward(self, image: torch.Tensor) -> SimpleNamespace:
        sizes = (2, 4, 8, 16, 32, 64)
        features = tuple(torch.zeros(1, c, s, s) for c, s in zip(reversed(CHANNELS), sizes, strict=True))
        return SimpleNamespace(depth_m_B1hw=torch.full((1, 1, 64, 64), 3.0), features=features)


def _reference_names() -> dict[str, str]:
    """Our names to the authors', for the names that the golden list has."""
    lines = (Path(__file__).parents[1] / "golden" / "keys_mobilenetv4.txt").read_text().splitlines()
    return {own_name(line.split()[0]): line.split()[0] for line in lines}


def _write_model(folder: Path, **changes: object) -> Path:
    torch.manual_seed(0)
    state = build_published_refiner(ENCODER, CHANNELS).state_dict()
    names = _reference_names()
    save_file({names[key]: value.contiguous() for key, value in state.items()}, folder / "refiner.safetensors")
    values: dict[str, object] = {
        "kind": "published",
        "coarse": {"weights": "coarse.pth"},
        "refiner": {"encoder": ENCODER, "weights": "refiner.safetensors"},
        "tiles": {"mode": "m2", "rows": 2, "columns": 2, "patch_px": 64},
    }
    path = folder / "model.yaml"
    path.write_text(yaml.safe_dump({**values, **changes}))
    return path


@pytest.fixture
def flat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_coarse", lambda part, path: FlatCoarse())


@pytest.mark.usefixtures("flat")
def test_published_model_from_the_authors_names_to_depth(tmp_path: Path) -> None:
    engine = load_engine(str(_write_model(tmp_path)), "cpu")
    assert isinstance(engine, PublishedEngine)
    assert engine.layout.mode == "m2"
    result = engine.infer(np.zeros((80, 100, 3), np.uint8))
    assert result.depth_m.shape == (80, 100)
    assert result.coarse_depth_m.mean() == pytest.approx(3.0)


def test_our_own_model_gives_our_own_engine() -> None:
    assert isinstance(load_engine("default", "cpu"), DepthEngine)


@pytest.mark.parametrize("name", ["prv2_m", "prv2_e", "prv2_c"])
def test_packaged_descriptions_say_that_weights_are_missing(name: str) -> None:
    with pytest.raises(WeightsError, match=r"coarse.weights is empty: the authors have released none; name a file"):
        load_engine(name, "cpu")


@pytest.mark.usefixtures("flat")
@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"tiles": {"mode": "m9"}}, ConfigError, "patch mode 'm9'"),
        ({"tiles": {"row": 4}}, ConfigError, "tiles: unknown row; known are columns, mode, overlap_px, patch_px, "),
        ({"tiles": {"patch_px": "abc"}}, ConfigError, "tiles: patch_px = 'abc': expected a whole number"),
        ({"tiles": {"patch_px": None}}, ConfigError, "tiles: patch_px = None: expected a whole number"),
        ({"tiles": {"patch_px": 100}}, ConfigError, "tiles: patch_px 100: must be a positive multiple of 32"),
        ({"tiles": {"patch_px": 64, "mode": "blend"}}, ConfigError, "tiles: patches of 64 px: overlap = 64 px"),
        ({"tiles": {"rows": "4"}}, ConfigError, "tiles: rows = '4': expected a whole number"),
        ({"tiles": {"mode": 1}}, ConfigError, "tiles: mode = 1: expected text"),
        ({"tiles": 5}, ConfigError, "section 'tiles' is missing or no mapping"),
        ({"coarse": {"max_depth_m": "80"}}, ConfigError, "coarse: max_depth_m = '80': expected a number"),
        ({"coarse": {"size": ["a"]}}, ConfigError, r"coarse: size = \['a'\]: expected text"),
        ({"refiner": {"encoder": ENCODER, "sha256": 5}}, ConfigError, "refiner: sha256 = 5: expected text"),
        ({"speed": 9}, ConfigError, "unknown speed; known are kind, coarse, refiner, tiles"),
        ({"coarse": None}, ConfigError, "section 'coarse' is missing"),
        ({"refiner": {"encoder": ENCODER}}, WeightsError, r"refiner.weights is empty"),
        (
            {"refiner": {"encoder": ENCODER, "weights": "absent.safetensors"}},
            WeightsError,
            "absent.safetensors cannot be read",
        ),
        (
            {"refiner": {"encoder": "convnext_atto", "weights": "refiner.safetensors"}},
            WeightsError,
            r"of another architecture \(\d+ unexpected: .* build the refiner for its encoder",
        ),
        (
            {"refiner": {"encoder": ENCODER, "weights": "refiner.safetensors", "sha256": "0" * 64}},
            WeightsError,
            "expected 000000000000...: the file is truncated or altered",
        ),
    ],
)
def test_wrong_descriptions_are_named(
    tmp_path: Path, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        load_engine(str(_write_model(tmp_path, **changes)), "cpu")
    if error is ConfigError:
        assert str(caught.value).startswith(f"model {tmp_path / 'model.yaml'}: ")


@pytest.mark.usefixtures("flat")
def test_the_right_hash_is_accepted(tmp_path: Path) -> None:
    path = _write_model(tmp_path)
    values = yaml.safe_load(path.read_text())
    values["refiner"]["sha256"] = hashlib.sha256((tmp_path / "refiner.safetensors").read_bytes()).hexdigest()
    path.write_text(yaml.safe_dump(values))
    assert isinstance(load_engine(str(path), "cpu"), PublishedEngine)


def _own_coarse(folder: Path, **coarse: object) -> Path:
    """A published refiner over our own coarse network, with random weights, as files."""
    torch.manual_seed(0)
    maps = CoarseLiteMaps(CoarseLite(), 16)
    save_file({k: v.contiguous() for k, v in maps.projection.state_dict().items()}, folder / "projection.safetensors")
    described = {"network": "coarse_lite", "weights": "default", "projection": "projection.safetensors"}
    return _write_model(folder, coarse=described | coarse)


def test_our_own_coarse_network_under_the_published_refiner(tmp_path: Path) -> None:
    plain = save_model(DepthModel(ModelSpec(coarse_lens=False)), tmp_path, "plain")  # whose depth is in proportion
    engine = load_engine(str(_own_coarse(tmp_path, weights=plain.name)), "cpu")  # beside the description
    image = np.random.default_rng(1).integers(0, 255, (96, 128, 3), np.uint8)
    wide, tele = (engine.infer(image, CameraModel.from_fov(128, 96, fov)) for fov in (80, 40))
    ratio = np.tan(np.radians(40)) / np.tan(np.radians(20))
    np.testing.assert_allclose(tele.coarse_depth_m, wide.coarse_depth_m * ratio, rtol=1e-4)
    assert wide.depth_m.shape == (96, 128)


def test_a_projection_that_is_missing_or_another_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"coarse.projection is empty: name the file"):
        load_engine(str(_own_coarse(tmp_path, projection=None)), "cpu")
    with pytest.raises(WeightsError, match=r"refiner.safetensors holds no projection"):
        load_engine(str(_own_coarse(tmp_path, projection="refiner.safetensors")), "cpu")


def test_a_leading_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "mine.yaml"
    path.write_text("kind: published")
    assert loading.is_published("~/mine.yaml")
    assert loading.description_path("~/mine.yaml") == path
    assert not loading.is_published("~nobody-of-this-name/mine.yaml")


def test_a_binary_file_is_no_description(tmp_path: Path) -> None:
    path = tmp_path / "binary.yaml"
    path.write_bytes(bytes(range(128, 256)))
    with pytest.raises(WeightsError, match=r"binary\.yaml: not a model description"):
        load_engine(str(path), "cpu")


def test_settings_of_the_engine_reach_a_published_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class DeepAsFocal(FlatCoarse):
        uses_focal = True

        def forward(self, image: torch.Tensor, f_px_B: torch.Tensor) -> SimpleNamespace:
            found = super().forward(image)
            found.depth_m_B1hw[..., :32] = f_px_B
            found.depth_m_B1hw[..., 32:] = 40.0
            return found

    modes: list[str] = []
    monkeypatch.setattr(loading, "_coarse", lambda part, path: DeepAsFocal())
    monkeypatch.setattr("prv2_ros.inference.published.compiled", lambda f, mode, device: modes.append(mode) or f)
    config = EngineConfig(max_depth_m=39.0, assumed_fov_deg=90, compile="default")
    path = _write_model(tmp_path, tiles={"rows": 1, "columns": 1, "patch_px": 64})
    engine = load_engine(str(path), "cpu", "bfloat16", config=config)
    assert (engine.dtype, modes) == (torch.bfloat16, ["default", "default"])
    assert engine.model_name == str(path)
    coarse_m = engine.infer(np.zeros((80, 100, 3), np.uint8)).coarse_depth_m
    assert coarse_m is not None
    assert np.isnan(coarse_m[:, 60:]).all()
    # 90 degrees of 100 px are 50 px; seen at 64x64 the picture is 0.64 times as wide and 0.8 times as high.
    np.testing.assert_allclose(coarse_m[:, :40], 50 * (0.64 * 0.8) ** 0.5, rtol=1e-5)


@pytest.mark.parametrize(
    ("network", "loader", "described"),
    [
        ("depth_anything_v2", "load_depth_anything", {"size": "small", "max_depth_m": 20.0}),
        ("zoedepth", "load_zoedepth", {}),
    ],
)
def test_a_coarse_network_is_loaded_as_it_is_described(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str, loader: str, described: dict[str, object]
) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def load(source: str, **given: object) -> FlatCoarse:
        asked.append((source, given))
        return FlatCoarse()

    monkeypatch.setattr(coarse_transformers, loader, load)
    (tmp_path / "coarse.pth").touch()
    hub, beside = "someone/on-the-hub", str(tmp_path / "coarse.pth")
    for weights, source, download in (("coarse.pth", beside, False), (hub, hub, True)):
        part = described | {"weights": weights, "allow_download": download}
        load_engine(str(_write_model(tmp_path, coarse=part | {"network": network})), "cpu")
        assert asked.pop() == (source, described | {"allow_download": download})


def test_a_model_of_ours_goes_before_a_published_one_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loading.is_published("prv2_m")
    monkeypatch.setenv("PRV2_MODELS", str(tmp_path))
    assert loading.is_published("prv2_m")
    own = tmp_path / "prv2_m.yaml"
    own.write_text("weights: prv2_m.safetensors")
    assert not loading.is_published("prv2_m")
    assert loading.description_path("prv2_m") == own
