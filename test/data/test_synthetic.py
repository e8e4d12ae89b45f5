from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from prv2_ros.data import raycast, shading, synthetic
from prv2_ros.data.builder import SceneBuilder
from prv2_ros.data.raycast import Pinhole
from prv2_ros.data.scene import Pose
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
