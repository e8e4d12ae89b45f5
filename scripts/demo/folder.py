"""The demo's output folder: whose it is, and how an earlier run's files make way."""

from __future__ import annotations

import shutil
from pathlib import Path

from demo.check import DemoFailure
from demo.options import OWN_FOLDER

MARKER = ".prv2_demo"
"""File in a folder that says that a demo has written there."""

WRITTEN = (
    "photo", "drive", "answers", "exchange.json", "exchange.log", "node.log", "index.html", "overview.jpg",
)  # fmt: skip
"""What a run leaves."""


def claim(folder: Path) -> None:
    """Make the folder where there is none, mark it, and remove what an earlier demo left in it.

    Raises:
        DemoFailure: something lies there that no demo may have written, under a name that this one would write.

    """
    there = [folder / name for name in WRITTEN if (folder / name).exists() or (folder / name).is_symlink()]
    # The checkout's demo/ is the demo's by its name: git ignores it, and demos have written there before they marked.
    if there and folder != OWN_FOLDER.resolve() and not (folder / MARKER).is_file():
        raise DemoFailure(
            f"{there[0]} exists, and no earlier demo has marked {folder} as its own: move it away, or choose another "
            "folder (-o)"
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text("scripts/demo.sh writes here, and removes its own files when it runs again.\n")
    for path in there:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
