"""Whether a JPEG is whole, and its size, from its bytes alone."""

from __future__ import annotations

from prv2_ros.errors import InputError

JPEG = b"\xff\xd8\xff"
"""What a JPEG begins with."""

# Start-of-frame markers, which carry the size; 0xC4, 0xC8 and 0xCC in between are other segments.
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SOS = 0xDA
_STANDALONE = frozenset((0x01, *range(0xD0, 0xD8)))


def jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height (px) of a whole JPEG: walk its segments up to the first scan; require the end marker after it.

    Decoders fill what is missing with grey and report nothing, so a cut file is only seen here. A marker
    inside a thumbnail (an APP segment) does not count, since segments are stepped over. What follows the picture does
    not matter: telephones append a video or a preview.

    Raises:
        InputError: cut short or damaged.

    """
    size: tuple[int, int] | None = None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise InputError(f"JPEG is damaged: no marker at byte {at} of {len(data)}")
        marker = data[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _SOF and at + 9 <= len(data):
            size = (int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big"))
        at += 2 + length
        if marker == _SOS:
            break
    else:
        raise InputError(f"JPEG of {len(data)} B is cut short: it ends before the image data")
    if size is None:
        raise InputError("JPEG is damaged: no frame header before the image data")
    if data.rfind(b"\xff\xd9", at) < 0:
        raise InputError(f"JPEG of {len(data)} B is cut short: no end-of-image marker")
    return size
