"""The engine: one image and its camera in, metric depth out.

A coarse network sees the whole image at a small size; a refiner then sees the image's own pixels, tile by tile,
with the coarse depth and features that lie under each tile. Tiles are blended in log depth.

Shapes: N tiles, H and W image pixels, h and w of the coarse network's maps.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from prv2_ros.errors import DeviceError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.geometry.tiles import Tile, TileGrid, tile_grid
from prv2_ros.inference.clock import StageClock
from prv2_ros.inference.config import EngineConfig
from prv2_ros.inference.device import choose_device, choose_precision
from prv2_ros.inference.preprocess import check_camera, check_image, image_tensor, tile_images
from prv2_ros.network.align import crop_aligned, network_focal, prepare_network_image, upsample_to
from prv2_ros.network.checkpoint import load_model
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.model import DepthModel
from prv2_ros.network.refiner_realtime import FEATURE_STRIDE
from prv2_ros.types import DepthResult

_logger = logging.getLogger(__name__)


class DepthEngine:
    """Metric depth from single images on one device. Not for use from several threads at once.

    The same image gives the same depth on the same machine, whatever was inferred before, except that the last
    digits may change when a GPU has run out of memory and smaller batches are used from then on.
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
        self._model = model.eval().requires_grad_(False).to(self.device).to(memory_format=torch.channels_last)
        self._tile_batch = self.config.tile_batch or (1 if self.device.type == "cpu" else 4)

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
            model: name of a packaged model, or the path of the .yaml of one.
            device: `auto` (CUDA where it works, else the CPU), `cpu`, `cuda` or `cuda:N`.
            precision: `auto`, `float32`, `bfloat16` or `float16`; see `device.choose_precision`.
            config: tiling and range of depth.

        Raises:
            WeightsError: weights that are missing, altered or made for another network.
            DeviceError: a device or precision that cannot be used.

        """
        return cls(load_model(model), model_name=model, device=device, precision=precision, config=config)

    def infer(self, image_rgb: NDArray[np.uint8], camera: CameraModel | None = None) -> DepthResult:
        """Estimate the depth along z of every pixel, in the camera's optical frame.

        Args:
            image_rgb: (H, W, 3) uint8 RGB, 64 px a side at least, odd sizes included; not modified.
            camera: the camera at this size. Its focal length sets the scale of the depth; distortion is
                left as it is, as depth is given pixel by pixel. Without a camera the horizontal field
                of view `config.assumed_fov_deg` is assumed, and the scale is only as good as that.

        Returns:
            Depth at the image's own resolution. NaN where it is not finite or beyond `config.max_depth_m`.

        Raises:
            InputError: an image or camera that cannot be used.
            DeviceError: a GPU without the memory for even one tile.

        """
        clock = StageClock(self.device)
        height, width = check_image(image_rgb)
        camera = check_camera(camera, height, width, self.config.assumed_fov_deg)
        with torch.inference_mode():
            image_13HW = image_tensor(image_rgb, self.device)
            size_hw = self._model.network_size(width, height)
            network_13hw = prepare_network_image(image_13HW, size_hw).contiguous(memory_format=torch.channels_last)
            f_px = network_focal(camera.fx, camera.fy, (height, width), size_hw)
            clock.lap("preprocess")
            coarse = self._coarse(network_13hw, f_px)
            clock.lap("coarse")
            log_depth_HW = self._refine(image_13HW, coarse)
            clock.lap("refine")
            coarse_m_HW = upsample_to(coarse.log_depth_B1hw.float(), (height, width))[0, 0]
            result = self._metres(log_depth_HW), self._metres(coarse_m_HW)
            clock.lap("postprocess")
        return DepthResult(depth_m=result[0], coarse_depth_m=result[1], timings_ms=clock.timings_ms())

    def _coarse(self, network_13hw: Tensor, f_px: float) -> CoarseOutput:
        focal_B = torch.tensor([f_px], dtype=torch.float32, device=self.device)
        with self._autocast():
            return self._model.predict_coarse(network_13hw, focal_B)

    def _refine(self, image_13HW: Tensor, coarse: CoarseOutput) -> Tensor:
        """Refine tile by tile and blend: (H, W) float32 log depth."""
        height, width = image_13HW.shape[-2:]
        grid = tile_grid(height, width, max_tile=self.config.max_tile_px, overlap=self.config.overlap_px)
        blended_HW = torch.zeros((height, width), dtype=torch.float32, device=self.device)
        tiles = list(grid)
        while tiles:
            batch = tiles[: self._tile_batch]
            try:
                log_N1hw = self._refine_tiles(image_13HW, coarse, batch, grid)
            except torch.cuda.OutOfMemoryError as error:
                if len(batch) == 1:
                    raise DeviceError(
                        f"GPU memory ran out with a single tile of {grid.x.tile}x{grid.y.tile} px: lower max_tile_px "
                        "or use device cpu"
                    ) from error
                self._tile_batch = len(batch) // 2
                _logger.warning(
                    "GPU memory ran out with %d tiles at once: using %d from now on", len(batch), self._tile_batch
                )
                torch.cuda.empty_cache()
                continue
            for log_1hw, tile in zip(log_N1hw, batch, strict=True):
                _blend(blended_HW, log_1hw[0], tile, grid)
            tiles = tiles[len(batch) :]
        return blended_HW

    def _refine_tiles(self, image_13HW: Tensor, coarse: CoarseOutput, tiles: Sequence[Tile], grid: TileGrid) -> Tensor:
        image_hw = (image_13HW.shape[-2], image_13HW.shape[-1])
        size_hw = (grid.y.tile, grid.x.tile)
        boxes_N4 = torch.tensor([[t.x, t.y, size_hw[1], size_hw[0]] for t in tiles], dtype=torch.float32)
        feature_hw = (size_hw[0] // FEATURE_STRIDE, size_hw[1] // FEATURE_STRIDE)
        log_coarse_N1hw = crop_aligned(coarse.log_depth_B1hw.float(), boxes_N4, image_hw, size_hw)
        features_NChw = crop_aligned(coarse.features_BChw, boxes_N4, image_hw, feature_hw)
        rgb_N3hw = tile_images(image_13HW, tiles, size_hw)
        with self._autocast():
            return self._model.refine(rgb_N3hw, log_coarse_N1hw, features_NChw).float()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _metres(self, log_depth_HW: Tensor) -> NDArray[np.float32]:
        depth_m_HW = torch.exp(log_depth_HW)
        limit_m = min(self.config.max_depth_m, torch.finfo(torch.float32).max)
        depth_m_HW.masked_fill_(~(depth_m_HW <= limit_m), torch.nan)  # a NaN fails the comparison, too
        return depth_m_HW.cpu().numpy()


def _blend(blended_HW: Tensor, log_hw: Tensor, tile: Tile, grid: TileGrid) -> None:
    """Add a tile's weighted log depth to the image, over the stretch where its weight is above zero."""
    (top, bottom), (left, right) = grid.y.used(tile.row), grid.x.used(tile.column)
    inner = log_hw[top - tile.y : bottom - tile.y, left - tile.x : right - tile.x]
    rows = torch.from_numpy(grid.y.weights[tile.row][top - tile.y : bottom - tile.y]).to(log_hw.device)
    columns = torch.from_numpy(grid.x.weights[tile.column][left - tile.x : right - tile.x]).to(log_hw.device)
    blended_HW[top:bottom, left:right].addcmul_(inner * rows[:, None], columns[None, :])
