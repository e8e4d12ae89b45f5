"""PatchRefiner V2 as published, on batches of patches; equals `reference.py` to the last digits, and takes less time.

Shapes: N patches, P pixels a side of what the networks see, H and W image pixels.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.patches import Patch, PatchLayout, RunningMean
from prv2_ros.inference.batches import Batches, memory_for_image
from prv2_ros.inference.clock import StageClock
from prv2_ros.inference.compiled import compiled
from prv2_ros.inference.device import choose_device, choose_precision
from prv2_ros.inference.preprocess import check_camera, check_image, image_tensor
from prv2_ros.inference.reference import crop_map
from prv2_ros.inference.regions import Region
from prv2_ros.network.align import network_focal, upsample_to
from prv2_ros.network.coarse_features import CoarseMaps
from prv2_ros.network.refiner_published import PublishedRefiner, resize
from prv2_ros.types import DepthResult, TileDepth


class PublishedEngine:
    """Metric depth from single images, as the paper's inference gives it. Not for several threads at once."""

    def __init__(
        self,
        coarse: nn.Module,
        refiner: PublishedRefiner,
        *,
        layout: PatchLayout | None = None,
        patch_px: int = 448,
        batch: int = 0,
        max_depth_m: float = math.inf,
        assumed_fov_deg: float = 60.0,
        compile: str = "off",
        model_name: str = "custom",
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.layout = layout or PatchLayout()
        self.device = choose_device(device)
        self.dtype = choose_precision(precision, self.device)
        self.model_name = model_name
        self._patch_px = patch_px
        self._max_depth_m = max_depth_m
        self._assumed_fov_deg = assumed_fov_deg
        for module in (coarse, refiner):
            module.eval().requires_grad_(False).to(self.device).to(memory_format=torch.channels_last)
        self._uses_focal = bool(getattr(coarse, "uses_focal", False))
        self._coarse = compiled(coarse, compile, self.device)
        self._refiner = compiled(refiner, compile, self.device)
        size = batch or (1 if self.device.type == "cpu" else 4)
        self._batches = Batches(
            size, "patch", "patches", f"use fewer px than {patch_px} a side (tiles.patch_px) or device cpu"
        )

    def infer(
        self,
        image_rgb: NDArray[np.uint8],
        camera: CameraModel | None = None,
        *,
        coarse: bool = True,
        confidence: bool = False,
        max_latency_ms: float | None = None,
        regions: Sequence[Region] | None = None,
        keep_tiles: bool = False,
    ) -> DepthResult:
        """Estimate the depth along z of every pixel.

        Args:
            image_rgb: (H, W, 3) uint8 RGB.
            camera: used by `coarse_lite`. Depth Anything and ZoeDepth do not take it: their depth is right for the
                lens that they were trained with.
            coarse: whether to give the coarse depth, too, stretched to the image.
            confidence: taken for the interface; the published networks know none.
            max_latency_ms: taken for the interface; every patch is refined.
            regions: likewise.
            keep_tiles: whether to give every patch before merging, too, at its place in the merged map.

        Returns:
            Depth at the image's resolution, stretched from the merged map of rows * P x columns * P; NaN beyond
            `max_depth_m`.

        Raises:
            InputError: an image that cannot be used, or that the grid does not fit.
            DeviceMemoryError: a GPU without the memory for the image, or for even one patch.

        """
        clock = StageClock(self.device)
        del confidence, max_latency_ms, regions
        size = check_image(image_rgb)
        camera = check_camera(camera, *size, self._assumed_fov_deg)
        self.layout.check_image(*size)
        with torch.inference_mode(), memory_for_image(*size):
            image = image_tensor(image_rgb, self.device).float() / 255
            network = resize(image, (self._patch_px, self._patch_px)).contiguous(memory_format=torch.channels_last)
            clock.lap("preprocess")
            whole = self._coarse_maps(network, camera)
            coarse_m = whole.depth_m_B1hw.float()
            clock.lap("coarse")
            tiles: list[TileDepth] | None = [] if keep_tiles else None
            merged_m = self.refine(image, coarse_m, whole.features, tiles)
            clock.lap("refine")
            result = DepthResult(
                depth_m=self._metres(torch.from_numpy(merged_m)[None, None], size),
                coarse_depth_m=self._metres(coarse_m, size) if coarse else None,
                tiles=tuple(tiles or ()),
            )
            clock.lap("postprocess")
        return dataclasses.replace(result, timings_ms=clock.timings_ms())

    def _metres(self, depth_m_11hw: Tensor, size_hw: tuple[int, int]) -> NDArray[np.float32]:
        depth_m: NDArray[np.float32] = upsample_to(depth_m_11hw, size_hw)[0, 0].cpu().numpy()
        depth_m[~(depth_m <= self._max_depth_m)] = np.nan  # a NaN fails the comparison, too
        return depth_m

    def _coarse_maps(self, network_13PP: Tensor, camera: CameraModel) -> CoarseMaps:
        known = {}
        if self._uses_focal:
            side = (self._patch_px, self._patch_px)
            f_px = network_focal(camera.fx, camera.fy, (camera.height, camera.width), side)
            known["f_px_B"] = torch.tensor([f_px], dtype=torch.float32, device=self.device)
        with self._autocast():
            maps: CoarseMaps = self._coarse(network_13PP, **known)
        return maps

    def refine(
        self,
        image_13HW: Tensor,
        coarse_m_11PP: Tensor,
        features: Sequence[Tensor],
        tiles: list[TileDepth] | None = None,
    ) -> NDArray[np.float32]:
        """Refine an image's patches in batches and merge them; arguments and result as `reference.refine_image`.

        A list given as `tiles` takes every patch as it was before merging.
        """
        self.layout.check_image(*image_13HW.shape[-2:])
        with torch.inference_mode():
            if self.layout.mode == "blend":
                return self._blend(image_13HW, coarse_m_11PP, features, tiles)
            first, later = self.layout.patches(self._patch_px)
            merged = RunningMean(self.layout, self._patch_px)
            patches = [*first, *later]
            for k, depth_m in enumerate(self._depths(image_13HW, coarse_m_11PP, features, patches, tiles)):
                if k < len(first):
                    merged.write(first[k], depth_m)
                else:
                    merged.add(later[k - len(first)], depth_m)
        return merged.depth_m

    def _blend(
        self,
        image_13HW: Tensor,
        coarse_m_11PP: Tensor,
        features: Sequence[Tensor],
        kept: list[TileDepth] | None,
    ) -> NDArray[np.float32]:
        grid = self.layout.blend_grid(self._patch_px)
        tiles = list(grid)
        patches = [Patch(top=tile.y, left=tile.x) for tile in tiles]
        merged: NDArray[Any] = np.zeros((grid.y.length, grid.x.length), np.float32)
        p = self._patch_px
        for tile, depth_m in zip(tiles, self._depths(image_13HW, coarse_m_11PP, features, patches, kept), strict=True):
            merged[tile.y : tile.y + p, tile.x : tile.x + p] += grid.weight(tile) * depth_m
        return merged

    def _depths(
        self,
        image_13HW: Tensor,
        coarse_m_11PP: Tensor,
        features: Sequence[Tensor],
        patches: Sequence[Patch],
        kept: list[TileDepth] | None,
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the depth (P, P) of each patch in metres; in batches."""
        for batch, depths in self._batches.run(
            patches, lambda part: self._refine_patches(image_13HW, coarse_m_11PP, features, part)
        ):
            if kept is not None:
                kept += [TileDepth(y=p.top, x=p.left, depth_m=d) for p, d in zip(batch, depths, strict=True)]
            yield from depths

    def _refine_patches(
        self, image_13HW: Tensor, coarse_m_11PP: Tensor, features: Sequence[Tensor], patches: Sequence[Patch]
    ) -> NDArray[np.float32]:
        p = self._patch_px
        image_hw = (image_13HW.shape[-2], image_13HW.shape[-1])
        merged_hw = (self.layout.rows * p, self.layout.columns * p)
        rgb, boxes = [], []
        for patch in patches:
            x, y, w, h = patch.box_xywh(p, merged_hw, image_hw)
            part = image_13HW[..., round(y) : round(y + h), round(x) : round(x + w)]
            rgb.append(resize(part, (p, p)))
            sx, sy = p / image_hw[1], p / image_hw[0]
            boxes.append([0.0, x * sx, y * sy, (x + w) * sx, (y + h) * sy])
        boxes_N5 = torch.tensor(boxes, device=self.device)
        depth = crop_map(coarse_m_11PP, boxes_N5, p)
        guides = [crop_map(f.float(), boxes_N5, p).contiguous(memory_format=torch.channels_last) for f in features]
        with self._autocast():
            refined = self._refiner(torch.cat(rgb).contiguous(memory_format=torch.channels_last), depth, guides)
        answer: NDArray[np.float32] = refined[:, 0].float().cpu().numpy()
        return answer

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)
