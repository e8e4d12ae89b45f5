from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel, check_plausible, widest_ray
from prv2_ros.geometry.projection import project_points

PLUMB_BOB = (-0.28, 0.07, 0.0002, -0.0001, 0.0)
RATIONAL = (0.3, -0.1, 0.0001, 0.0002, 0.01, 0.6, -0.05, 0.02)
FISHEYE = (-0.01, 0.003, -0.001, 0.0002)


def make(**changes) -> CameraModel:
    fields = {"width": 640, "height": 480, "fx": 520.0, "fy": 515.0, "cx": 321.5, "cy": 238.25}
    return CameraModel(**{**fields, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, r"camera size 0x480 px: both sides must be at least 1 px"),
        ({"fx": 0.0}, r"camera fx = 0.0: a focal length must be positive and finite; calibrate"),
        ({"fy": -3.0}, r"camera fy = -3.0"),
        ({"fx": math.nan}, r"camera fx = nan"),
        ({"fy": math.inf}, r"camera fy = inf"),
        ({"cx": math.nan}, r"camera cx = nan: the principal point must be finite"),
        ({"cy": -math.inf}, r"camera cy = -inf"),
        ({"distortion": (0.1, 0.2, 0.3)}, r"3 distortion coefficients: expected one of"),
        ({"distortion": PLUMB_BOB, "fisheye": True}, r"5 distortion coefficients: .*4 for a fisheye"),
        ({"distortion": (0.1, math.nan, 0, 0)}, r"coefficients must be finite"),
    ],
)
def test_values_no_camera_has_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        make(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fx": 6.3}, r"^fx = 6.3 px in K is no lens for 640x480 px$"),
        ({"fy": 1e6}, r"fy = 1e\+06 px in K"),
        ({"cx": 9999.0}, r"cx = 9999 px in K"),
        ({"cx": -5100.0, "fx": 400.0}, r"cx = -5100 px in K"),
        ({"cy": -1e9, "fy": 4e5}, r"cy = -1e\+09 px in K"),
        ({"cy": 5100.0, "fx": 900.0}, r"cy = 5100 px in K"),
        ({"cx": 5100.0, "fy": 900.0}, r"cx = 5100 px in K"),
    ],
)
def test_numbers_no_lens_has_are_named(changes, message):
    with pytest.raises(InputError, match=message):
        check_plausible(make(**{"fx": 300.0, "fy": 300.0, **changes}), "K", in_view=True)


def test_lenses_of_all_sorts_and_cuts_of_large_pictures_are_plausible():
    for changes in ({}, {"fx": 7.0, "fy": 5.0}, {"fx": 6e5, "fy": 6e5}, {"fisheye": True}, {"cx": 0.0, "cy": 479.0}):
        check_plausible(make(**changes), in_view=True)
    check_plausible(make(cx=9999.0))  # left to what rectification shows
    wide = CameraModel.from_fov(8000, 6000, 150)
    for x, y in ((0, 0), (7936, 0), (7936, 5936)):
        check_plausible(wide.cropped(x, y, 64, 64), in_view=True)
    with pytest.raises(InputError, match=r"^fx = 1 px is no lens for 640x480 px$"):
        check_plausible(make(fx=1.0))


def test_distortion_is_kept_as_plain_floats():
    camera = make(distortion=np.array(PLUMB_BOB))
    assert camera.distortion == PLUMB_BOB
    assert hash(camera) == hash(make(distortion=PLUMB_BOB))


@pytest.mark.parametrize(
    ("camera", "expected"),
    [
        (make(), False),
        (make(distortion=(0.0,) * 5), False),
        (make(distortion=PLUMB_BOB), True),
        (make(distortion=(-0.1, 0.0, 0.0, 0.0)), True),
        (make(fisheye=True), True),
    ],
)
def test_is_distorted(camera, expected):
    assert camera.is_distorted is expected


def test_fov_of_90_degrees_has_a_focal_length_of_half_the_width():
    camera = CameraModel.from_fov(641, 480, 90)
    assert camera.fx == pytest.approx(320.5)
    assert camera.fy == camera.fx
    assert (camera.cx, camera.cy) == (320.0, 239.5)


@pytest.mark.parametrize("degrees", [0, 180, -5, math.nan])
def test_impossible_fields_of_view_are_refused(degrees):
    with pytest.raises(InputError, match="must lie between 0 and 180"):
        CameraModel.from_fov(640, 480, degrees)


def test_rays_of_an_ideal_camera_reproject_to_their_pixels():
    camera = make(width=33, height=21, cx=15.2, cy=9.9)
    rays = camera.rays()
    assert rays.shape == (21, 33, 2)
    assert rays.dtype == np.float32
    v, u = np.mgrid[:21, :33]
    np.testing.assert_allclose(rays[..., 0] * camera.fx + camera.cx, u, atol=1e-4)
    np.testing.assert_allclose(rays[..., 1] * camera.fy + camera.cy, v, atol=1e-4)


@pytest.mark.parametrize(
    ("distortion", "fisheye", "tolerance_px"),
    [(PLUMB_BOB, False, 0.01), (RATIONAL, False, 0.01), (FISHEYE, True, 0.01)],
)
def test_rays_of_a_distorted_camera_project_back_through_opencv(distortion, fisheye, tolerance_px):
    camera = make(distortion=distortion, fisheye=fisheye)
    rays = camera.rays().astype(np.float64)
    points = np.concatenate([rays, np.ones((*rays.shape[:2], 1))], -1).reshape(-1, 1, 3)
    zero = np.zeros(3)
    project = cv2.fisheye.projectPoints if fisheye else cv2.projectPoints
    pixels, _ = project(points, zero, zero, camera.matrix, np.array(distortion))
    v, u = np.mgrid[: camera.height, : camera.width]
    error = np.abs(pixels.reshape(480, 640, 2) - np.stack([u, v], -1))
    assert error.max() < tolerance_px


@given(
    width=st.integers(8, 4000),
    height=st.integers(8, 3000),
    new_width=st.integers(8, 4000),
    new_height=st.integers(8, 3000),
)
def test_resizing_keeps_the_viewing_cone(width, height, new_width, new_height):
    camera = CameraModel(width=width, height=height, fx=500.0, fy=600.0, cx=width * 0.4, cy=height * 0.6)
    resized = camera.resized(new_width, new_height)
    # The ray through each edge of the image (half a pixel outside the outermost centres) stays what it was.
    for edge in (0.0, 1.0):
        before = (edge * width - 0.5 - camera.cx) / camera.fx, (edge * height - 0.5 - camera.cy) / camera.fy
        after = (
            (edge * new_width - 0.5 - resized.cx) / resized.fx,
            (edge * new_height - 0.5 - resized.cy) / resized.fy,
        )
        assert after == pytest.approx(before, rel=1e-9, abs=1e-9)
    back = resized.resized(width, height)
    assert (back.fx, back.fy, back.cx, back.cy) == pytest.approx((camera.fx, camera.fy, camera.cx, camera.cy))


def test_a_crop_sees_the_same_rays():
    camera = make(distortion=PLUMB_BOB)
    np.testing.assert_allclose(camera.cropped(100, 50, 64, 32).rays(), camera.rays()[50:82, 100:164], atol=1e-5)


@pytest.mark.parametrize(("sides", "bins"), [((1281, 721), (2, 2)), ((1283, 723), (4, 4)), ((64, 48), (3, 0))])
def test_a_binned_pixel_sees_what_its_pixels_see(sides, bins):
    camera = CameraModel(width=sides[0], height=sides[1], fx=1000, fy=900, cx=0.9 * sides[0], cy=360)
    binned = camera.read_out((0, 0, 0, 0), bins)
    across, down = (max(1, n) for n in bins)
    assert (binned.width, binned.height) == (sides[0] // across, sides[1] // down)
    rays = camera.rays()[: binned.height * down, : binned.width * across].astype(np.float64)
    means = rays.reshape(binned.height, down, binned.width, across, 2).mean((1, 3))
    np.testing.assert_allclose(binned.rays(), means, rtol=0, atol=1e-6)


@pytest.mark.parametrize("roi", [(10, 20, 640, 0), (10, 20, 0, 480), (0, 0, 0, 0)])
def test_a_region_without_a_width_or_a_height_is_the_whole_picture(roi):
    assert make().read_out(roi, (1, 1)) == make()


def test_a_side_shorter_than_a_bin_is_one_pixel():
    binned = make(width=3, height=480).read_out((0, 0, 0, 0), (4, 4))
    assert (binned.width, binned.height) == (1, 120)


@pytest.mark.parametrize("box", [(-1, 0, 10, 10), (0, 0, 641, 10), (600, 0, 41, 10), (0, 0, 0, 5)])
def test_a_crop_outside_the_image_is_refused(box):
    with pytest.raises(InputError, match=r"does not fit in an image of 640x480 px"):
        make().cropped(*box)


def test_rays_that_cannot_be_undistorted_are_nan():
    strong = CameraModel(width=320, height=240, fx=100.0, fy=100.0, cx=160.0, cy=120.0, fisheye=True)
    rays = strong.rays()
    v, u = np.mgrid[:240, :320]
    angle = np.hypot(u - 160, v - 120) / 100  # the equidistant lens without distortion: radius = f * angle
    assert np.isnan(rays[angle > math.radians(89.5)]).all()
    assert (angle > math.radians(89.5)).sum() > 1000
    inside = angle < math.radians(85)
    # 0.01 px of interpolation are 1e-4 rad here.
    np.testing.assert_allclose(np.arctan(np.hypot(*rays[inside].T)), angle[inside], rtol=0, atol=1.5e-4)


def test_pixels_beyond_the_fold_of_a_lens_have_no_ray():
    camera = CameraModel(width=320, height=200, fx=200, fy=200, cx=159.5, cy=99.5, distortion=(-0.45, 0.09, 0, 0, 0))
    rays = camera.rays().reshape(-1, 2).astype(np.float64)
    sees = rays[np.isfinite(rays).all(1)]
    assert 0.5 < len(sees) / len(rays) < 0.9
    assert np.hypot(*sees.T).max() < widest_ray(camera) < 1.2
    # The polynomial's other branch leads to the same pixels from farther out.
    assert np.isfinite(project_points(np.c_[sees, np.ones(len(sees))], camera)).all()
