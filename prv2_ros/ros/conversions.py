"""Incoming image messages of any kind to RGB arrays.

Both message types are told apart by their fields. cv_bridge is asked only for encodings that
`encodings` neither reads nor refuses by name, and only where it is installed.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError
from prv2_ros.messages import compressed, encodings


def check_image(message: Any) -> None:
    """Refuse a message that cannot become an image, at the price of a header check.

    Raises:
        InputError: see `encodings.check_layout` and `compressed.check_compressed`.

    """
    if hasattr(message, "format"):
        compressed.check_compressed(message)
    elif encodings.is_decided(message.encoding) or _bridge() is None:
        encodings.check_layout(message)
    else:
        encodings.check_size(message)


def image_to_rgb(message: Any) -> NDArray[np.uint8]:
    """Return an Image or CompressedImage message as (H, W, 3) uint8 RGB, as a view where the bytes allow it.

    Raises:
        InputError: the message is malformed, damaged or of an encoding that nothing here can read.

    """
    if hasattr(message, "format"):
        return compressed.compressed_to_rgb(message)
    bridge = _bridge()
    if encodings.is_decided(message.encoding) or bridge is None:
        return encodings.to_rgb(message)
    try:
        return np.asarray(bridge.imgmsg_to_cv2(message, "rgb8"))
    except Exception as error:  # cv_bridge raises its own error, TypeError, ValueError and cv2.error alike
        raise InputError(f"image encoding {message.encoding[:40]!r}: cv_bridge cannot read it: {error}") from error


@functools.lru_cache(maxsize=1)
def _bridge() -> Any | None:
    try:
        from cv_bridge import CvBridge
    except ImportError:
        return None
    return CvBridge()
