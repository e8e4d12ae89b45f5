from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from prv2_ros.errors import ConfigError, InputError, WeightsError
from prv2_ros.geometry.patches import PatchLayout
from prv2_ros.inference.reference import refine_image
from prv2_ros.network.checkpoint import load_reference_state_dict, read_tensors
from prv2_ros.network.refiner_published import PublishedRefiner, build_published_refiner

from golden_tensors import GOLDEN, fill_tensor, read_keys, refiner_inputs, scene_inputs  # isort: skip

ENCODERS = {
    "mobilenetv4": ("mobilenetv4_conv_small", 48.0),
    "efficientnet_b5": ("tf_efficientnet_b5", 73.3),
    "convnext_large": ("convnext_large", 247.2),
}


def _reference_state(key: str) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(fill_tensor(name, shape)) for name, shape in read_keys(f"keys_{key}.txt").items()}


def _golden(key: str) -> PublishedRefiner:
    refiner = build_published_refiner(ENCODERS[key][0]).eval()
    load_reference_state_dict(refiner, _reference_state(key))
    return refiner


@pytest.mark.parametrize("key", list(ENCODERS))
def test_depth_equals_the_authors_code(key: str) -> None:
    refiner, inputs, golden = _golden(key), refiner_inputs(), np.load(GOLDEN / f"prv2_{key}.npz")
    tensors = sum(value.numel() for value in refiner.state_dict().values()) / 1e6
    assert tensors == pytest.approx(ENCODERS[key][1], abs=0.05)
    image, coarse = torch.from_numpy(inputs["image"]), torch.from_numpy(inputs["coarse_depth"])
    features = [torch.from_numpy(f) for f in inputs["coarse_features"]]
    with torch.inference_mode():
        depth, fine = refiner.stages(image, coarse, features)
    np.testing.assert_allclose(depth[0, 0].numpy(), golden["depth"], atol=1e-3, rtol=0)
    np.testing.assert_allclose(fine[0, 0].numpy(), golden["c2f_depth"], atol=1e-3, rtol=0)


def test_merged_patches_equal_the_authors_code() -> None:
    refiner, inputs, golden = _golden("mobilenetv4"), scene_inputs(), np.load(GOLDEN / "prv2_mobilenetv4.npz")
    image, coarse = torch.from_numpy(inputs["image"]), torch.from_numpy(inputs["coarse_depth"])
    features = [torch.from_numpy(f) for f in inputs["coarse_features"]]
    for mode in ("m1", "m2"):
        depth = refine_image(refiner, image, coarse, features, PatchLayout(rows=2, columns=2, mode=mode))
        np.testing.assert_allclose(depth, golden[f"scene_{mode}"], atol=1e-3, rtol=0)


@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize("encoder", ["mobilenetv4_conv_small", "convnext_atto"])
def test_every_width_of_coarse_network_runs(width: int, encoder: str) -> None:
    channels = (width // 2, *[width] * 5)
    refiner = build_published_refiner(encoder, channels).eval()
    features = [torch.randn(2, c, s, s) for c, s in zip(reversed(channels), (1, 2, 5, 9, 18, 32), strict=True)]
    with torch.inference_mode():
        depth = refiner(torch.rand(2, 3, 32, 32), torch.full((2, 1, 32, 32), 5.0), features)
    assert depth.shape == (2, 1, 32, 32)
    assert (depth >= 0).all()


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ConfigError, match="encoder 'no_such_net': timm knows no such model"):
        build_published_refiner("no_such_net")
    with pytest.raises(ConfigError, match=r"coarse channels \(64, 64\): expected six"):
        build_published_refiner("convnext_atto", (64, 64))
    refiner = build_published_refiner("convnext_atto", (8, *[16] * 5))
    features = [torch.zeros(1, c, 4, 4) for c in (16, 16, 16, 16, 16, 8)]
    with pytest.raises(InputError, match="patch 40x32 px: both sides must be multiples of 32"):
        refiner(torch.zeros(1, 3, 32, 40), torch.zeros(1, 1, 32, 40), features)
    with pytest.raises(InputError, match=r"coarse features have \(16, .* channels .*built for \(8, 16"):
        refiner(torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 32, 32), features[::-1])


def test_wrong_checkpoints_are_listed() -> None:
    state = _reference_state("mobilenetv4")
    refiner = build_published_refiner("mobilenetv4_conv_small")
    gone = "refiner_fusion_model.final_conv.weight"
    with pytest.raises(WeightsError, match=r"1 missing: f2c.offset.weight"):
        load_reference_state_dict(refiner, {k: v for k, v in state.items() if k != gone})
    with pytest.raises(WeightsError, match=r"1 unexpected: surprise"):
        load_reference_state_dict(refiner, {**state, "surprise": torch.zeros(1)})
    with pytest.raises(WeightsError, match=r"1 of other shapes: f2c.offset.weight \(2,\) for \(1, 32, 3, 3\)"):
        load_reference_state_dict(refiner, {**state, gone: torch.zeros(2)})
    with pytest.raises(WeightsError, match="of other shapes"):
        load_reference_state_dict(build_published_refiner("mobilenetv4_conv_small", (32, *[64] * 5)), state)


def test_coarse_tensors_and_wrappers_prefixes_are_passed_over() -> None:
    state = {f"module.{name}": value for name, value in _reference_state("mobilenetv4").items()}
    refiner = build_published_refiner("mobilenetv4_conv_small")
    load_reference_state_dict(refiner, {**state, "module.coarse_branch.core.weight": torch.zeros(3)})
    name = "refiner_fusion_model.final_conv.weight"
    assert torch.equal(refiner.f2c.offset.weight, torch.from_numpy(fill_tensor(name, (1, 32, 3, 3))))


class Payload:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("run",))


def test_files_that_cannot_be_trusted_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil, short, text = tmp_path / "evil.pth", tmp_path / "short.pth", tmp_path / "text.safetensors"
    evil.write_bytes(pickle.dumps({"weight": Payload()}, protocol=2))
    torch.save({"state_dict": {"weight": torch.zeros(64, 64)}}, short)
    assert set(read_tensors(short)) == {"weight"}
    short.write_bytes(short.read_bytes()[:-2000])
    text.write_text("no tensors")
    for path, message in (
        (evil, "could run code"),
        (short, "truncated"),
        (text, "truncated, or no safetensors file"),
        (tmp_path / "absent.pth", "cannot be read"),
    ):
        with pytest.raises(WeightsError, match=message):
            read_tensors(path)
    assert "run" not in capsys.readouterr().out
