"""What the readers of real data sets share: the protocol, lists of folders, and files whose errors name them.

Listing looks at directory entries and at split files only; an item's files are opened when it is asked for.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from prv2_ros.data.frames import Frame
from prv2_ros.errors import InputError
from prv2_ros.geometry.camera import CameraModel
from prv2_ros.jpeg import JPEG, jpeg_size

_READ_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION  # truth and intrinsics are those of the stored pixels
_SHOWN = 3

ItemT = TypeVar("ItemT")


class Dataset(Protocol):
    """Frames of one split of a data set, in a fixed order."""

    @property
    def name(self) -> str:
        """Name in the registry, such as `kitti`."""

    @property
    def split(self) -> str:
        """Name of the split, such as `train`."""

    def __len__(self) -> int:
        """Count the frames."""

    def __getitem__(self, index: int) -> Frame:
        """Read one frame from its files.

        The image is rectified: the frame's camera has no distortion. Depth is along z in metres; +inf is sky, and
        NaN is what the data set does not know.

        Raises:
            IndexError: there is no such frame.
            InputError: a file of the frame is missing or corrupt, or its files disagree.

        """

    def key(self, index: int) -> str:
        """Tell a frame from the others, wherever it stands in the list."""

    def state(self, index: int) -> str:
        """Tell by directory entries alone whether a frame's picture and camera are what they were: an equal text."""


@dataclass(frozen=True, kw_only=True)
class ListedFrames(Generic[ItemT]):
    """A `Dataset` of listed items and a function that reads one; it can be pickled for worker processes."""

    name: str
    split: str

    items: Sequence[ItemT]
    """What `read` needs to know of each frame: paths, as a rule."""

    read: Callable[[ItemT], Frame]
    """A function of a module."""

    shown: Callable[[ItemT], Sequence[Path]]
    """Gives the files that decide the picture and the camera, also those that may come; a function of a module."""

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.items)

    def __getitem__(self, index: int) -> Frame:
        """Read one frame from its files."""
        return self.read(self.items[index])

    def key(self, index: int) -> str:
        """Tell a frame from the others, wherever it stands in the list."""
        return str(self.items[index])

    def state(self, index: int) -> str:
        """Tell by directory entries alone whether a frame's picture and camera are what they were."""
        return f"{self.key(index)} {file_states(self.shown(self.items[index]))}"


def file_states(paths: Sequence[Path]) -> str:
    """Paths, sizes (B) and times of change (ns) of files, some of which may be missing."""
    states = []
    for path in map(os.path.abspath, paths):
        try:
            found = os.stat(path)
            states.append((path, found.st_size, found.st_mtime_ns))
        except OSError:
            states.append((path, 0, 0))
    return repr(states)


def wrong_layout(root: Path, looked_for: str, way_out: str) -> InputError:
    """Error for a folder that is not laid out as its data set is: what was looked for where, and what to do."""
    return InputError(f"{root}: looked for {looked_for}; {way_out}")


def shorten(names: Sequence[str]) -> str:
    """Join the first names of a list, with the number of those left out."""
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def subfolders(folder: Path) -> list[str]:
    """Names of the visible folders in a folder, sorted; none where there is no such folder."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def files_by_stem(folder: Path, ending: str | tuple[str, ...]) -> dict[str, Path]:
    """Files of a folder by the name before the ending, sorted by it; none where there is no such folder.

    Letter case of the ending does not matter. Of two files of one stem the ending named first wins.
    """
    if not folder.is_dir():
        return {}
    endings = (ending,) if isinstance(ending, str) else ending
    found: dict[str, tuple[int, Path]] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            lower = entry.name.lower()
            rank = next((k for k, e in enumerate(endings) if lower.endswith(e.lower())), None)
            if rank is None or entry.name.startswith("."):
                continue
            stem = entry.name[: -len(endings[rank])]
            if stem not in found or rank < found[stem][0]:
                found[stem] = (rank, Path(entry.path))
    return {stem: found[stem][1] for stem in sorted(found)}


def read_lines(path: Path) -> list[str]:
    """Lines of a text file that hold anything, without white space at their ends."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def read_json(path: Path) -> Mapping[str, Any]:
    """Table of a JSON file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no JSON object; fetch the file again from the data set's archive")
    return content


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Pixels (H, W, 3) of an image as they are stored, RGB: no rotation by EXIF, no alpha."""
    image = _imread(path, _READ_FLAGS)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)  # thrice as fast as copying [..., ::-1]


def read_png16(path: Path) -> NDArray[np.uint16]:
    """Codes (H, W) of a PNG of one channel and 16 bits."""
    code = _imread(path, cv2.IMREAD_UNCHANGED)
    if code.dtype != np.uint16 or code.ndim != 2:
        raise InputError(
            f"{path}: {code.dtype} of shape {code.shape} where one channel of 16 bits was expected; tools that "
            "re-save or resize such files lose the depth: fetch the original"
        )
    return np.asarray(code, np.uint16)


def read_npy(path: Path) -> NDArray[np.float32]:
    """Array (H, W) of an .npy file."""
    return _load_npy(path).astype(np.float32)


def read_npy_metres(path: Path) -> NDArray[np.float32]:
    """Depth (H, W) in metres of an .npy file of floats; whole numbers are millimetres as a rule, and are refused."""
    values = _load_npy(path)
    if values.dtype.kind != "f":
        raise InputError(
            f"{path}: {values.dtype} where depth in metres was expected; store metres as float, or millimetres as "
            "16-bit .png"
        )
    return values.astype(np.float32)


def _load_npy(path: Path) -> NDArray[Any]:
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise unreadable(path, error) from error
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind not in "fiu":
        raise InputError(f"{path}: expected one array (H, W) of numbers")
    return values


def known_depth(depth_m: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Depth with NaN for whatever is not positive; +inf (sky) stays."""
    with np.errstate(invalid="ignore"):
        return np.where(depth_m > 0, depth_m, np.nan).astype(np.float32)


def depth_of_disparity(disparity_px: NDArray[np.floating[Any]], f_px: float, baseline_m: float) -> NDArray[np.float32]:
    """Depth along z (m) of a rectified pair: f B / d; NaN where the disparity is not positive and finite."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        known = np.isfinite(disparity_px) & (disparity_px > 0)
        return np.where(known, f_px * baseline_m / disparity_px, np.nan).astype(np.float32)


def pinhole(source: Path, size_wh: tuple[int, int], *, fx: float, fy: float, cx: float, cy: float) -> CameraModel:
    """Camera without distortion of numbers (px) that stand in the file `source`.

    Raises:
        InputError: values that no camera has; names the file.

    """
    try:
        return CameraModel(width=size_wh[0], height=size_wh[1], fx=fx, fy=fy, cx=cx, cy=cy)
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def make_frame(
    *, name: str, kind: str, image: NDArray[np.uint8], depth_m: NDArray[np.float32], camera: CameraModel, source: Path
) -> Frame:
    """Put a frame together whose three parts have one size.

    Raises:
        InputError: they have not; names `source`, the image's file.

    """
    (height, width), depth_hw = image.shape[:2], depth_m.shape
    if depth_hw != (height, width) or (camera.width, camera.height) != (width, height):
        raise InputError(
            f"{source}: image {width}x{height}, depth {depth_hw[1]}x{depth_hw[0]} and intrinsics "
            f"{camera.width}x{camera.height} px disagree; use the files of one resolution"
        )
    return Frame(name=name, kind=kind, image=image, depth_m=depth_m, camera=camera)


def unreadable(path: Path, error: Exception | None = None) -> InputError:
    """Error for a file that is missing or cannot be read."""
    if not path.exists():
        return InputError(f"{path}: no such file; unpack the data set again, or take the frame out of its lists")
    reason = f" ({' '.join(str(error).split())})" if error is not None else ""
    return InputError(
        f"{path}: cannot be read{reason}; it is corrupt: fetch it again, or take the frame out of its lists"
    )


def is_cut_jpeg(data: bytes) -> bool:
    """Tell a JPEG whose picture has no end: OpenCV 4 fills what is missing with grey, and says so on stderr only."""
    try:
        return data.startswith(JPEG) and not jpeg_size(data)
    except InputError:
        return True


def _imread(path: Path, flags: int) -> NDArray[Any]:
    try:
        data = path.read_bytes()
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data and not is_cut_jpeg(data) else None
    except (OSError, cv2.error) as error:
        raise unreadable(path, error) from error
    if image is None:
        raise unreadable(path)
    return np.asarray(image)
