"""`prv2 score`: figures of models over data sets whose depth is known, such as a validation split of one's own."""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prv2_ros.cli.output import output_folder
from prv2_ros.errors import InputError

if TYPE_CHECKING:
    from prv2_ros.data.dataset_files import Dataset
    from prv2_ros.evaluation.frames import TruthFrame

_logger = logging.getLogger(__name__)

_DESCRIPTION = """\
Score depth models over data sets whose depth is known, each model and set with a table: AbsRel plain, after one scale
factor and after scale and shift, delta1, errors near depth edges, boundary F1, calibration of the confidence, beside
the best constant and the best plane of each frame. Writes score.md and score.json (every frame). For recorded bags
there is `prv2 evaluate`."""

_SOURCE = """\
NAME:FOLDER or NAME:FOLDER:SPLIT, such as kitti:/data/kitti:val or folder:/data/own:val (docs/TRAINING.md has the
names and layouts); a folder alone is one that `prv2 synth` wrote"""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "score", help="score models over data sets with known depth", description=_DESCRIPTION
    )
    parser.add_argument("data", nargs="+", metavar="SOURCE", help=_SOURCE)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the figures")
    parser.add_argument(
        "--model", action="append", metavar="NAME", help="model to score (default: default); again for another"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--precision", default="auto", help="auto, float32, bfloat16 or float16")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="score every N-th frame only (default 1)")
    parser.add_argument(
        "--max-depth", type=float, default=float("inf"), metavar="M", help="truth beyond this many metres counts as sky"
    )
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Score; frames that cannot be read are left out, said and counted.

    Raises:
        InputError: options or a data set that cannot be used, or no frame that can be read.
        WeightsError: no usable weights.
        DeviceError: no usable device.

    """
    if args.every < 1:
        raise InputError(f"--every {args.every}: must be at least 1")
    if not args.max_depth > 0:
        raise InputError(f"--max-depth {args.max_depth}: must be more than 0")

    from prv2_ros.data.readers import parse_source
    from prv2_ros.evaluation.sets import engine_predictor

    # All data sets are listed before a network is loaded: what is wrong with one is said at once.
    sets = {source: parse_source(source).open() for source in args.data}
    with output_folder(args.output):
        reports = []
        for model in dict.fromkeys(args.model or ["default"]):
            predict = engine_predictor(model, args.device, args.precision)
            reports.append({"model": model, "sets": _score(sets, predict, args)})
        _write(reports, args.output)
    return 0


def _score(sets: dict[str, Dataset], predict: Any, args: argparse.Namespace) -> dict[str, Any]:
    from tqdm import tqdm

    from prv2_ros.evaluation.sets import score_set

    blocks: dict[str, Any] = {}
    for source, dataset in sets.items():
        chosen = range(0, len(dataset), args.every)
        with tqdm(total=len(chosen), desc=source, unit="frame") as progress:
            left_out: list[str] = []

            def count(_: str = "", progress: Any = progress) -> None:
                progress.update()

            def skip(reason: str, progress: Any = progress, left_out: list[str] = left_out) -> None:
                progress.update()
                left_out.append(reason)

            frames = _readable(dataset, chosen, skip)
            block = score_set(frames, predict, max_depth_m=args.max_depth, constant=False, tick=count)
        if not block["frames"]:
            raise InputError(f"{source}: none of {len(chosen)} frames can be read; the first: {left_out[0]}")
        if left_out:
            _logger.warning("%s: left out %d of %d frames: %s", source, len(left_out), len(chosen), left_out[0])
        blocks[source] = block | {"left_out": left_out}
    return blocks


def _readable(dataset: Dataset, chosen: Sequence[int], skip: Callable[[str], None]) -> Iterator[TruthFrame]:
    """Frames of a data set that can be read and hold any truth; `skip` is told why another one is not."""
    import numpy as np

    from prv2_ros.evaluation.frames import TruthFrame

    for number in chosen:
        try:
            frame = dataset[number]
        except (InputError, OSError) as error:
            skip(str(error))
            continue
        if not (np.isfinite(frame.depth_m) & (frame.depth_m > 0)).any():
            skip(f"{frame.name}: no depth is known")
            continue
        yield TruthFrame(
            name=frame.name, kind=frame.kind, image=frame.image, truth_m=frame.depth_m, camera=frame.camera
        )


def _write(reports: Sequence[dict[str, Any]], output: Path) -> None:
    from prv2_ros.evaluation.report import markdown
    from prv2_ros.evaluation.sets import plain
    from prv2_ros.files import whole_file

    tables = "\n".join(markdown(report) for report in reports)
    for name, text in (("score.json", json.dumps(plain(reports), indent=1) + "\n"), ("score.md", tables)):
        with whole_file(output / name) as file:
            file.write(text.encode())
    print(tables)
