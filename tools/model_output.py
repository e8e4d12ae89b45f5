"""What tools that make one model of others have in common: where it goes, and how it gets there."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from prv2_ros.errors import Prv2Error
from prv2_ros.inference.self_test import save_tested
from prv2_ros.network.model import DepthModel


def run(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None, make: Callable[[argparse.Namespace], DepthModel]
) -> int:
    """Parse the arguments, `-o` and `--name` among them, write the model and print its path; 1, with a line, if not."""
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--name", default="model")
    arguments = parser.parse_args(argv)
    try:
        print(save_tested(make(arguments), arguments.output, arguments.name))
    except (OSError, Prv2Error) as error:
        print(f"{Path(parser.prog).stem}: {error}", file=sys.stderr)
        return 1
    return 0
