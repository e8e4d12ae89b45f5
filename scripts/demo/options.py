"""The demo's command line. Needs Python alone: `scripts/demo.sh --help` answers before anything is set up."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OWN_FOLDER = ROOT / "demo"


@dataclass(frozen=True)
class Options:
    """What was asked for, with whole paths."""

    output: Path
    model: str
    frames: int
    seconds: float


def parse_options(words: Sequence[str] | None = None) -> Options:
    """Parse the words of the command line, by default those of this process."""
    parser = argparse.ArgumentParser(prog="scripts/demo.sh", description="Run the node on real messages, leave a page.")
    parser.add_argument("-o", "--output", type=Path, default=OWN_FOLDER, help="folder for bags, logs and index.html")
    parser.add_argument("--model", default="default", help="name of a packaged model, or the .yaml of one")
    parser.add_argument("--frames", type=int, default=8, help="frames of the drive to render")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the drive is played at 10 Hz")
    # demo.sh runs Python in the checkout, where a demo.py of the caller's folder is not imported in place of this one.
    parser.add_argument("--from", dest="origin", type=Path, default=Path(), help="where relative paths begin [here]")
    chosen = parser.parse_args(words)
    model = chosen.model
    if Path(model).suffix in (".yaml", ".yml"):  # as in `network.checkpoint.model_path`: anything else is a name
        model = str((chosen.origin / model).resolve())
    return Options(
        output=(chosen.origin / chosen.output).resolve(), model=model, frames=chosen.frames, seconds=chosen.seconds
    )


if __name__ == "__main__":
    parse_options()
