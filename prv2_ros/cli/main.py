"""Entry point of `prv2`, and the one place where errors become a line and an exit code.

A command is a module of this package with `add_parser(subparsers)`, which adds its parser and sets `func` to a
function from the parsed arguments to an exit code. Such a module imports torch and the layers above it inside
`func` only: `prv2 --help` then answers at once.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import re
import sys
import traceback
from collections.abc import Sequence

from prv2_ros import __version__
from prv2_ros.cli.ending import ending_on_sigterm
from prv2_ros.errors import Prv2Error, missing_module
from prv2_ros.memory import keep_freed_memory

COMMANDS = ("predict", "evaluate", "score", "replay", "bench", "doctor", "train", "synth")
"""Modules of this package that are commands, in the order of the help."""

_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it

_FROM_WORKER = re.compile(r"Caught (\w+) in .*\n(?:\w+\.)*\1(?:: (.*))?\s*", re.DOTALL)
"""Text of an error that torch brought from another process: a traceback, whose last line names the error again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 1 failed, 2 wrong usage, 130 interrupted.

    Raises:
        SystemExit: wrong usage, or 143 after SIGTERM.

    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    keep_freed_memory()  # the first 4K frame on a CPU takes a sixth less time
    logging.basicConfig(level=logging.INFO, format="prv2: %(message)s", stream=sys.stderr)
    try:
        with ending_on_sigterm():
            code: int = arguments.func(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print("prv2: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe (head) has what it wanted; nothing more can be written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if arguments.debug:
            traceback.print_exc()
        print(f"prv2: error: {_one_line(error)}", file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Build the parser of all commands; `--debug` may stand before or after the command."""
    parser = argparse.ArgumentParser(
        prog="prv2", description="High-resolution metric depth from single images. `prv2 COMMAND --help` says more."
    )
    parser.add_argument("--version", action="version", version=f"prv2 {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"prv2_ros.cli.{name}").add_parser(subparsers)
    for command in subparsers.choices.values():
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    return parser


def _one_line(error: Exception) -> str:
    """Say an error in one line; one that was not foreseen is named as such."""
    name, text = type(error).__name__, str(error)
    if found := _FROM_WORKER.fullmatch(text):
        name, text = found[1], found[2] or ""
    text = " ".join(text.split())
    if isinstance(error, (Prv2Error, OSError)):
        return text
    if missing := missing_module(error):
        return missing
    told = f"{name}: {text}" if text else name
    return f"unforeseen {told} (repeat with --debug for the traceback)"


if __name__ == "__main__":
    sys.exit(main())
