"""The folder that a command writes to: made before the work, and gone again where nothing came of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prv2_ros.errors import InputError


@contextmanager
def output_folder(path: Path, what: str = "output") -> Iterator[None]:
    """Make a folder for the block; what was made and holds no file at the block's end is removed.

    Args:
        path: the folder.
        what: what errors call it.

    Raises:
        InputError: a file is there, or no folder can be made there, or nothing written into it.

    """
    made: list[Path] = []
    try:
        _make(path, made, what)
        yield
    finally:
        # The innermost first; what the block has made inside before them all.
        inside = [Path(folder) for folder, *_ in os.walk(path, topdown=False)] if path in made else []
        for folder in (*inside, *made):
            with suppress(OSError):  # it is not empty, or gone already
                folder.rmdir()


def _make(path: Path, made: list[Path], what: str) -> None:
    """Make a folder, and list what was not there before."""
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"{what} {path} is a file: name a folder")
        made += [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise InputError(f"{what} {path}: {error.strerror}; name a folder that can be written") from error
