"""Files that are written whole or not at all, and the version of the bags that are written."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from prv2_ros.errors import StorageError

BAG_VERSION: Final = 8
"""Version of rosbag2's metadata. Since 9 the QoS of a topic is a list, at which Humble gives up (ros2/rosbag2#2013);
in 8 it is a text, which Jazzy reads as well."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing that takes its name only once its block has ended without an error.

    Raises:
        StorageError: the disk is full, or a quota is used up.
        OSError: the folder cannot be written to.

    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(name, 0o666 & ~mask)  # mkstemp makes files that only their owner may read
        os.replace(name, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(name)
        if is_full(error):
            raise disk_full(path) from error
        raise


def is_full(error: BaseException) -> bool:
    """Whether an error says that no more can be written: the disk, a quota or the largest size of a file."""
    return isinstance(error, OSError) and error.errno in _FULL


def disk_full(path: Path) -> StorageError:
    """Error for a file that did not fit."""
    return StorageError(f"{path} cannot be written: the disk is full; free space, or choose another folder")
