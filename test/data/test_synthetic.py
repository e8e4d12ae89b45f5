from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from prv2_ros.data import raycast, shading, synthetic
from prv2_ros.data.builder import SceneBuilder
from prv2_ros.data.frames import NEAREST_M
from prv2_ros.data.raycast import Pinhole
from prv2_ros.data.scene import Material, Pose, Scene
from prv2_ros.data.shading import no_shadow_lighting
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel


@pytest.mark.parametrize("kind", list(synthetic.KINDS))
def test_every_kind_renders_a_plausible_frame(kind: str) -> None:
    frame = synthetic.render(11, 96, 64, kind=kind)
    assert frame.image.shape == (64, 96, 3)
    assert frame.image.dtype == np.uint8
    assert frame.depth_m.shape == (64, 96)
    assert frame.depth_m.dtype == np.float32
    assert frame.kind == kind
    solid = frame.depth_m[np.isfinite(frame.depth_m)]
    assert solid.size > 0.2 * frame.depth_m.size
    assert solid.min() > 0.02
    assert frame.image.std() > 5, "a picture without content"
    fov = 2 * math.degrees(math.atan(frame.camera.width / 2 / frame.camera.fx))
    assert 30 <= fov <= 110


def test_the_seed_decides_everything() -> None:
    a, b, c = (synthetic.render(seed, 64, 48) for seed in (5, 5, 6))
    np.testing.assert_array_equal(a.image, b.image)
    np.testing.assert_array_equal(a.depth_m, b.depth_m)
    assert a.camera == b.camera
    assert not np.array_equal(a.depth_m, c.depth_m)


def test_depth_of_a_floor_is_exact() -> None:
    """A level camera 1.5 m above a floor sees it at depth 1.5 * f / (v - cy) in row v."""
    b = SceneBuilder(np.random.default_rng(0))
    b.box((0, 0, -0.5), (200, 200, 1.0), b.material())
    scene = b.build("test", no_shadow_lighting(), Pose(position=(0, 0, 1.5)))
    camera = Pinhole(width=40, height=30, fx=25.0, fy=25.0, cx=19.5, cy=14.5)
    depth = synthetic.view(scene, camera).depth_HW.numpy()
    assert np.isinf(depth[:15]).all()
    rows = np.arange(16, 30)
    np.testing.assert_allclose(depth[16:], np.repeat(1.5 * 25 / (rows - 14.5)[:, None], 40, 1), rtol=1e-5)


def test_depth_is_along_z_not_along_the_ray() -> None:
    b = SceneBuilder(np.random.default_rng(0))
    b.box((0, 5.5, 0), (100, 1, 100), b.material())
    scene = b.build("test", no_shadow_lighting(), Pose(position=(0, 0, 0)))
    depth = synthetic.view(scene, Pinhole(width=32, height=32, fx=16.0, fy=16.0, cx=15.5, cy=15.5)).depth_HW
    torch.testing.assert_close(depth, torch.full((32, 32), 5.0), rtol=1e-5, atol=0)


def test_another_lens_sees_the_same_scene_from_the_same_place() -> None:
    wide = synthetic.render(21, 97, 65, kind="room", f_px=60)
    tele = synthetic.render(21, 97, 65, kind="room", f_px=120)
    assert wide.camera.fx == 60
    assert tele.camera.fx == 120
    np.testing.assert_allclose(wide.depth_m[32, 48], tele.depth_m[32, 48], rtol=1e-4)
    np.testing.assert_allclose(wide.depth_m[32 + 10, 48 + 10], tele.depth_m[32 + 20, 48 + 20], rtol=1e-3)


def test_a_view_of_nothing_but_sky_can_be_rendered() -> None:
    scene, _ = synthetic.scene_of(3, "road")
    up = scene.at(Pose(position=(0.0, 0.0, 60.0), pitch_deg=80.0))
    linear, depth_m = synthetic.trace(up, CameraModel.from_fov(48, 32, 20))
    assert np.isinf(depth_m).all()
    assert np.isfinite(linear).all()
    assert linear.std() > 0


def test_drive_moves_forward_through_one_scene() -> None:
    frames = list(synthetic.drive(3, 3, 96, 64))
    assert [f.kind for f in frames] == ["street"] * 3
    assert frames[0].camera == frames[2].camera
    assert not np.array_equal(frames[0].depth_m, frames[1].depth_m)
    again = list(synthetic.drive(3, 2, 96, 64))
    np.testing.assert_array_equal(frames[1].image, again[1].image)


@pytest.mark.parametrize("seed", [3, 6])
def test_drive_passes_through_nothing(seed: int) -> None:
    """The way is free: what is straight ahead at the start is there beyond the end."""
    for frame in synthetic.drive(seed, 12, 64, 48):
        assert frame.depth_m.min() > 0.4
        assert np.median(frame.depth_m[20:24, 28:36]) > 2.5


def test_a_drives_depth_is_that_of_its_cameras_rays() -> None:
    """The road is as flat as it is only along the rays of camera_info: the lens that the seed draws is left out."""
    seed = 158
    assert synthetic.scene_of(seed, "street")[0].lens_k1 < -0.009
    frame = next(synthetic.drive(seed, 1, 160, 120))
    up = Pose(position=(0, 0, 1.5), pitch_deg=-1.0).rotation()[:, 2]  # of the first frame
    x, y = np.moveaxis(frame.camera.rays()[80:].astype(np.float64), -1, 0)
    height_m = 1.5 + frame.depth_m[80:] * (x * up[0] + y * up[1] + up[2])
    road = np.abs(height_m - np.median(height_m)) < 1e-3
    assert road.mean() > 0.9, "a fifth of it, were the rays bent"


WALL_M = 4.0
BOX_M = (np.array([2.9, 1.9, 3.0]), np.array([4.0, 2.8, 3.5]))
"""Two opposite corners of a box (m, optical frame), far off the axis, where a lens bends most."""

LAMP_M = (-4.6, -3.0)
"""Where across the axis (m, optical frame) a lamp hangs, close to the wall."""


def wall_and_box(lens_k1: float) -> Scene:
    """A grey wall with a lamp's spot of light, and before it a box that shines red."""
    grey, red, none = (0.2, 0.2, 0.2), (1.0, 0.0, 0.0), (0.0, 0.0, 0.0)
    b = SceneBuilder(np.random.default_rng(0))
    b.box((0, WALL_M + 0.5, 0), (100, 1, 100), Material(texture=0, dark=grey, light=grey))
    (left, top, near), (right, bottom, far) = BOX_M
    middle, size = ((left + right) / 2, (near + far) / 2, -(top + bottom) / 2), (right - left, far - near, bottom - top)
    b.box(middle, size, Material(texture=0, dark=red, light=red, emission=1.0))
    lighting = replace(
        no_shadow_lighting(), sky_rgb=none, ground_rgb=none, lamps=((LAMP_M[0], WALL_M - 0.3, -LAMP_M[1], 1.0),)
    )
    return replace(b.build("test", lighting, Pose(position=(0, 0, 0))), lens_k1=lens_k1)


def meets_box(rays: np.ndarray) -> np.ndarray:
    """Which of the rays (..., 3) with z = 1 run through the box, by the intervals of depth within its three slabs."""
    bounds = np.stack([corner / rays for corner in BOX_M])
    return bounds.min(0).max(-1) < bounds.max(0).min(-1)


def off_px(mask: np.ndarray, other: np.ndarray) -> int:
    """By how many pixels at most two masks differ."""
    window = np.ones((3, 3), np.uint8)
    for px in range(20):
        a, b = (cv2.dilate(m.astype(np.uint8), window, iterations=px) if px else m for m in (mask, other))
        if not (mask & (b == 0)).any() and not (other & (a == 0)).any():
            return px
    return 20


@pytest.mark.parametrize("lens_k1", [0.0, 0.01, -0.01])
def test_picture_and_depth_are_seen_through_one_lens(lens_k1: float) -> None:
    """What the picture shows, light on a surface, depth and the formula of the lens agree to a pixel."""
    camera = CameraModel.from_fov(320, 240, 110)
    linear, depth_m = synthetic.trace(wall_and_box(lens_k1), camera)
    ideal = np.concatenate([camera.rays().astype(np.float64), np.ones((240, 320, 1))], -1)
    r2 = (ideal[..., :2] ** 2).sum(-1, keepdims=True)
    rays = ideal * np.concatenate([np.broadcast_to(1 + lens_k1 * r2, (240, 320, 2)), np.ones((240, 320, 1))], -1)
    near, red = depth_m < WALL_M - 0.01, linear[..., 0] - linear[..., 2] > 0.2
    assert off_px(red, near) <= 1
    assert off_px(near, meets_box(rays)) <= 1
    # The spot is brightest beside the lamp.
    brightest = np.unravel_index(np.argmax(linear[..., 2]), (240, 320))
    np.testing.assert_allclose(rays[brightest][:2] * WALL_M, LAMP_M, atol=1.5 * WALL_M / camera.fx)
    if lens_k1:
        assert off_px(meets_box(ideal), meets_box(rays)) >= 3, "a lens that the test could not tell from a straight one"


def test_a_bent_lens_is_rare_and_slight() -> None:
    bends = [synthetic.scene_of(seed, "plain")[0].lens_k1 for seed in range(12)]
    assert 0 < np.count_nonzero(bends) < 9
    assert np.abs(bends).max() <= 0.01


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(InputError, match=r"'submarine'.*room"):
        synthetic.render(0, 64, 64, kind="submarine")
    with pytest.raises(InputError, match="8x64 px"):
        synthetic.render(0, 8, 64)


def test_every_scene_shows_several_things_at_several_depths() -> None:
    """Blank walls teach nothing; about one composition in six was one before they were drawn again."""
    for seed in range(700, 712):
        frame = synthetic.render(seed, 96, 64)
        low, high = np.quantile(np.minimum(frame.depth_m, 100.0), [0.05, 0.95])
        assert high > 1.3 * low, f"seed {seed} ({frame.kind}) is flat: {low:.2f} to {high:.2f} m"


def test_a_picture_does_not_depend_on_how_much_is_rendered_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    small = synthetic.render(5, 160, 96)
    monkeypatch.setattr(raycast, "_PAIRS_AT_ONCE", raycast._PAIRS_AT_ONCE_GPU)
    monkeypatch.setattr(shading, "_PIXELS_AT_ONCE", 1000)
    large = synthetic.render(5, 160, 96)
    np.testing.assert_array_equal(small.depth_m, large.depth_m)
    assert np.abs(small.image.astype(int) - large.image).max() <= 2


def test_nothing_is_nearer_than_the_depths_code_reaches() -> None:
    nearest = [float(synthetic.render(seed, 64, 40, kind="close").depth_m.min()) for seed in range(60)]
    assert min(nearest) >= NEAREST_M
