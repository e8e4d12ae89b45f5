"""Options that several commands share."""

from __future__ import annotations

import argparse


def add_compile_argument(parser: argparse.ArgumentParser) -> None:
    """Add `--compile`; a wrong mode is refused by the engine, which knows them."""
    parser.add_argument(
        "--compile",
        default="off",
        metavar="MODE",
        help="off, default (torch.compile) or cuda-graphs; worth it for many frames of one size (default: off)",
    )
