from __future__ import annotations

import numpy as np
import pytest

from prv2_ros.data.frames import Frame
from prv2_ros.data.rectify import rectify, remap_depth
from prv2_ros.geometry.camera import CameraModel

SIZE = {"width": 96, "height": 64, "fx": 60.0, "fy": 62.0, "cx": 46.0, "cy": 33.0}
LENSES = [
    CameraModel(**SIZE, distortion=(-0.25, 0.08, 0.002, -0.003)),
    CameraModel(**SIZE, distortion=(0.1, 0.02, 0.0, 0.0, 0.01)),
    CameraModel(**SIZE, distortion=(0.03, -0.01, 0.002, -0.001), fisheye=True),
]


def plane(camera: CameraModel) -> Frame:
    """What a camera sees of the plane z = 4 + 0.8 x - 0.5 y; red is 128 + 100 x / z."""
    rays = camera.rays().astype(np.float64)
    depth_m = 4 / (1 - 0.8 * rays[..., 0] + 0.5 * rays[..., 1])
    image = np.zeros((camera.height, camera.width, 3), np.uint8)
    image[..., 0] = np.clip(np.rint(128 + 100 * rays[..., 0]), 0, 255)
    return Frame(name="plane", kind="", image=image, depth_m=depth_m.astype(np.float32), camera=camera)


@pytest.mark.parametrize("lens", LENSES)
def test_a_rectified_frame_is_what_a_pinhole_camera_sees(lens: CameraModel):
    seen = rectify(plane(lens))
    assert seen.camera == CameraModel(**SIZE)
    wanted = plane(seen.camera)
    known = np.isfinite(seen.depth_m)
    assert known.mean() > 0.8
    # One over depth is linear in the ray, so the nearest pixel is off by half a pixel of the lens at most (in these
    # corners twice as wide as one of the pinhole camera), and by nothing on average.
    off = 1 / seen.depth_m[known] - 1 / wanted.depth_m[known]
    pixel = (0.8 / 60 + 0.5 / 62) / 4
    assert np.abs(off).max() < 0.5 * 2 * pixel
    assert abs(off.mean()) < 0.03 * pixel
    inner = (slice(8, -8), slice(8, -8), 0)
    assert np.abs(seen.image[inner].astype(int) - wanted.image[inner]).max() <= 2


def test_pixels_that_the_lens_did_not_see_are_unknown():
    seen = rectify(plane(CameraModel(**SIZE, distortion=(0.4, 0.0, 0.0, 0.0))))
    assert np.isnan(seen.depth_m[0, 0])
    assert seen.image[0, 0].tolist() == [0, 0, 0]


def test_a_frame_without_distortion_is_left_as_it_is():
    frame = plane(CameraModel(**SIZE))
    assert rectify(frame) is frame
    zeros = rectify(plane(CameraModel(**SIZE, distortion=(0.0,) * 5)))
    assert zeros.camera == frame.camera
    np.testing.assert_array_equal(zeros.depth_m, frame.depth_m)


def test_remap_takes_the_nearest_pixel_and_keeps_sky_and_holes():
    depth_m = np.array([[1, np.inf], [np.nan, 4]], np.float32)
    x = np.array([[-0.4, 1.4, 0.2, 0.6, 1.6, 9e6]], np.float32)
    y = np.array([[0.3, -0.4, 0.6, 1.2, 0.0, -9e6]], np.float32)
    np.testing.assert_array_equal(remap_depth(depth_m, x, y), [[1, np.inf, np.nan, 4, np.nan, np.nan]])
