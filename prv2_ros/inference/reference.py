"""PatchRefiner V2's inference as published, one patch after the other: slow and plain, the fast way's measure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchvision.ops import roi_align

from prv2_ros.geometry.patches import Patch, PatchLayout, RunningMean
from prv2_ros.network.refiner_published import PublishedRefiner, resize


def refine_image(
    refiner: PublishedRefiner,
    image_13HW: Tensor,
    coarse_depth_m_11PP: Tensor,
    coarse_features: Sequence[Tensor],
    layout: PatchLayout,
) -> NDArray[np.float32]:
    """Refine an image patch by patch and merge.

    Args:
        refiner: the refiner, in evaluation mode.
        image_13HW: (1, 3, H, W) RGB in 0..1.
        coarse_depth_m_11PP: the whole image's coarse depth at network size, metres.
        coarse_features: six maps of the whole image, lowest resolution first.
        layout: which patches.

    Returns:
        Depth in metres, (rows * P, columns * P).

    Raises:
        InputError: the grid does not fit the image.

    """
    layout.check_image(*image_13HW.shape[-2:])
    patch_px = coarse_depth_m_11PP.shape[-1]
    first, later = layout.patches(patch_px)
    merged = RunningMean(layout, patch_px)
    with torch.inference_mode():
        for patch in first:
            merged.write(patch, refine_patch(refiner, image_13HW, coarse_depth_m_11PP, coarse_features, layout, patch))
        for patch in later:
            merged.add(patch, refine_patch(refiner, image_13HW, coarse_depth_m_11PP, coarse_features, layout, patch))
    return merged.depth_m


def refine_patch(
    refiner: PublishedRefiner,
    image_13HW: Tensor,
    coarse_depth_m_11PP: Tensor,
    coarse_features: Sequence[Tensor],
    layout: PatchLayout,
    patch: Patch,
) -> NDArray[np.float32]:
    """Depth of one patch in metres, (P, P)."""
    patch_px = coarse_depth_m_11PP.shape[-1]
    image_hw = (image_13HW.shape[-2], image_13HW.shape[-1])
    merged_hw = (layout.rows * patch_px, layout.columns * patch_px)
    x, y, w, h = patch.box_xywh(patch_px, merged_hw, image_hw)
    rgb = resize(image_13HW[..., round(y) : round(y + h), round(x) : round(x + w)], (patch_px, patch_px))
    # The coarse maps show the whole image at P x P, whatever its aspect ratio.
    scale = torch.tensor([patch_px / image_hw[1], patch_px / image_hw[0]] * 2)
    box = torch.tensor([[0.0, *(torch.tensor([x, y, x + w, y + h]) * scale).tolist()]])
    depth = crop_map(coarse_depth_m_11PP, box, patch_px)
    features = [crop_map(feature, box, patch_px) for feature in coarse_features]
    answer: NDArray[np.float32] = refiner(rgb, depth, features)[0, 0].float().cpu().numpy()
    return answer


def crop_map(map_1Chw: Tensor, boxes_N5: Tensor, patch_px: int) -> Tensor:
    """Crop boxes (index, x0, y0, x1, y1 at network size) out of a coarse map, each resampled to the map's own size."""
    size = (map_1Chw.shape[-2], map_1Chw.shape[-1])
    cropped: Tensor = roi_align(map_1Chw, boxes_N5.to(map_1Chw), size, size[0] / patch_px, aligned=True)
    return cropped
