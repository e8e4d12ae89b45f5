from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tiny_depth_model import small_model
from torch import nn

from prv2_ros.errors import ConfigError
from prv2_ros.network.checkpoint import load_model
from prv2_ros.network.encoder import ImageEncoder
from prv2_ros.network.model import VARIANTS, DepthModel
from prv2_ros.network.paths import config_folder
from prv2_ros.training.config import TrainConfig, load_config
from prv2_ros.training.parts import parameter_groups, set_training_mode, untrained_encoders

CONFIGS = sorted((config_folder() / "train").glob("*.yaml"))


@pytest.fixture(scope="module")
def default_model() -> DepthModel:
    model = DepthModel()
    model.add_far_network()
    return model


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_packaged_config_finds_its_frozen_layers_and_leaves_some_to_learn(
    path: Path, default_model: DepthModel
) -> None:
    sources = ["a"] * len(yaml.safe_load(path.read_text()).get("data_shares", ()))
    config = load_config(path, data=sources)
    set_training_mode(default_model, config)
    learning = [name for name, parameter in default_model.named_parameters() if parameter.requires_grad]
    assert learning
    for layer in config.frozen:
        assert not any(f"encoder.body.{layer}." in name for name in learning)
    assert any(group["params"] for group in parameter_groups(default_model, config))


@pytest.mark.parametrize("layer", ["blocks.9", "conv_stm", "block", "b", "", "blocks.0."])
def test_a_frozen_layer_that_no_encoder_has_is_named(layer: str) -> None:
    with pytest.raises(ConfigError) as error:
        set_training_mode(small_model(), TrainConfig(frozen=("conv_stem", layer)))
    assert str(error.value).startswith(f"frozen {layer!r}: no encoder in training has such a layer")
    assert "only conv_stem, blocks.0 to blocks.4 and" in str(error.value)


def test_a_frozen_layer_of_one_of_two_encoders_is_enough() -> None:
    model = DepthModel(VARIANTS["l"])
    encoders = (model.coarse.encoder, model.refiner.encoder)
    kept = ("blocks.0", "stem_0")  # of EfficientNet and of ConvNeXt
    for encoder, own, other in zip(encoders, kept, reversed(kept), strict=True):
        assert isinstance(encoder, ImageEncoder)
        names = [name for name, _ in encoder.body.named_parameters()]
        assert any(name.startswith(f"{own}.") for name in names)
        assert not any(name.startswith(f"{other}.") for name in names)
    set_training_mode(model, TrainConfig(stage="end_to_end", frozen=kept))
    for encoder, own in zip(encoders, kept, strict=True):
        for name, parameter in encoder.named_parameters():  # type: ignore[operator, union-attr]
            assert parameter.requires_grad is not name.startswith(f"body.{own}.")
    with pytest.raises(ConfigError, match=r"frozen 'blocks.0': .*only stem_0, .*stages_0"):
        set_training_mode(model, TrainConfig(stage="noise", frozen=kept))


def test_a_layer_is_not_one_whose_name_it_begins() -> None:
    model = small_model()
    blocks = model.coarse.get_submodule("encoder.body.blocks")
    blocks.add_module("10", nn.Conv2d(4, 4, 1))
    set_training_mode(model, TrainConfig(frozen=("blocks.1",)))
    learning = {name.split(".")[0] for name, parameter in blocks.named_parameters() if parameter.requires_grad}
    assert learning == {"0", "2", "3", "4", "10"}


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_an_encoder_is_untrained_until_it_learns(variant: str) -> None:
    model = DepthModel(VARIANTS[variant])
    assert untrained_encoders(model, "coarse") == ("coarse.encoder",)
    assert untrained_encoders(model, "noise") == untrained_encoders(model, "refiner") == ("refiner.encoder",)
    assert untrained_encoders(model, "end_to_end") == ("coarse.encoder", "refiner.encoder")
    assert untrained_encoders(model, "confidence") == (), "no encoder learns there"
    # The first layers and the depthwise kernels of a trained encoder may have been kept as they were drawn.
    for name, parameter in model.refiner.named_parameters():
        if name.startswith("encoder.") and name.endswith("bias") and "conv_dw" not in name:
            nn.init.normal_(parameter, std=1e-3)
    assert untrained_encoders(model, "end_to_end") == ("coarse.encoder",)
    assert untrained_encoders(model, "refiner") == ()


def test_the_packaged_models_encoders_are_trained() -> None:
    assert untrained_encoders(load_model("default"), "end_to_end") == ()


def test_nothing_of_an_untrained_encoder_is_fixed() -> None:
    model = DepthModel(VARIANTS["s"])
    config = TrainConfig(stage="end_to_end", frozen=("conv_stem", "blocks.0"), fixed_depthwise=True)
    set_training_mode(model, config, ("refiner.encoder",))
    assert all(p.requires_grad for p in model.get_submodule("refiner.encoder").parameters())
    fixed = {name for name, p in model.coarse.named_parameters() if not p.requires_grad and name.startswith("encoder.")}
    assert {"encoder.body.conv_stem.weight", "encoder.body.blocks.3.1.conv_dw.weight"} <= fixed
