from __future__ import annotations

import re

import pytest
import timm
import torch

from prv2_ros.errors import ConfigError
from prv2_ros.network.encoder import ImageEncoder, load_imagenet

NAME = "tf_efficientnet_lite0"


def _random_imagenet() -> dict[str, torch.Tensor]:
    """A whole classifier's tensors in timm's order under other names, with statistics that are not trivial."""
    torch.manual_seed(0)
    state = {}
    for k, (key, value) in enumerate(timm.create_model(NAME, pretrained=False).state_dict().items()):
        if key.endswith("running_var"):
            value = 0.5 + torch.rand_like(value)
        elif value.is_floating_point() and value.ndim == 1:
            value = 0.5 + 0.5 * torch.rand_like(value)
        state[f"tensor{k}{'.num_batches_tracked' if key.endswith('num_batches_tracked') else ''}"] = value
    return state


def _unfolded(state: dict[str, torch.Tensor]) -> torch.nn.Module:
    plain = timm.create_model(NAME, pretrained=False, features_only=True)
    keys = list(timm.create_model(NAME, pretrained=False).state_dict())
    plain.load_state_dict(dict(zip(keys, state.values(), strict=True)), strict=False)
    return plain.eval()


def test_folded_encoder_computes_what_timm_computes() -> None:
    state = _random_imagenet()
    encoder = ImageEncoder(NAME, 5)
    load_imagenet(encoder, NAME, state)
    image = torch.rand(1, 3, 64, 96)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        expected = _unfolded(state)((image - mean.view(1, 3, 1, 1)) / std.view(1, 3, 1, 1))
        found = encoder(image)
    assert [m.shape for m in found] == [m.shape for m in expected]
    for a, b in zip(found, expected, strict=True):
        assert float((a - b).abs().max()) <= 1e-4 * float(b.abs().max())
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in encoder.modules())


def test_extra_inputs_start_without_effect() -> None:
    encoder = ImageEncoder(NAME, 3, extra_channels=2)
    load_imagenet(encoder, NAME, _random_imagenet())
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        a = encoder(image, torch.zeros(1, 2, 64, 64))
        b = encoder(image, torch.rand(1, 2, 64, 64))
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y)


def test_channels_and_strides_are_read_from_the_model() -> None:
    encoder = ImageEncoder(NAME, 5)
    maps = encoder(torch.rand(1, 3, 64, 64))
    assert encoder.channels == tuple(m.shape[1] for m in maps)
    assert encoder.strides == tuple(64 // m.shape[-1] for m in maps)


def test_unknown_encoder_and_wrong_weights_are_named() -> None:
    with pytest.raises(ConfigError, match="'no_such_net'"):
        ImageEncoder("no_such_net", 5)
    state = _random_imagenet()
    first = next(iter(state))
    state[first] = state[first][:5]
    with pytest.raises(ConfigError, match=rf"{first} of \(5, 3, 3, 3\) does not fit"):
        load_imagenet(ImageEncoder(NAME, 5), NAME, state)
    with pytest.raises(ConfigError, match="hold 0 tensors"):
        load_imagenet(ImageEncoder(NAME, 5), NAME, {})


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("convnext_nano", "encoder 'convnext_nano' has fewer than 5 maps: use another one"),
        ("hf-hub:timm/resnet18", "encoder 'hf-hub:timm/resnet18' is none of timm's own: nothing is downloaded"),
        ("efficientnet_lite", "encoder 'efficientnet_lite': timm knows no such model"),
    ],
)
def test_an_encoder_that_cannot_be_built_is_named(name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(reason)):
        ImageEncoder(name, 5)
