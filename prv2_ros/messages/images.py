"""Image and CompressedImage messages to RGB arrays, without cv_bridge."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.messages.compressed import compressed_to_rgb
from prv2_ros.messages.encodings import to_rgb


def message_to_rgb(message: Any) -> NDArray[np.uint8]:
    """Return the image of either message type as (H, W, 3) uint8 RGB; they are told apart by their fields.

    Raises:
        InputError: the message is malformed, damaged or of an unknown encoding.

    """
    return compressed_to_rgb(message) if hasattr(message, "format") else to_rgb(message)
