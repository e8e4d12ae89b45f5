from __future__ import annotations

import torch
from golden_tensors import read_keys

from prv2_ros.network.depth_anything_keys import hub_name, hub_state, is_official


def test_every_tensor_of_the_authors_gets_one_name_of_the_hub() -> None:
    names = read_keys("keys_depth_anything_v2_vits.txt")
    state = hub_state({name: torch.empty(shape, device="meta") for name, shape in names.items()})
    assert len(state) == len(names) + 2 * 24  # twelve blocks, weight and bias: one tensor becomes three
    assert all(name.startswith(("backbone.", "neck.", "head.")) for name in state)
    assert not is_official(state)
    assert is_official(dict.fromkeys(names, torch.empty(0)))


def test_levels_are_counted_from_the_other_end() -> None:
    start = "depth_head.scratch.refinenet4."
    assert hub_name(start + "out_conv.bias") == "neck.fusion_stage.layers.0.projection.bias"
    found = hub_name("depth_head.scratch.refinenet1.resConfUnit2.conv1.weight")
    assert found == "neck.fusion_stage.layers.3.residual_layer2.convolution1.weight"
    assert hub_name("depth_head.scratch.layer4_rn.weight") == "neck.convs.3.weight"


def test_queries_come_before_keys_and_values() -> None:
    state = hub_state({"pretrained.blocks.7.attn.qkv.bias": torch.arange(6)})
    start = "backbone.encoder.layer.7.attention.attention."
    assert {name: value.tolist() for name, value in state.items()} == {
        f"{start}query.bias": [0, 1],
        f"{start}key.bias": [2, 3],
        f"{start}value.bias": [4, 5],
    }


def test_what_no_rule_knows_stays() -> None:
    strange = {"pretrained.register_tokens": torch.zeros(1), "pretrained.blocks.0.attn.qkv.bias": torch.zeros(4)}
    assert list(hub_state(strange)) == list(strange)
    assert hub_name("optimizer.step") == "optimizer.step"
