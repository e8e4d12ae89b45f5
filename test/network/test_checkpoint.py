from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
import yaml

from prv2_ros.errors import WeightsError
from prv2_ros.network.checkpoint import load_model, model_path, read_tensors, save_model
from prv2_ros.network.model import DepthModel, ModelSpec
from prv2_ros.network.paths import models_folder


@pytest.fixture
def saved(model: DepthModel, tmp_path: Path) -> Path:
    return save_model(model, tmp_path, "trial")


def test_model_survives_the_disk(model: DepthModel, saved: Path) -> None:
    back = load_model(str(saved))
    assert back.spec == ModelSpec(name="trial")
    assert not back.training
    image, f_px = torch.rand(1, 3, 64, 64), torch.tensor([500.0])
    with torch.no_grad():
        a = model.predict_coarse(image, f_px).log_depth_B1hw
        b = back.predict_coarse(image, f_px).log_depth_B1hw
    torch.testing.assert_close(a, b, atol=5e-3, rtol=0)  # convolutions are stored in half precision


def test_saving_is_repeatable(model: DepthModel, saved: Path, tmp_path: Path) -> None:
    again = save_model(load_model(str(saved)), tmp_path / "again", "trial")
    assert again.read_text() == saved.read_text()


def test_the_packaged_models_load_and_stay_small() -> None:
    assert load_model("default").spec.name == "default"
    assert sum(p.stat().st_size for p in models_folder().rglob("*")) <= 25e6


@pytest.mark.parametrize("damage", ["cut", "flipped", "pickled"])
def test_altered_weights_are_refused(saved: Path, damage: str) -> None:
    weights = saved.with_suffix(".safetensors")
    data = bytearray(weights.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "flipped":
        data[-1] ^= 1
    else:
        data = bytearray(pickle.dumps({"weight": 1}))
    weights.write_bytes(data)
    with pytest.raises(WeightsError, match=r"trial\.safetensors have sha256 .*truncated or altered"):
        load_model(str(saved))


def test_missing_files_and_names_are_named(saved: Path) -> None:
    with pytest.raises(WeightsError, match=r"'nowhere'.*default"):
        model_path("nowhere")
    saved.with_suffix(".safetensors").unlink()
    with pytest.raises(WeightsError, match=r"trial\.safetensors cannot be read"):
        load_model(str(saved))


def test_a_description_without_its_fields_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    for text in ("", "weights: a.safetensors\n", "[weights, sha256, model]", "just words"):
        path.write_text(text)
        told = r"broken\.yaml: not a model description: holds no table with weights, sha256 and model$"
        with pytest.raises(WeightsError, match=told):
            load_model(str(path))
    for text in ("{weights: a, sha256: b, model: null}", "{weights: 1, sha256: b, model: {}}", "a: ["):
        path.write_text(text)
        with pytest.raises(WeightsError, match=r"broken\.yaml: not a model description \("):
            load_model(str(path))


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n" + bytes(64), b"", b"hello"])
def test_files_that_hold_no_weights_at_all_are_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"^weights .*a\.png: neither a \.safetensors nor a file of torch\.save$"):
        read_tensors(path)


def test_weights_of_torch_are_read_in_both_of_its_formats(tmp_path: Path) -> None:
    for new in (True, False):
        torch.save({"a": torch.ones(2)}, tmp_path / "a.pth", _use_new_zipfile_serialization=new)
        assert torch.equal(read_tensors(tmp_path / "a.pth")["a"], torch.ones(2))


def test_weights_of_another_architecture_are_refused(saved: Path) -> None:
    description = yaml.safe_load(saved.read_text())
    description["model"]["refiner_widths"] = [16, 32, 48, 64]
    saved.write_text(yaml.safe_dump(description))
    with pytest.raises(WeightsError, match=r"another architecture.*other shapes"):
        load_model(str(saved))
