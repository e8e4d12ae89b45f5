"""sensor_msgs/PointCloud2 to arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from prv2_ros.errors import InputError

_FORMATS = {7: "f4", 8: "f8"}  # sensor_msgs/PointField FLOAT32 and FLOAT64


def cloud_points(message: Any) -> NDArray[np.float64]:
    """Points of a cloud in its own frame, (N, 3) metres, in the order of the message; may hold NaN.

    Raises:
        InputError: no x, y, z of float32 or float64, or sizes that do not fit the data.

    """
    found = {str(field.name): field for field in message.fields}
    missing = [axis for axis in "xyz" if axis not in found or int(found[axis].datatype) not in _FORMATS]
    if missing:
        raise InputError(
            f"point cloud with fields {', '.join(list(found)[:12]) or 'none'}: needs x, y, z of float32 or float64"
        )
    width, height = int(message.width), int(message.height)
    step, row = int(message.point_step), int(message.row_step)
    order = ">" if message.is_bigendian else "<"
    formats = [f"{order}{_FORMATS[int(found[axis].datatype)]}" for axis in "xyz"]
    offsets = [int(found[axis].offset) for axis in "xyz"]
    fits = all(offset + np.dtype(kind).itemsize <= step for offset, kind in zip(offsets, formats, strict=True))
    row = row if height > 1 else width * step  # drivers leave row_step wrong where there is one row
    if not fits or row < width * step or len(message.data) < height * row:
        raise InputError(
            f"point cloud of {width}x{height} points, point_step {step} B, row_step {row} B and {len(message.data)} B "
            "of data: the sizes do not fit"
        )
    layout = np.dtype({"names": ["x", "y", "z"], "formats": formats, "offsets": offsets, "itemsize": step})
    table = np.ndarray((height, width), layout, buffer=np.frombuffer(message.data, np.uint8), strides=(row, step))
    return np.stack([table[axis].astype(np.float64).ravel() for axis in "xyz"], -1)
