"""Who reads an encoding that the package does not know: cv_bridge where it is installed, else nobody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs sensor_msgs")
from ros_fakes import image_message

from prv2_ros.errors import InputError
from prv2_ros.ros import conversions
from prv2_ros.ros.conversions import check_image, image_to_rgb

PIXELS = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)


class Bridge:
    """Stands for cv_bridge, which PyPI has not: reads one encoding more."""

    def imgmsg_to_cv2(self, message: Any, wanted: str) -> np.ndarray:
        assert wanted == "rgb8"
        if message.encoding != "nv16":
            raise TypeError("unknown")
        return np.frombuffer(message.data, np.uint8).reshape(4, 5, 3)


def test_without_cv_bridge_an_unknown_encoding_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "_bridge", lambda: None)
    for read in (check_image, image_to_rgb):
        with pytest.raises(InputError, match="nv16"):
            read(image_message(PIXELS, "nv16"))


def test_cv_bridge_reads_what_the_package_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "_bridge", Bridge)
    for encoding in ("nv16", "rgb8"):
        message = image_message(PIXELS, encoding)
        check_image(message)
        np.testing.assert_array_equal(image_to_rgb(message), PIXELS)
    other = image_message(PIXELS, "nv99")
    check_image(other)
    with pytest.raises(InputError, match="image encoding 'nv99': cv_bridge cannot read it: unknown"):
        image_to_rgb(other)
    cut = image_message(PIXELS, "nv16")
    cut.height = 0
    with pytest.raises(InputError):
        check_image(cut)


def test_cv_bridge_is_not_asked_what_is_read_or_refused_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversions, "_bridge", Bridge)
    grey = image_message(np.full((6, 4), 128, np.uint8), "nv12")
    grey.height = 4
    check_image(grey)
    np.testing.assert_array_equal(image_to_rgb(grey), np.full((4, 4, 3), 130, np.uint8))  # (128 - 16) * 255 / 219
    for read in (check_image, image_to_rgb):
        with pytest.raises(InputError, match="does not say which channel is what: publish rgb16 or bgr16"):
            read(image_message(PIXELS.astype(np.uint16), "16UC3"))
        with pytest.raises(InputError, match="nv12 planes with height 6"):
            read(image_message(np.zeros((6, 4), np.uint8), "nv12"))
