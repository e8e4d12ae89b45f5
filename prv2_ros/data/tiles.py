"""Scenes as the refiner meets them: an overview at network size and native-resolution tiles of the same picture."""

from __future__ import annotations

import glob
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from prv2_ros.data.frames import Frame, read_frame, write_frame
from prv2_ros.data.raycast import Pinhole
from prv2_ros.data.scene import Scene
from prv2_ros.data.sensor import SensorEffects, expose, meter, veil
from prv2_ros.data.synthetic import scene_of, surroundings, trace, view
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel

OVERVIEWS = ((512, 288), (480, 320), (448, 320))
"""Width and height of the overviews, by seed: those of the coarse network's input."""

TILE_PX = 256

SCALES = (1.0, 1.25, 1.75, 2.5, 3.75, 7.5)
"""Native size over the overview's, drawn alike: from small cameras, whose picture the coarse network sees as it is, to
3840x2160."""


@dataclass(frozen=True, kw_only=True)
class TileScene:
    """Overview and tiles of one picture; where a tile lies follows from the two cameras."""

    overview: Frame
    tiles: tuple[Frame, ...]

    def native_hw(self) -> tuple[int, int]:
        """Height and width (px) of the whole picture at the tiles' resolution."""
        tile, overview = self.tiles[0].camera, self.overview.camera
        return round(overview.height * tile.fy / overview.fy), round(overview.width * tile.fx / overview.fx)

    def boxes_xywh(self) -> list[list[float]]:
        """Box of each tile in native pixels (edges)."""
        height, width = self.native_hw()
        whole = self.overview.camera.resized(width, height)
        return [
            [whole.cx - tile.camera.cx, whole.cy - tile.camera.cy, tile.camera.width, tile.camera.height]
            for tile in self.tiles
        ]


def render(
    seed: int,
    count: int = 3,
    *,
    scale: float | None = None,
    anywhere: bool = False,
    kind: str | None = None,
    device: str = "cpu",
) -> TileScene:
    """Render the overview of a seed and `count` tiles of `TILE_PX`.

    Args:
        seed: of the scene.
        count: number of tiles.
        scale: native size over the overview's, 1 at least; None draws one of `SCALES`.
        anywhere: whether tiles lie just anywhere, as what is measured on them needs it, or where depth has the most
            edges, of which a refiner learns most.
        kind: one of `synthetic.KINDS`; drawn from the seed by default.
        device: where to render.

    """
    scene, fov_deg = scene_of(seed, kind)
    rng = np.random.default_rng([seed, 3])
    effects = SensorEffects.random(rng)
    width, height = OVERVIEWS[seed % len(OVERVIEWS)]
    camera = CameraModel.from_fov(width, height, fov_deg)
    drawn = float(rng.choice(SCALES))
    scale = drawn if scale is None else scale
    shrunk = _shrunk(effects, scale)
    linear, depth_m = trace(scene, camera, device=device)
    around = surroundings(depth_m, camera, device=device)
    metered = meter(linear, shrunk)
    glare = veil(linear, shrunk, metered) if effects.glare > 0 else None
    image = expose(linear, shrunk, rng, metered)
    overview = Frame(name=f"{seed:08d}", image=image, depth_m=depth_m, camera=camera, kind=scene.kind)
    whole = camera.resized(round(width * scale), round(height * scale))
    tiles = []
    for k in range(count):
        x, y = _random_corner(whole, rng) if anywhere else _busy_corner(scene, whole, rng)
        cut = whole.cropped(x, y, TILE_PX, TILE_PX)
        linear, depth_m = trace(scene, cut, device=device, whole=around)
        # The overview's exposure and glare: a tile is a part of that picture, as bright as it happens to be there.
        here = None if glare is None else _under(glare, (x, y), scale)
        image = expose(linear, replace(effects, vignette=0.0), rng, metered, here)
        tiles.append(Frame(name=f"{seed:08d}-{k}", image=image, depth_m=depth_m, camera=cut, kind=scene.kind))
    return TileScene(overview=overview, tiles=tuple(tiles))


def _shrunk(effects: SensorEffects, scale: float) -> SensorEffects:
    """Effects of a picture that is shrunk by `scale`: blur and noise are averaged away, and the shrinking blurs."""
    shrinking_px = 0.45 if scale > 1 else 0.0
    return replace(
        effects,
        blur_sigma_px=math.hypot(effects.blur_sigma_px / scale, shrinking_px),
        motion_px=effects.motion_px / scale,
        noise=effects.noise / scale,
        vignette=0.0,
    )


def _under(map_hw3: NDArray[np.float32], corner_xy: tuple[int, int], scale: float) -> NDArray[np.float32]:
    """The part of an overview's map under a tile, at the tile's resolution."""
    # Pixel u of the tile has its centre at (corner + u + 0.5) / scale of the overview, 0.5 less as an index.
    start = [(at + 0.5) / scale - 0.5 for at in corner_xy]
    matrix = np.array([[1 / scale, 0, start[0]], [0, 1 / scale, start[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    part = cv2.warpAffine(map_hw3, matrix, (TILE_PX, TILE_PX), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(part, np.float32)


def _random_corner(whole: CameraModel, rng: np.random.Generator) -> tuple[int, int]:
    """Top left pixel of a tile anywhere in the picture."""
    x = int(rng.integers(0, whole.width - TILE_PX + 1))
    y = int(rng.integers(0, whole.height - TILE_PX + 1))
    return x, y


def _busy_corner(scene: Scene, whole: CameraModel, rng: np.random.Generator) -> tuple[int, int]:
    """Top left pixel of the one of four random tiles with the most depth edges, judged on a few rays."""
    best, corner = -1.0, (0, 0)
    for _ in range(4):
        x, y = _random_corner(whole, rng)
        small = whole.cropped(x, y, TILE_PX, TILE_PX).resized(32, 32)
        pinhole = Pinhole(width=32, height=32, fx=small.fx, fy=small.fy, cx=small.cx, cy=small.cy)
        with torch.inference_mode():
            depth = view(scene, pinhole).depth_HW.clamp(max=1000.0).log()
        steps = (depth.diff(dim=0).abs() > 0.1).sum() + (depth.diff(dim=1).abs() > 0.1).sum()
        if float(steps) > best:
            best, corner = float(steps), (x, y)
    return corner


def write_tile_scene(folder: Path, scene: TileScene) -> None:
    """Write the tiles, then the overview, whose JSON marks the scene as whole."""
    for tile in scene.tiles:
        write_frame(folder, tile)
    write_frame(folder, scene.overview)


def read_tile_scene(path: Path, tiles: Sequence[Path] | None = None) -> TileScene:
    """Read the scene whose overview's JSON this is.

    Args:
        path: JSON file of the overview.
        tiles: JSON files of its tiles, as `list_scenes` has them; None looks for them among all files of the folder,
            which takes the longer the more there are.

    Raises:
        InputError: it has no tiles, or a file cannot be read.

    """
    if tiles is None:
        tiles = sorted(path.parent.glob(f"{glob.escape(path.stem)}-*.json"))
    if not tiles:
        raise InputError(f"scene {path.stem} in {path.parent} has no tiles: write it with `prv2 synth --tiles`")
    return TileScene(overview=read_frame(path), tiles=tuple(read_frame(tile) for tile in tiles))
