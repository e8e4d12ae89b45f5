"""Image and camera info messages bent in the ways real drivers and cables do, from a seeded random.Random."""

from __future__ import annotations

import array
from random import Random
from typing import Any

import cv2
import numpy as np
from ros_fakes import compressed_message, image_message, info_message

from prv2_ros.messages.encodings import ENCODINGS, NAMES
from prv2_ros.messages.planar import PLANAR

STRANGE_ENCODINGS = ["", "RGB8", "8UC2", "16UC3", "32FC1", "64FC4", "bayer_rggb12", "NV12", "nv16", "jpeg", "a" * 300]
STRANGE_ENCODINGS += ["яз", "rgb8\0"]
STRANGE_SIZES = [0, 1, 2, 3, 7, 65535, 2**31, 2**32 - 1]
STRANGE_NUMBERS = [0.0, -1.0, 1e-300, 1e300, np.nan, np.inf, -np.inf, 0.5, 1e6]
MODELS = ["plumb_bob", "rational_polynomial", "equidistant", "fisheye", "", "thin_prism", "x" * 200]

_PIXELS = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
_FILES = [cv2.imencode(f".{kind}", _PIXELS)[1].tobytes() for kind in ("jpg", "png")]


def make(encoding: str, width: int, height: int, pad: int = 0, big: bool = False, random: Random | None = None) -> Any:
    """A valid message with random pixels."""
    if encoding in PLANAR:
        step, rows = width + pad, height * 3 if encoding == "nv24" else height + (height + 1) // 2
        step += step % 2
    else:
        layout = ENCODINGS[encoding]
        step, rows = width * layout.channels * layout.bytes_per_channel + pad, height
    data = (random or Random(0)).randbytes(rows * step)
    message = image_message(np.frombuffer(data, np.uint8).reshape(rows, step), encoding)
    message.width, message.height, message.is_bigendian = width, height, int(big)
    return message


def image(random: Random) -> Any:
    """An Image message: valid, or with one to three fields changed."""
    encoding = random.choice(sorted(NAMES))
    width, height = random.randint(1, 12), random.randint(1, 12)
    message = make(encoding, width, height, random.randint(0, 5), random.random() < 0.5, random)
    fields = ["height", "width", "step", "encoding", "data", "endian"]
    for field in random.choices(fields, k=random.randint(0, 3)):
        if field in ("height", "width", "step"):
            setattr(message, field, random.choice([*STRANGE_SIZES, random.randint(0, 40)]))
        elif field == "encoding":
            message.encoding = random.choice([*STRANGE_ENCODINGS, *NAMES])
        elif field == "endian":
            message.is_bigendian = random.randint(0, 255)
        else:
            cut, more = random.randint(0, 200), random.choice([0, 0, 1, 20])
            message.data = array.array("B", message.data.tobytes()[:cut] + bytes(more))
    return message


def compressed_image(random: Random) -> Any:
    """A CompressedImage: a JPEG or PNG, whole, cut, or with bytes changed."""
    data = bytearray(random.choice(_FILES))
    for _ in range(random.randint(0, 4)):
        data[random.randrange(len(data))] = random.randint(0, 255)
    if random.random() < 0.5:
        data = data[: random.randint(0, len(data))]
    return compressed_message(bytes(data), random.choice(["jpeg", "png", "", "h264", "rgb8; jpeg compressed"]))


def info(random: Random) -> Any:
    """A CameraInfo for 12 x 10 px: valid, or with one to three fields changed."""
    message = info_message(12, 10)
    fields = ["k", "p", "r", "d", "model", "size", "roi", "binning"]
    for field in random.choices(fields, k=random.randint(0, 3)):
        if field in ("k", "p", "r"):
            values = np.array(getattr(message, field))
            values[random.randrange(len(values))] = random.choice(STRANGE_NUMBERS)
            setattr(message, field, values)
        elif field == "d":
            message.d = [random.choice([*STRANGE_NUMBERS, random.uniform(-1, 1)]) for _ in range(random.randint(0, 15))]
        elif field == "model":
            message.distortion_model = random.choice(MODELS)
        elif field == "size":
            message.width, message.height = random.choices(STRANGE_SIZES, k=2)
        elif field == "roi":
            roi = message.roi
            roi.x_offset, roi.y_offset, roi.width, roi.height = random.choices(STRANGE_SIZES, k=4)
        else:
            message.binning_x, message.binning_y = random.choices(STRANGE_SIZES, k=2)
    return message
