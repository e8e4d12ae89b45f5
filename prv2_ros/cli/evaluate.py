"""`prv2 evaluate`: scores of models over bags, against LiDAR, depth images or disparity."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prv2_ros.cli.output import output_folder
from prv2_ros.errors import InputError

if TYPE_CHECKING:
    from prv2_ros.evaluation.config import EvaluationConfig
    from prv2_ros.evaluation.records import SkippedFrame
    from prv2_ros.evaluation.run import Outcome

_DESCRIPTION = """\
Score depth models over every frame of recorded bags (rosbag2 mcap or sqlite3, ROS 1), without ROS. Truth is a depth
image, a LiDAR's points or a disparity image in the same bag. Writes index.html, report.json and report.csv. Predictions
are kept: a run that was interrupted goes on where it stopped, and scoring again costs no inference."""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Add the command."""
    parser = subparsers.add_parser("evaluate", help="score models over bags", description=_DESCRIPTION)
    parser.add_argument("bags", nargs="+", type=Path, metavar="BAG", help="rosbag2 folder, .mcap, .db3 or .bag")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the report")
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML (config/evaluate.yaml names every field)")
    parser.add_argument(
        "--model", action="append", metavar="NAME", help="model to evaluate; again for one to compare with the first"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", help="auto, float32, bfloat16 or float16")
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes on this machine (default: 1)")
    parser.add_argument("--ray", metavar="ADDRESS", help="existing Ray cluster instead: HOST:PORT, ray://..., auto")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="folder of predictions (default: in the output)")
    parser.add_argument("--score-only", action="store_true", help="use stored predictions only, load no network")
    parser.add_argument(
        "--output-bag", action="store_true", help="also write the bags with the first model's depth and points added"
    )
    parser.set_defaults(func=run)


def run(arguments: argparse.Namespace) -> int:
    """Evaluate; return 1 where a bag or a camera could not be used, after the others are done.

    Raises:
        InputError: options that cannot be used, or no frame that can be scored.
        ConfigError: a configuration that cannot be used.
        StorageError: the disk is full.
        WeightsError: no usable weights.
        DeviceError: no usable device.

    """
    if arguments.workers < 1:
        raise InputError(f"--workers {arguments.workers}: must be at least 1")

    from prv2_ros.evaluation.config import load_config

    config = load_config(
        arguments.config, models=arguments.model, device=arguments.device, precision=arguments.precision
    )

    from prv2_ros.evaluation.run import PREDICTIONS_FOLDER

    cache = arguments.cache or arguments.output / PREDICTIONS_FOLDER
    if cache.exists() and not cache.is_dir():
        raise InputError(f"--cache {cache} is a file: name a folder")
    # Stored predictions may lie where nothing can be written.
    stored = nullcontext() if arguments.score_only else output_folder(cache, "--cache")
    with output_folder(arguments.output), stored:
        return _evaluate(arguments, config)


def _evaluate(arguments: argparse.Namespace, config: EvaluationConfig) -> int:
    from prv2_ros.evaluation.output_bag import check_targets, write_output_bags
    from prv2_ros.evaluation.run import NothingScoredError, Options, bag_names, evaluate

    if arguments.output_bag:
        check_targets(dict(zip(bag_names(arguments.bags), arguments.bags, strict=True)), arguments.output)

    options = Options(
        output=arguments.output,
        cache=arguments.cache,
        workers=arguments.workers,
        ray=arguments.ray,
        score_only=arguments.score_only,
        command=shlex.join(["prv2", *sys.argv[1:]]),
    )
    try:
        outcome = evaluate(arguments.bags, config, options)
    except NothingScoredError as error:
        if len(error.reasons) > 1:  # the error itself says a single one
            _tell_reasons(error.reasons)
        raise
    _tell(outcome, arguments.output)
    if arguments.output_bag:
        for path in write_output_bags(outcome.jobs, arguments.output):
            print(f"wrote {path}")
    return 1 if outcome.failures else 0


def _tell(outcome: Outcome, output: Path) -> None:
    """Say what was used and what was not: a line for each bag and camera, the number of single frames."""
    evaluation = outcome.evaluation
    _tell_reasons(outcome.failures)
    frames = len({record.key for record in evaluation.records})
    left_out = sum(entry.stamp_ns is not None for entry in evaluation.skipped)
    print(
        f"scored {frames} frames ({outcome.predicted} predictions made, {outcome.reused} used again), left out "
        f"{left_out}; report: {output / 'index.html'}"
    )


def _tell_reasons(entries: Sequence[SkippedFrame]) -> None:
    for entry in entries:
        print(f"prv2: {entry.bag}{entry.camera}: {entry.reason}", file=sys.stderr)
