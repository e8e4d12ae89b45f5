from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from golden_tensors import fill_tensor, read_keys
from safetensors.torch import save_file
from tiny_networks import ONE_HEAD, TWO_HEADS, tiny_depth_anything, tiny_zoedepth

from prv2_ros.errors import ConfigError, WeightsError
from prv2_ros.network.coarse_transformers import (
    DepthAnythingCoarse,
    ZoeDepthCoarse,
    build_depth_anything,
    load_depth_anything,
    load_zoedepth,
)

pytest.importorskip("transformers")


def _image(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def official() -> dict[str, torch.Tensor]:
    names = read_keys("keys_depth_anything_v2_vits.txt")
    return {name: torch.from_numpy(fill_tensor(name, shape)) for name, shape in names.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tiny_depth_anything().save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


def _rewrite(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value != "gone"}))


def test_random_weights_need_no_file() -> None:
    network = build_depth_anything("small", max_depth_m=20.0)
    assert not network.training
    assert network.max_depth_m == 20.0
    with torch.inference_mode():
        depth_m = network(_image(1, 3, 28, 42)).depth_m_B1hw
    assert depth_m.shape == (1, 1, 28, 42)
    assert 0 < depth_m.min() <= depth_m.max() < 20


def _assert_alike(first: torch.nn.Module, back: torch.nn.Module, image: torch.Tensor) -> None:
    """Both give the same depth and features."""
    with torch.inference_mode():
        a, b = first(image), back(image)
    torch.testing.assert_close(a.depth_m_B1hw, b.depth_m_B1hw)
    torch.testing.assert_close(a.features, b.features)


def test_a_folder_in_the_hugging_face_layout_survives_the_disk(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    back, first = load_depth_anything(folder), DepthAnythingCoarse(tiny_depth_anything(), 80.0)
    assert capfd.readouterr() == ("", "")  # no progress bars of transformers
    assert not any(module.training for module in back.modules())
    assert back.max_depth_m == 80.0
    _assert_alike(first, back, _image(1, 3, 42, 56))


def test_settings_of_older_releases_and_half_precision_are_read(folder: Path) -> None:
    older = {"backbone": None, "use_pretrained_backbone": False, "use_timm_backbone": False, "torch_dtype": "float16"}
    _rewrite(folder, **older, max_depth=20.0)
    tiny_depth_anything().half().save_pretrained(folder.parent / "half")
    (folder.parent / "half" / "model.safetensors").replace(folder / "model.safetensors")
    network = load_depth_anything(folder, max_depth_m=20)
    assert network.max_depth_m == 20.0
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_file_of_the_authors_is_loaded_with_its_size_found(
    official: dict[str, torch.Tensor], tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"weights{ending}"
    if ending == ".pth":  # as their training script leaves it
        torch.save({"model": {f"module.{name}": value for name, value in official.items()}}, path)
    else:
        save_file(official, path)
    network = load_depth_anything(path, max_depth_m=80)
    assert network.feature_channels == (32, 64, 64, 64, 64, 64)
    own = network.body.state_dict()
    assert torch.equal(own["head.conv3.bias"], official["depth_head.scratch.output_conv2.2.bias"])
    assert torch.equal(own["backbone.layernorm.weight"], official["pretrained.norm.weight"])


def test_weights_of_another_architecture_are_listed(official: dict[str, torch.Tensor], tmp_path: Path) -> None:
    state = dict(official)
    del state["pretrained.norm.bias"]
    state["pretrained.extra"] = torch.zeros(2)
    state["depth_head.scratch.output_conv1.bias"] = torch.zeros(5)
    torch.save(state, tmp_path / "odd.pth")
    text = (
        r"odd\.pth: .*1 missing: backbone\.layernorm\.bias; 1 unexpected: pretrained\.extra; "
        r"1 of other shapes: head\.conv1\.bias \(5,\) for \(32,\)"
    )
    with pytest.raises(WeightsError, match=text):
        load_depth_anything(tmp_path / "odd.pth", max_depth_m=80)


def test_only_what_pretraining_reads_may_be_missing(official: dict[str, torch.Tensor], tmp_path: Path) -> None:
    state = {name: value for name, value in official.items() if name != "pretrained.mask_token"}
    torch.save(state, tmp_path / "plain.pth")
    load_depth_anything(tmp_path / "plain.pth", size="small", max_depth_m=80)


def test_size_and_depth_must_be_those_of_the_weights(
    official: dict[str, torch.Tensor], tmp_path: Path, folder: Path
) -> None:
    path = tmp_path / "s.pth"
    torch.save(official, path)
    with pytest.raises(ConfigError, match=r"s\.pth: its network is 'small', not 'large'"):
        load_depth_anything(path, "large", 80)
    with pytest.raises(ConfigError, match=r"does not say its greatest depth: give max_depth_m, 20 .* 80"):
        load_depth_anything(path)
    with pytest.raises(ConfigError, match=r"its network is of width 32, not 'base'"):
        load_depth_anything(folder, "base")
    with pytest.raises(ConfigError, match=r"trained for 80 m, max_depth_m is 20: give 80"):
        load_depth_anything(folder, max_depth_m=20)


@pytest.mark.parametrize("depth_m", [0.0, -1.0, float("nan"), float("inf")])
def test_a_depth_that_is_none_is_refused(depth_m: float) -> None:
    with pytest.raises(ConfigError, match=r"max_depth_m is .*: expected a positive number of metres"):
        build_depth_anything("small", depth_m)


def test_unknown_sizes_are_named() -> None:
    with pytest.raises(ConfigError, match=r"size 'huge': expected one of small, base, large"):
        build_depth_anything("huge")
    with pytest.raises(ConfigError, match=r"size 'vitl'"):
        load_depth_anything("nowhere", size="vitl")


class _Malice:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran_code",)


def test_a_pickle_that_would_run_code_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"pretrained.cls_token": torch.zeros(1, 1, 384), "more": _Malice()}, "bad.pth")
    with pytest.raises(WeightsError, match=r"bad\.pth: .*could run code"):
        load_depth_anything("bad.pth", max_depth_m=80)
    assert not Path("ran_code").exists()


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_truncated_files_are_refused(official: dict[str, torch.Tensor], tmp_path: Path, name: str) -> None:
    path, few = tmp_path / name, {"pretrained.pos_embed": official["pretrained.pos_embed"]}
    (torch.save if path.suffix == ".pth" else save_file)(few, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WeightsError, match=rf"{name}"):
        load_depth_anything(path, max_depth_m=80)


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    save_file({"fc.weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match=r"no class token: these are no weights of Depth Anything V2 small, base"):
        load_depth_anything(tmp_path / "other.safetensors", max_depth_m=80)
    save_file({"pretrained.cls_token": torch.zeros(1, 1, 1536)}, tmp_path / "giant.safetensors")
    with pytest.raises(WeightsError, match=r"tokens of width 1536"):
        load_depth_anything(tmp_path / "giant.safetensors", max_depth_m=80)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"depth_estimation_type": "relative"}, "answers relative depth, not metres; take one of the Metric weights"),
        ({"max_depth": "gone"}, "has max_depth None: correct it there, to metres"),
        ({"max_depth": -3}, "has max_depth -3"),
        ({"model_type": "dpt"}, "a network dpt on dinov2, expected depth_anything on dinov2"),
        ({"backbone_config": "gone"}, "a network depth_anything on None"),
        ({"fusion_hidden_size": "wide"}, "settings that do not fit DepthAnything"),
        ({"fusion_hidden_size": 24}, r"of other shapes: .* for .*24"),
    ],
)
def test_folders_with_other_settings_are_refused(folder: Path, changes: dict[str, Any], text: str) -> None:
    _rewrite(folder, **changes)
    with pytest.raises(WeightsError, match=text):
        load_depth_anything(folder)


def test_incomplete_folders_say_what_is_missing(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"tiny has no model\.safetensors; .* save_pretrained"):
        load_depth_anything(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(WeightsError, match=r"config\.json cannot be read"):
        load_depth_anything(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(WeightsError, match=r"config\.json holds no settings"):
        load_depth_anything(folder)
    (folder / "config.json").unlink()
    with pytest.raises(WeightsError, match=r"tiny has no config\.json: expected the Hugging Face layout"):
        load_depth_anything(folder)


@pytest.mark.parametrize("load", [load_depth_anything, load_zoedepth])
def test_nothing_is_downloaded_unasked(load: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(*_: Any, **__: Any) -> str:
        raise AssertionError("a download was tried")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fail)
    with pytest.raises(WeightsError, match=r"no weights at someone/network; .* allow_download=True"):
        load("someone/network")
    for name in ("weights/vits.pth", str(tmp_path / "none")):
        with pytest.raises(WeightsError, match=r"no weights at .*: give a folder with config\.json and model\.safeten"):
            load(name, allow_download=True)


def test_a_permitted_download_takes_no_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append((name, allow_patterns))
        return str(folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert load_depth_anything("someone/network", allow_download=True).feature_channels[0] == 8
    assert asked == [("someone/network", ["config.json", "model.safetensors"])]

    def offline(*_: Any, **__: Any) -> str:
        raise OSError("no route\nto host")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(WeightsError, match=r"someone/network could not be downloaded \(no route\): check the name and"):
        load_depth_anything("someone/network", allow_download=True)


@pytest.mark.parametrize("heads", [ONE_HEAD, TWO_HEADS])
def test_zoedepth_survives_the_disk(heads: list[dict[str, Any]], tmp_path: Path) -> None:
    body = tiny_zoedepth(heads)
    body.save_pretrained(tmp_path)
    back, first = load_zoedepth(tmp_path), ZoeDepthCoarse(body)
    assert not any(module.training for module in back.modules())
    _assert_alike(first, back, _image(1, 3, 64, 96))


def test_zoedepth_refuses_files_and_other_networks(folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"model\.safetensors: ZoeDepth is loaded from a folder"):
        load_zoedepth(folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"a network depth_anything on dinov2, expected zoedepth on beit"):
        load_zoedepth(folder)


def test_without_transformers_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"need the package transformers .*: pip install"):
        build_depth_anything("small")


def test_importing_the_module_does_not_import_transformers() -> None:
    program = "import sys, prv2_ros.network.coarse_transformers; sys.exit('transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
