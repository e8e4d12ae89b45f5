"""Procedural scenes with exact metric depth, rendered in plain torch at any resolution.

`render` makes one frame from a seed, `drive` a short sequence along a street. Depth is the distance along z in the
optical frame (REP-103/118), infinite for sky, and exact: it is the ray caster's, not sampled from the blurred picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from prv2_ros.data import avenues, busy, close, desks, halls, indoor, offroad, outdoor
from prv2_ros.data.builder import SceneBuilder
from prv2_ros.data.frames import NEAREST_M
from prv2_ros.data.occlusion import Surroundings
from prv2_ros.data.raycast import Hits, Pinhole, Primitives, cast
from prv2_ros.data.scene import Pose, Scene
from prv2_ros.data.sensor import SensorEffects, expose
from prv2_ros.data.shading import shade
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel

KINDS: dict[str, tuple[Callable[[SceneBuilder], Scene], float]] = {
    "room": (indoor.room, 0.22),
    "plain": (indoor.plain, 0.07),
    "tabletop": (indoor.tabletop, 0.12),
    "corridor": (indoor.corridor, 0.05),
    "garage": (halls.garage, 0.13),
    "warehouse": (halls.warehouse, 0.06),
    "street": (outdoor.street, 0.16),
    "road": (outdoor.road, 0.08),
    "yard": (outdoor.yard, 0.07),
    "offroad": (offroad.offroad, 0.04),
    "driving": (outdoor.driving, 0.0),
    "close": (close.close, 0.0),
    "avenue": (avenues.avenue, 0.0),
    "desk": (desks.desk, 0.0),
    "busy": (lambda b: busy.busier(b, _of_mixture(b), "busy"), 0.0),
}
"""Composition and share of each kind of scene; what has no share is made when asked for by name only."""

_LONG_LENS = {"garage": 0.6, "tabletop": 0.45, "room": 0.25, "close": 0.3, "avenue": 0.25, "desk": 0.05, "busy": 0.25}
"""Share of frames of a kind that a lens of 30 to 50 degrees sees."""

_WIDE_LENS = {"desk": (52, 95)}
"""Fields of view (degrees) of a kind's other lenses, where they are not 45 to 110."""

_BENT_SHARE, _LARGEST_K1 = 0.3, 0.01
"""Share of lenses whose rectification left some radial distortion, and the most of it: 1% of r, 45 degrees off axis."""

_MOST_TRIES = 20
_DRIVE_STEP_M = 0.8
_PROBE_WH = (64, 40)
_FEWEST_THINGS = 6
_LARGEST_SHARE = 0.85
_LEAST_RELIEF = 1.35
"""A composition is drawn again while a coarse look at it finds fewer surfaces, one larger than this share of the
picture, or a far end (95% of the pixels) nearer than this multiple of the near end (5%): no camera of use looks so."""

_BARE = {"close": 3}
"""Kinds that are of that sort on purpose, and how many surfaces even they must show."""


@dataclass(frozen=True, kw_only=True)
class SyntheticFrame:
    """One rendered picture and what is true of it."""

    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""

    depth_m: NDArray[np.float32]
    """(H, W) along z in metres; inf for sky."""

    camera: CameraModel
    """The ideal camera, as a calibration gives it, and that of every ray of a `drive`.

    Three pictures of `render` in ten are seen through a slightly bent lens (`Scene.lens_k1`), image and depth alike:
    the true ray of a pixel has 1 + k1 r^2 times the slope r that this camera gives it, and hits f |k1| r^3 px away. In
    the corners of 640x480 px that is 1.5 px for half of those lenses, and 12.7 px for the worst one of 110 degrees.
    """

    kind: str


def scene_of(seed: int, kind: str | None = None) -> tuple[Scene, float]:
    """Compose the scene of a seed and draw its camera's horizontal field of view (degrees, 30 to 110)."""
    rng = np.random.default_rng(seed)
    kind = _drawn_kind(rng) if kind is None else kind
    if kind not in KINDS:
        raise InputError(f"scene kind {kind!r}: expected one of {', '.join(KINDS)}")
    long_lens = rng.uniform() < _LONG_LENS.get(kind, 0.12)
    fov_deg = float(rng.uniform(30, 50) if long_lens else rng.uniform(*_WIDE_LENS.get(kind, (45, 110))))
    for _ in range(_MOST_TRIES):
        scene = KINDS[kind][0](SceneBuilder(rng))
        if _shows_something(scene, fov_deg):
            break
    if rng.uniform() < _BENT_SHARE:
        scene = replace(scene, lens_k1=float(rng.uniform(-_LARGEST_K1, _LARGEST_K1)))
    return scene, fov_deg


def _drawn_kind(rng: np.random.Generator) -> str:
    """One of the mixture."""
    names = [name for name, (_, share) in KINDS.items() if share]
    shares = np.array([KINDS[name][1] for name in names])
    return str(rng.choice(names, p=shares / shares.sum()))


def _of_mixture(b: SceneBuilder) -> Scene:
    """Compose a scene of a kind of the mixture."""
    return KINDS[_drawn_kind(b.rng)][0](b)


def _shows_something(scene: Scene, fov_deg: float) -> bool:
    """Tell a picture from a blank wall: several things in it, none of them most of it, and some depth.

    Nor may it show what is too near for the depth's code, which would be stored as farther than it is.
    """
    camera = CameraModel.from_fov(*_PROBE_WH, fov_deg)
    hits = view(scene, _pinhole(camera))
    if float(hits.depth_HW.min()) < NEAREST_M:
        return False
    seen = hits.index_HW[hits.index_HW >= 0].bincount()
    depth = hits.depth_HW.clamp(max=100.0).flatten()
    low, high = torch.quantile(depth, torch.tensor([0.05, 0.95])).tolist()
    things = int((seen >= 5).sum())
    if scene.kind in _BARE:
        return things >= _BARE[scene.kind]
    large_enough = things >= _FEWEST_THINGS
    return large_enough and int(seen.max()) < _LARGEST_SHARE * depth.numel() and high > _LEAST_RELIEF * low


def render(
    seed: int,
    width: int,
    height: int,
    *,
    device: str | torch.device = "cpu",
    kind: str | None = None,
    f_px: float | None = None,
) -> SyntheticFrame:
    """Render the scene of `seed`; the same arguments give the same frame on the same device.

    Args:
        seed: decides scene, pose, lens and sensor.
        width: image width (px).
        height: image height (px).
        device: where to render.
        kind: one of `KINDS`; drawn from the seed by default.
        f_px: focal length (px) instead of the seed's own: the same scene from the same place through another lens.

    """
    _check_size(width, height)
    scene, fov_deg = scene_of(seed, kind)
    camera = CameraModel.from_fov(width, height, fov_deg)
    if f_px is not None:
        camera = replace(camera, fx=float(f_px), fy=float(f_px))
    rng = np.random.default_rng([seed, 1])
    # Blur is a matter of the sensor's pixels: small frames stand for large ones seen from afar.
    effects = SensorEffects.random(rng, scale=min(1.0, width / 960))
    image, depth_m = picture(scene, camera, effects, rng, device=device)
    return SyntheticFrame(image=image, depth_m=depth_m, camera=camera, kind=scene.kind)


def picture(
    scene: Scene,
    camera: CameraModel,
    effects: SensorEffects,
    rng: np.random.Generator,
    *,
    device: str | torch.device = "cpu",
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Render one view: image (H, W, 3) uint8 and depth (H, W) metres."""
    linear, depth_m = trace(scene, camera, device=device)
    return expose(linear, effects, rng), depth_m


def trace(
    scene: Scene, camera: CameraModel, *, device: str | torch.device = "cpu", whole: Surroundings | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Render one view before the sensor: linear radiance (H, W, 3) and depth (H, W) metres.

    Args:
        scene: what is seen.
        camera: what sees it.
        device: where to render.
        whole: `surroundings` of the picture that the view is a part of, where it is a part.

    """
    place = torch.device(device)
    pinhole = _pinhole(camera)
    materials = {name: value.to(place) for name, value in scene.materials.items()}
    scene = replace(scene, primitives=_on(scene.primitives, place), materials=materials)
    with torch.inference_mode():
        hits = view(scene, pinhole)
        linear = shade(scene, hits, replace(pinhole, k1=scene.lens_k1), whole)
    return linear.float().cpu().numpy(), hits.depth_HW.cpu().numpy()


def surroundings(
    depth_m: NDArray[np.float32], camera: CameraModel, *, device: str | torch.device = "cpu"
) -> Surroundings:
    """What `trace` needs to know of a whole picture (H, W), at any resolution, to render a part of it alike."""
    return Surroundings.of(torch.from_numpy(depth_m).to(device), _pinhole(camera))


def _pinhole(camera: CameraModel) -> Pinhole:
    return Pinhole(width=camera.width, height=camera.height, fx=camera.fx, fy=camera.fy, cx=camera.cx, cy=camera.cy)


def view(scene: Scene, camera: Pinhole) -> Hits:
    """Cast the rays of the scene's pose."""
    device = scene.primitives.centre.device
    rotation = torch.from_numpy(scene.pose.rotation()).float().to(device)
    origin = torch.tensor(scene.pose.position, device=device, dtype=torch.float32)
    return cast(scene.primitives.moved(rotation, origin), replace(camera, k1=scene.lens_k1))


def drive(
    seed: int, count: int, width: int, height: int, *, device: str | torch.device = "cpu"
) -> Iterator[SyntheticFrame]:
    """Yield `count` frames at 10 Hz from a car that goes down a street at about 8 m/s, seen by an ideal camera."""
    _check_size(width, height)
    # Drives become bags, and geometry is checked against bags: their rays have to be those of camera_info.
    scene = replace(scene_of(seed, "street")[0], lens_k1=0.0)
    rng = np.random.default_rng([seed, 2])
    effects = replace(SensorEffects.random(rng), motion_px=0.0)
    camera = CameraModel.from_fov(width, height, float(rng.uniform(60, 85)))
    x = _free_lane(scene, 0.35 * scene.pose.position[0], _DRIVE_STEP_M * count)
    for k in range(count):
        pose = Pose(
            position=(x, _DRIVE_STEP_M * k, 1.5 + 0.01 * math.sin(1.7 * k)),
            yaw_deg=0.6 * math.sin(0.3 * k),
            pitch_deg=-1.0 + 0.2 * math.sin(0.9 * k),
            roll_deg=0.2 * math.sin(0.5 * k),
        )
        image, depth_m = picture(scene.at(pose), camera, effects, rng, device=device)
        yield SyntheticFrame(image=image, depth_m=depth_m, camera=camera, kind="street")


def _free_lane(scene: Scene, x: float, length_m: float) -> float:
    """Give the place across the street (m), near `x`, from which nothing stands in the way for `length_m`."""
    camera = CameraModel.from_fov(16, 6, 24.0)
    free_m: dict[float, float] = {}
    for offset in sorted(np.arange(-6.0, 6.1, 0.8), key=abs):
        place = x + float(offset)
        hits = view(scene.at(Pose(position=(place, 0.0, 1.1))), _pinhole(camera))
        free_m[place] = float(hits.depth_HW[:4].min())
        if free_m[place] > length_m + 4.0:
            break
    return max(free_m, key=lambda place: free_m[place])


def _on(primitives: Primitives, device: torch.device) -> Primitives:
    return Primitives(
        shape=primitives.shape.to(device),
        linear=primitives.linear.to(device),
        centre=primitives.centre.to(device),
    )


def _check_size(width: int, height: int) -> None:
    if width < 16 or height < 16:
        raise InputError(f"frame size {width}x{height} px: both sides must be at least 16 px")
