"""Names of Depth Anything V2's tensors: from the authors' files to those of the Hugging Face hub.

The hub's names are the target because they do not change; `transformers` turns them into its own, which do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_BLOCK = r"backbone.encoder.layer.\1."
_FUSION = "neck.fusion_stage.layers."
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile("^" + pattern), hub)
    for pattern, hub in (
        (r"pretrained\.(cls_token|mask_token)$", r"backbone.embeddings.\1"),
        (r"pretrained\.pos_embed$", "backbone.embeddings.position_embeddings"),
        (r"pretrained\.patch_embed\.proj\.", "backbone.embeddings.patch_embeddings.projection."),
        (r"pretrained\.norm\.", "backbone.layernorm."),
        (r"pretrained\.blocks\.(\d+)\.attn\.proj\.", _BLOCK + "attention.output.dense."),
        (r"pretrained\.blocks\.(\d+)\.ls([12])\.gamma$", _BLOCK + r"layer_scale\2.lambda1"),
        (r"pretrained\.blocks\.(\d+)\.(norm[12]|mlp\.fc[12])\.", _BLOCK + r"\2."),
        (r"depth_head\.projects\.(\d)\.", r"neck.reassemble_stage.layers.\1.projection."),
        (r"depth_head\.resize_layers\.(\d)\.", r"neck.reassemble_stage.layers.\1.resize."),
        (r"depth_head\.scratch\.layer(\d)_rn\.", "neck.convs.<-1>."),
        (r"depth_head\.scratch\.refinenet(\d)\.out_conv\.", _FUSION + "<4->.projection."),
        (
            r"depth_head\.scratch\.refinenet(\d)\.resConfUnit([12])\.conv([12])\.",
            _FUSION + r"<4->.residual_layer\2.convolution\3.",
        ),
        (r"depth_head\.scratch\.output_conv1\.", "head.conv1."),
        (r"depth_head\.scratch\.output_conv2\.0\.", "head.conv2."),
        (r"depth_head\.scratch\.output_conv2\.2\.", "head.conv3."),
    )
)
_QKV = re.compile(r"^pretrained\.blocks\.(\d+)\.attn\.qkv\.(weight|bias)$")


def is_official(state: Mapping[str, Tensor]) -> bool:
    """Tell whether tensors carry the names of the authors' code."""
    return any(name.startswith(("pretrained.", "depth_head.")) for name in state)


def hub_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors of the authors' code the hub's names; a name that no rule knows stays as it is.

    The authors keep queries, keys and values in one tensor, the hub in three.
    """
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        joint = _QKV.match(name)
        if joint is None or not value.ndim or value.shape[0] % 3:
            renamed[hub_name(name)] = value
            continue
        start = joint.expand(_BLOCK) + "attention.attention."
        for part, third in zip(("query", "key", "value"), value.chunk(3), strict=True):
            renamed[f"{start}{part}.{joint.group(2)}"] = third
    return renamed


def hub_name(official: str) -> str:
    """Give the hub's name of one tensor that both keep whole."""
    for pattern, hub in _RULES:
        match = pattern.match(official)
        if match is None:
            continue
        if "<" in hub:  # the authors count levels from 1, and fusion stages from the highest resolution
            level = int(match.group(1))
            hub = hub.replace("<-1>", str(level - 1)).replace("<4->", str(4 - level))
        return match.expand(hub) + official[match.end() :]
    return official
