from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prv2_ros.data.scene import Pose

ANGLE = st.floats(-80, 80)


@given(yaw=st.floats(-180, 180), pitch=ANGLE, roll=ANGLE)
def test_rotation_is_orthonormal_and_right_handed(yaw: float, pitch: float, roll: float) -> None:
    r = Pose(position=(0, 0, 0), yaw_deg=yaw, pitch_deg=pitch, roll_deg=roll).rotation()
    np.testing.assert_allclose(r @ r.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(r) == pytest.approx(1.0)


def test_level_camera_looks_along_y_with_z_up() -> None:
    r = Pose(position=(0, 0, 0)).rotation()
    np.testing.assert_allclose(r, [[1, 0, 0], [0, 0, -1], [0, 1, 0]], atol=1e-12)


def test_positive_pitch_looks_up_and_positive_yaw_to_the_left() -> None:
    assert Pose(position=(0, 0, 0), pitch_deg=20).rotation()[2, 2] > 0
    assert Pose(position=(0, 0, 0), yaw_deg=20).rotation()[2, 0] < 0
