"""Whether a PNG is whole, and its size, from its bytes alone."""

from __future__ import annotations

from prv2_ros.errors import InputError

PNG = b"\x89PNG\r\n\x1a\n"
"""What a PNG begins with."""


def png_size(data: bytes) -> tuple[int, int]:
    """Width and height (px) of a whole PNG: walk its chunks to the last one.

    Raises:
        InputError: cut short.

    """
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise InputError(f"PNG of {len(data)} B is cut short: no image header")
    at = len(PNG)
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        at += 12 + length
        if kind == b"IEND" and at <= len(data):
            return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    raise InputError(f"PNG of {len(data)} B is cut short: no end chunk")
