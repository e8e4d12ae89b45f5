"""The engine: one image and its camera in, metric depth out.

A coarse network sees the whole image at a small size; a refiner then sees the image's own pixels, tile by tile,
with the coarse depth and features that lie under each tile. What the refiner changes is blended in log depth, so that
a tile that is left out for want of time keeps the coarse depth.

Shapes: N tiles, H and W image pixels, h and w of the coarse network's maps.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.tiles import Tile, TileGrid, tile_grid
from prv2_ros.inference.batches import Batches, memory_for_image
from prv2_ros.inference.blending import BlendWeights, ImageMaps
from prv2_ros.inference.budget import CostModel, gain_map, in_time, rank_tiles
from prv2_ros.inference.clock import StageClock
from prv2_ros.inference.compiled import compiled
from prv2_ros.inference.config import EngineConfig, check_latency
from prv2_ros.inference.device import choose_device, choose_precision
from prv2_ros.inference.preprocess import check_camera, check_image, image_tensor, tile_images
from prv2_ros.inference.regions import Region, check_region
from prv2_ros.network.align import crop_aligned
from prv2_ros.network.checkpoint import load_model
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.far_look import LEAST_SHARE, far_looks, far_share, has_closer, with_far_looks
from prv2_ros.network.lean import lean_model
from prv2_ros.network.looks import Look, merge_looks, network_looks
from prv2_ros.network.model import DepthModel
from prv2_ros.network.refiner_realtime import DEPTH_STRIDE, FEATURE_STRIDE, RefinedTile
from prv2_ros.types import DepthResult, TileDepth

_SIZES_KEPT = 8
"""Sizes of images whose tiles are kept ready."""


class DepthEngine:
    """Metric depth from single images on one device. Not for use from several threads at once.

    The same image gives the same depth on the same machine, whatever was inferred before, except that the last
    digits may change when a GPU has run out of memory and smaller batches are used from then on. This holds without a
    time limit: with one, the share that is refined depends on the time that it takes.
    """

    def __init__(
        self,
        model: DepthModel,
        *,
        model_name: str = "custom",
        device: str = "auto",
        precision: str = "auto",
        config: EngineConfig | None = None,
    ) -> None:
        self.config = config or EngineConfig()
        self.device = choose_device(device)
        self.dtype = choose_precision(precision, self.device)
        self.model_name = model_name
        self._model = lean_model(model, self.device, self.dtype)
        size = self.config.tile_batch or (1 if self.device.type == "cpu" else 4)
        self._predict_coarse = compiled(self._model.predict_coarse, self.config.compile, self.device)
        self._predict_far = compiled(self._model.predict_far, self.config.compile, self.device)
        self._refine_batch = compiled(self._model.refine, self.config.compile, self.device)
        self._batches = Batches(
            size, "tile", "tiles", f"lower max_tile_px ({self.config.max_tile_px}) or use device cpu"
        )
        self._costs = CostModel()
        self._weights: dict[tuple[int, int], BlendWeights] = {}

    @classmethod
    def load(
        cls,
        model: str = "default",
        device: str = "auto",
        precision: str = "auto",
        *,
        config: EngineConfig | None = None,
    ) -> DepthEngine:
        """Load a model by name or path onto a device.

        Args:
            model: name of a packaged model, or the path of the .yaml of one. Published models are another engine's:
                `prv2_ros.inference.load.load_engine` takes either.
            device: `auto` (CUDA where it works, else the CPU), `cpu`, `cuda` or `cuda:N`.
            precision: `auto`, `float32`, `bfloat16` or `float16`; see `device.choose_precision`.
            config: tiling and range of depth.

        Raises:
            WeightsError: weights that are missing, altered or made for another network.
            DeviceError: a device or precision that cannot be used.

        """
        return cls(load_model(model), model_name=model, device=device, precision=precision, config=config)

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
        """Estimate the depth along z of every pixel, in the camera's optical frame.

        Args:
            image_rgb: (H, W, 3) uint8 RGB, 64 px a side at least, odd sizes included; not modified.
            camera: the camera at this size. Its focal length sets the scale of the depth; distortion is left as it is.
                Without a camera `config.assumed_fov_deg` is assumed, and the scale is only as good as that.
            coarse: whether to give the coarse depth, too; to write it out takes as long as the refined one.
            confidence: whether to give the confidence, too.
            max_latency_ms: time (ms) after which the answer should be there; None for `config.max_latency_ms`, 0 for
                no limit. The look at what is far comes first, where it fits; then tiles are refined best first until
                the time is spent, and the rest keeps the coarse depth.
            regions: left, top, width, height (px) of what is refined first in limited time; None for `config.regions`.
            keep_tiles: whether to give every tile as it was before blending, too.

        Returns:
            Depth at the image's own resolution. NaN where it is not finite or beyond `config.max_depth_m`.

        Raises:
            InputError: an image or camera that cannot be used.
            ConfigError: a latency or region that cannot be, as in `EngineConfig`.
            DeviceMemoryError: a GPU without the memory for the image, or for even one tile.

        """
        height, width = check_image(image_rgb)
        camera = check_camera(camera, height, width, self.config.assumed_fov_deg)
        limit_ms = self.config.max_latency_ms if max_latency_ms is None else max_latency_ms
        check_latency(limit_ms)
        regions = self.config.regions if regions is None else regions
        for region in regions:
            check_region(region)
        with torch.inference_mode(), memory_for_image(height, width):
            return self._infer(
                image_rgb,
                camera,
                coarse=coarse,
                confidence=confidence,
                limit_ms=limit_ms,
                regions=regions,
                keep_tiles=keep_tiles,
            )

    def _infer(
        self,
        image_rgb: NDArray[np.uint8],
        camera: CameraModel,
        *,
        coarse: bool,
        confidence: bool,
        limit_ms: float,
        regions: Sequence[Region],
        keep_tiles: bool,
    ) -> DepthResult:
        clock = StageClock(self.device)
        size_hw = (camera.height, camera.width)
        image_13HW = image_tensor(image_rgb, self.device)
        looks = network_looks(self._model, image_13HW, camera.fx, camera.fy)
        clock.lap("preprocess")
        whole = merge_looks([self._coarse(look) for look in looks])
        weights = self._blend_weights(*size_hw)
        grid = weights.grid
        clock.lap("coarse")
        work, after = ("tile", grid.y.tile, grid.x.tile), ("postprocess", *size_hw, coarse, confidence)
        until_ms = limit_ms - self._costs.predict((*after, True)) if limit_ms else math.inf
        closer = self._look_closer(image_13HW, camera, whole, clock, until_ms)
        maps = ImageMaps(
            closer, size_hw, weights, overview=whole, scale=confidence, keep_tiles=keep_tiles, partial=bool(limit_ms)
        )
        clock.lap("far_look")
        batches: Iterable[Sequence[Tile]] = [list(grid)]
        if limit_ms:
            ranked = rank_tiles(grid, size_hw, gain_map(whole, looks[0].image_B3hw), regions)
            batches = in_time(self._costs, ranked, work, clock, until_ms, lambda: self._batches.size)
        refined = self._refine(image_13HW, closer, maps, grid, batches)
        refine_ms = clock.lap("refine")
        if not limit_ms:
            # Once a frame: each look at the clock waits for the GPU.
            self._costs.observe(work, refine_ms / len(grid))
        if refined:
            near_HW = maps.near(self.config.metric_from_m)
            maps.leave_out_wide_changes(self.config.wide_cells, near_HW)
            maps.leave_out_farther(self.config.farther, near_HW)
        result = DepthResult(
            depth_m=self._metres(maps.log_depth_HW),
            coarse_depth_m=self._metres(maps.log_overview_HW()) if coarse else None,
            confidence=None if maps.log_scale_HW is None else _confidence(maps.log_scale_HW),
            refined_share=refined / len(grid),
        )
        # Apart from frames of which no tile was refined: they have less to do, and would promise time for one.
        self._costs.observe((*after, refined > 0), clock.lap("postprocess"))
        # After the last lap: what is measured of a frame should not depend on whether its tiles are looked at.
        tiles = tuple(TileDepth(y=t.y, x=t.x, depth_m=self._metres(log_hw)) for t, log_hw in maps.tiles)
        return dataclasses.replace(result, tiles=tiles, timings_ms=clock.timings_ms())

    def _coarse(self, look: Look) -> CoarseOutput:
        with self._autocast():
            return self._predict_coarse(look.image_B3hw, look.f_px_B)

    def _look_closer(
        self, image_13HW: Tensor, camera: CameraModel, coarse: CoarseOutput, clock: StageClock, until_ms: float
    ) -> CoarseOutput:
        """Coarse depth with a closer look at what is far, where there is any, and time for it."""
        area, far_m = self.config.far_look, self.config.metric_from_m
        if not area or math.isinf(far_m) or not has_closer(self._model, camera.width, camera.height):
            return coarse
        if float(far_share(coarse.log_depth_B1hw, far_m)) < LEAST_SHARE:
            return coarse
        work, start_ms = ("far look", camera.height, camera.width), 0.0
        if not math.isinf(until_ms):
            start_ms = clock.elapsed_ms()
            if not self._costs.fitting(work, until_ms - start_ms, 1):
                self._costs.note_idle(work)
                return coarse
        looks = far_looks(self._model, image_13HW, camera.fx, camera.fy, area)
        with self._autocast():
            answers = [self._predict_far(look.image_B3hw, look.f_px_B).log_depth_B1hw for look in looks]
        closer = with_far_looks(coarse, answers, far_m)
        if not math.isinf(until_ms):
            self._costs.observe(work, clock.elapsed_ms() - start_ms)
        return closer

    def _blend_weights(self, height: int, width: int) -> BlendWeights:
        """Tiles of an image and their weights, kept for the sizes that came last."""
        size_hw = (height, width)
        found = self._weights.pop(size_hw, None)
        if found is None:
            grid = tile_grid(height, width, max_tile=self.config.max_tile_px, overlap=self.config.overlap_px)
            found = BlendWeights(grid, self.device)
        self._weights[size_hw] = found
        if len(self._weights) > _SIZES_KEPT:
            del self._weights[next(iter(self._weights))]
        return found

    def _refine(
        self,
        image_13HW: Tensor,
        coarse: CoarseOutput,
        maps: ImageMaps,
        grid: TileGrid,
        batches: Iterable[Sequence[Tile]],
    ) -> int:
        """Refine tile by tile into the maps; gives the number of refined tiles."""
        count = 0
        for batch in batches:
            for done, answer in self._batches.run(
                batch, lambda part: self._refine_tiles(image_13HW, coarse, part, grid)
            ):
                for k, tile in enumerate(done):
                    maps.blend(tile, answer.log_depth_B1HW[k, 0], answer.log_scale_B1hw[k, 0])
            count += len(batch)
        return count

    def _refine_tiles(
        self, image_13HW: Tensor, coarse: CoarseOutput, tiles: Sequence[Tile], grid: TileGrid
    ) -> RefinedTile:
        image_hw = (image_13HW.shape[-2], image_13HW.shape[-1])
        h, w = grid.y.tile, grid.x.tile
        boxes_N4 = torch.tensor([[t.x, t.y, w, h] for t in tiles], dtype=torch.float32, device=self.device)
        cells = (h // DEPTH_STRIDE, w // DEPTH_STRIDE)
        log_depth_N1hw = crop_aligned(coarse.log_depth_B1hw.float(), boxes_N4, image_hw, cells)
        log_scale_N1hw = crop_aligned(coarse.log_scale_B1hw.float(), boxes_N4, image_hw, cells)
        features_NChw = crop_aligned(
            coarse.features_BChw, boxes_N4, image_hw, (h // FEATURE_STRIDE, w // FEATURE_STRIDE)
        )
        rgb_N3hw = tile_images(image_13HW, tiles, (h, w))
        with self._autocast():
            return self._refine_batch(rgb_N3hw, log_depth_N1hw, features_NChw, log_scale_N1hw)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _metres(self, log_depth_HW: Tensor) -> NDArray[np.float32]:
        depth_m_HW = torch.exp(log_depth_HW)
        limit_m = min(self.config.max_depth_m, torch.finfo(torch.float32).max)
        depth_m_HW.masked_fill_(depth_m_HW > limit_m, torch.nan)
        return depth_m_HW.cpu().numpy()


def _confidence(log_scale_HW: Tensor) -> NDArray[np.float32]:
    confidence: NDArray[np.float32] = torch.exp(-torch.exp(log_scale_HW)).cpu().numpy()
    return confidence
