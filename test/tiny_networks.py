"""Networks of the `transformers` package that are small enough for a test, with lively weights."""

from __future__ import annotations

from typing import Any

import torch
from golden_tensors import fill_tensor

ONE_HEAD = [{"n_bins": 8, "min_depth": 1e-3, "max_depth": 10.0}]
TWO_HEADS = [
    {"name": name, "n_bins": 8, "min_depth": 1e-3, "max_depth": far} for name, far in (("a", 10.0), ("b", 80.0))
]


def tiny_depth_anything(**changes: Any) -> Any:
    """Depth Anything with tokens of width 32, a grid of 5x5 positions and 16 channels in the decoder; 80 m."""
    import transformers

    backbone = transformers.Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=70,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    settings = {
        "backbone_config": backbone,
        "reassemble_hidden_size": 32,
        "neck_hidden_sizes": [8, 8, 8, 8],
        "fusion_hidden_size": 16,
        "depth_estimation_type": "metric",
        "max_depth": 80,
    }
    config = transformers.DepthAnythingConfig(**(settings | changes))
    return _lively(transformers.DepthAnythingForDepthEstimation(config))


def tiny_zoedepth(heads: list[dict[str, Any]]) -> Any:
    """ZoeDepth with tokens of width 32, 16 channels in the decoder and 8 at the end of the relative head."""
    import transformers

    backbone = transformers.BeitConfig(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        intermediate_size=64,
        image_size=64,
        use_relative_position_bias=True,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )
    config = transformers.ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=16,
        num_relative_features=8,
        bottleneck_features=16,
        bin_embedding_dim=8,
        bin_configurations=heads,
        num_patch_transformer_layers=4,
        patch_transformer_hidden_size=128,
        patch_transformer_intermediate_size=16,
        patch_transformer_num_attention_heads=2,
    )
    return _lively(transformers.ZoeDepthForDepthEstimation(config))


def _lively(body: torch.nn.Module) -> torch.nn.Module:
    """Fill with values that make the answer depend on the image; the initial ones hardly do."""
    for name, value in body.state_dict().items():
        value.copy_(torch.from_numpy(fill_tensor(name, tuple(value.shape))))
    return body.eval()
