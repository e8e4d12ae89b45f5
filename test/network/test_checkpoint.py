from __future__ import annotations

import os
import pickle
import tempfile
from pathlib import Path

import pytest
import torch
import yaml

from prv2_ros.errors import ConfigError, StorageError, WeightsError
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


def test_a_leading_tilde_is_the_home_folder(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(saved.parent))
    assert model_path("~/trial.yaml") == saved
    assert load_model("~/trial.yaml").spec.name == "trial"
    with pytest.raises(WeightsError, match=r"no model '~nobody-of-this-name/x\.yaml'"):
        model_path("~nobody-of-this-name/x.yaml")


def test_a_description_without_its_fields_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    for text in ("", "weights: a.safetensors\n", "[weights, sha256, model]", "just words"):
        path.write_text(text)
        told = r"broken\.yaml: not a model description: holds no table with weights, sha256 and model$"
        with pytest.raises(WeightsError, match=told):
            load_model(str(path))
    for text, told in (
        ("{weights: a, sha256: b, model: null}", "model = None: expected a table"),
        ("{weights: [1], sha256: b, model: {}}", r"weights = \[1\]: expected text"),
        ("{weights: a, sha256: 5, model: {}}", "sha256 = 5: expected text"),
        ("a: [", "while parsing"),
        ("a: 2020-13-13", "month must be in 1..12"),
    ):
        path.write_text(text)
        with pytest.raises(WeightsError, match=rf"broken\.yaml: not a model description \({told}"):
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coarse_widths": 5}, "coarse_widths = 5: expected a list"),
        ({"coarse_widths": [48, 64]}, r"coarse_widths \[48, 64\]: must be four numbers"),
        ({"coarse_area_px": 0}, "coarse_area_px 0: must be from 1024"),
        ({"second_look": 100}, "second_look 100: must be 0"),
        ({"coarse_encoder": "nonsense"}, "encoder 'nonsense': timm knows no such model"),
        ({"heads": 3}, "unknown heads; known are coarse_area_px, "),
    ],
)
def test_an_architecture_that_does_not_exist_names_file_and_key(
    saved: Path, changes: dict[str, object], message: str
) -> None:
    description = yaml.safe_load(saved.read_text())
    description["model"].update(changes)
    saved.write_text(yaml.safe_dump(description))
    with pytest.raises(ConfigError, match=rf"^model .*trial\.yaml: {message}"):
        load_model(str(saved))


@pytest.mark.parametrize("ending", ["yaml", "safetensors"])
def test_a_disk_that_fills_up_leaves_the_old_model(
    model: DepthModel, saved: Path, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path: path.read_bytes() for path in saved.parent.iterdir()}
    make = tempfile.mkstemp

    def on_full_disk(prefix: str, dir: Path) -> tuple[int, str]:
        descriptor, name = make(prefix=prefix, dir=dir)
        if ending in prefix:
            os.close(descriptor)
            descriptor = os.open("/dev/full", os.O_WRONLY)
        return descriptor, name

    monkeypatch.setattr(tempfile, "mkstemp", on_full_disk)
    other = DepthModel(model.spec)
    with pytest.raises(StorageError, match=r"trial\..* cannot be written: the disk is full"):
        save_model(other, saved.parent, "trial")
    assert {path: path.read_bytes() for path in saved.parent.iterdir()} == before
    load_model(str(saved))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])  # the last is more than float16 holds
def test_weights_that_are_not_finite_are_not_written(model: DepthModel, tmp_path: Path, value: float) -> None:
    broken = DepthModel(model.spec)
    broken.refiner.encoder.body.conv_stem.weight.data[0, 0, 0, 0] = value
    message = r"model trial is not written to .*new: 1 of its \d+ tensors hold what is not finite, first .*\.conv_stem"
    with pytest.raises(WeightsError, match=message):
        save_model(broken, tmp_path / "new", "trial")
    assert not (tmp_path / "new").exists()


def test_weights_of_another_architecture_are_refused(saved: Path) -> None:
    description = yaml.safe_load(saved.read_text())
    description["model"]["refiner_widths"] = [16, 32, 48, 64]
    saved.write_text(yaml.safe_dump(description))
    with pytest.raises(WeightsError, match=r"another architecture.*other shapes"):
        load_model(str(saved))
