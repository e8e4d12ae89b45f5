"""Checksums that `rosbags` does not write and a recording of ROS 2 has."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

CHUNK = 0x06
_HEAD = struct.Struct("<BQ")


def add_checksums(path: Path) -> None:
    """Write the CRC of every uncompressed chunk of an mcap file: rosbag2's own writer does, `rosbags` does not."""
    data = bytearray(path.read_bytes())
    at = 8
    while at + 9 <= len(data) - 8:
        kind, length = _HEAD.unpack_from(data, at)
        if kind == CHUNK:
            body = at + 9
            size = struct.unpack_from("<Q", data, body + 16)[0]
            records = data[body + length - size : body + length]
            struct.pack_into("<I", data, body + 24, zlib.crc32(records))
        at += 9 + length
    path.write_bytes(data)
