"""`prv2 synth`: writes procedural frames with exact depth as a folder or as a ROS 2 bag."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from prv2_ros.cli.ending import end_on_sigterm
from prv2_ros.cli.output import output_folder
from prv2_ros.errors import InputError

if TYPE_CHECKING:
    from tqdm import tqdm

    from prv2_ros.cli.kept_frames import WantedFrame
    from prv2_ros.data.synthetic import SyntheticFrame

_logger = logging.getLogger(__name__)

_SHAPES = ((384, 256), (384, 288), (400, 224), (320, 320), (384, 256), (288, 384))
"""Width and height of the small frames that train the coarse network, by seed."""

_BAG_SIZE = "640x480"

_LEAST_PX = 16

_KINDS = (
    "room", "plain", "tabletop", "corridor", "garage", "warehouse", "street", "road", "yard", "offroad", "driving",
    "close", "avenue", "desk", "busy",
)  # fmt: skip
"""Those of prv2_ros.data.synthetic, for the help: that module needs torch, which takes seconds to load."""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("synth", help="write procedural frames with exact metric depth")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", type=Path, help="folder to write a data set to; frames that it has are kept")
    where.add_argument("--bag", type=Path, help="ROS 2 bag (mcap) to write: image, camera_info and depth at 10 Hz")
    parser.add_argument("--start", type=int, default=0, help="first seed (default 0)")
    parser.add_argument("--count", type=int, default=16, help="number of frames (default 16)")
    parser.add_argument(
        "--size", help=f"WIDTHxHEIGHT in px (default: `mixed` small shapes; {_BAG_SIZE} in a bag or a drive)"
    )
    parser.add_argument("--kind", help=f"one kind of scene instead of the mixture: {', '.join(_KINDS)}")
    parser.add_argument("--drive", action="store_true", help="frames along one street instead of a scene each")
    parser.add_argument("--tiles", action="store_true", help="overviews with native tiles, for the refiner")
    parser.add_argument(
        "--tile-scale", type=float, help="resolution of the tiles over the overview's (default: 1 to 7.5 by seed)"
    )
    parser.add_argument("--tiles-anywhere", action="store_true", help="tiles at random places instead of at edges")
    parser.add_argument("--device", default="cpu", help="where to render: auto, cpu, cuda or cuda:N (default cpu)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of a process (default 1)")
    parser.add_argument("--jobs", type=int, default=1, help="processes that render a folder of scenes (default 1)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Render and write; frames of a folder that are there already are kept."""
    import torch

    from prv2_ros.inference.device import choose_device

    # All that can be wrong with the options is said before anything is made.
    _check_options(args)
    _check_scenes(args)
    args.device = str(choose_device(args.device))
    torch.set_num_threads(args.threads)
    if args.bag:
        return _write_bag(args)
    with output_folder(args.output):
        return _write_folder(args)


def _check_options(args: argparse.Namespace) -> None:
    for name, least in (("count", 1), ("start", 0), ("threads", 1)):
        if getattr(args, name) < least:
            raise InputError(f"--{name} {getattr(args, name)}: must be at least {least}")
    if args.tiles and (args.bag or args.drive):
        raise InputError("--tiles: a folder of separate scenes only, without --bag and --drive")
    if args.tiles and args.size is not None:
        raise InputError(f"--size {args.size} with --tiles: overviews have sizes of their own, leave it out")
    if not args.tiles and (args.tile_scale or args.tiles_anywhere):
        raise InputError("--tile-scale and --tiles-anywhere say how tiles are drawn: give --tiles, too")
    if args.jobs < 1 or (args.jobs > 1 and (args.bag or args.drive)):
        raise InputError(f"--jobs {args.jobs}: at least 1, and more than 1 for a folder of separate scenes only")
    if args.tile_scale is not None and not 1 <= args.tile_scale <= 16:
        raise InputError(f"--tile-scale {args.tile_scale:g}: give 1 to 16")


def _check_scenes(args: argparse.Namespace) -> None:
    if args.size not in (None, "mixed"):
        width, height = _parse_size(args.size)
        if min(width, height) < _LEAST_PX:
            raise InputError(f"--size {args.size}: both sides must be at least {_LEAST_PX} px")
    if args.kind is not None and args.kind not in _KINDS:
        raise InputError(f"--kind {args.kind!r}: expected one of {', '.join(_KINDS)}")
    if args.drive and args.kind not in (None, "street"):
        raise InputError(f"--drive with --kind {args.kind}: a drive goes along a street")


def _write_folder(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    if args.drive:
        _write_drive(args)
        return 0
    kept = _kept(args)
    seeds = [seed for seed in range(args.start, args.start + args.count) if seed not in kept]
    with tqdm(total=args.count, initial=args.count - len(seeds), unit="frame") as bar:
        if args.jobs > 1:
            _write_in_processes(seeds, args, bar)
        else:
            for seed in seeds:
                _write_scene(seed, args)
                bar.update()
    return 0


def _kept(args: argparse.Namespace) -> set[int]:
    """Seeds of the scenes that are there already; refuses frames that other options have made."""
    from prv2_ros.cli.kept_frames import WantedFrame
    from prv2_ros.data.synthetic import KINDS
    from prv2_ros.data.tiles import OVERVIEWS

    kinds = [args.kind] if args.kind else [kind for kind, (_, share) in KINDS.items() if share]
    wanted = {}
    for seed in range(args.start, args.start + args.count):
        size_wh = OVERVIEWS[seed % len(OVERVIEWS)] if args.tiles else _size(seed, args)
        wanted[f"{seed:08d}"] = WantedFrame(size_wh=size_wh, kinds=kinds, tiles=args.tiles, tile_scale=args.tile_scale)
    return {int(name) for name in _kept_of(wanted, args.output)}


def _kept_of(wanted: Mapping[str, WantedFrame], folder: Path) -> set[str]:
    """Names of the wanted frames that are there already; refuses frames that other options have made."""
    from prv2_ros.cli.kept_frames import check_kept_frame

    kept = {name for name in wanted if (folder / f"{name}.json").exists()}
    for name in sorted(kept):
        check_kept_frame(folder / f"{name}.json", wanted[name])
    if kept:
        _logger.info("kept %d of %d frames, which are in %s already", len(kept), len(wanted), folder)
    return kept


def _write_drive(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    from prv2_ros.cli.kept_frames import WantedFrame, check_kept_depth

    wanted = WantedFrame(size_wh=_parse_size(_bag_size(args)), kinds=("street",), tiles=False)
    names = [f"{args.start:08d}_{k:05d}" for k in range(args.count)]
    kept = _kept_of(dict.fromkeys(names, wanted), args.output)
    if len(kept) == len(names):
        return
    # What is kept is rendered, too: the noise of a frame depends on those before it.
    for name, frame in zip(names, tqdm(_drive(args), total=args.count, unit="frame"), strict=True):
        if name in kept:
            check_kept_depth(args.output / f"{name}.json", frame.depth_m)
        else:
            _write_frame(args.output, name, frame)


def _write_in_processes(seeds: list[int], args: argparse.Namespace, bar: tqdm[NoReturn]) -> None:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from concurrent.futures.process import BrokenProcessPool

    # Started afresh: a forked child cannot use CUDA, nor a parent's threads.
    with ProcessPoolExecutor(args.jobs, multiprocessing.get_context("spawn"), _start_process, (args.threads,)) as pool:
        try:
            running = [pool.submit(_write_in_process, seed, args) for seed in seeds]
            for future in as_completed(running):
                future.result()
                bar.update()
        except BrokenProcessPool as error:
            raise InputError(
                f"a process of --jobs {args.jobs} was ended, as for want of memory: give fewer, and run again; what is "
                "there is kept"
            ) from error
        except SystemExit:
            # Whoever has sent SIGTERM may not wait for the scenes that are being rendered.
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _start_process(threads: int) -> None:
    import torch

    end_on_sigterm()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)


def _end_with_parent() -> None:
    """Wait for the end of the parent, which no queue tells where it was killed, and end this process."""
    import multiprocessing

    parent, main = multiprocessing.parent_process(), threading.main_thread().ident
    assert parent is not None
    assert main is not None
    parent.join()
    signal.pthread_kill(main, signal.SIGTERM)  # to the process it would not wake the main thread from waiting


def _write_in_process(seed: int, args: argparse.Namespace) -> None:
    try:
        _write_scene(seed, args)
    except SystemExit:  # of SIGTERM: the pool would take it for the answer, and go on with the next
        os._exit(143)


def _write_scene(seed: int, args: argparse.Namespace) -> None:
    if args.tiles:
        from prv2_ros.data import tiles

        scene = tiles.render(
            seed, scale=args.tile_scale, anywhere=args.tiles_anywhere, kind=args.kind, device=args.device
        )
        tiles.write_tile_scene(args.output, scene)
    else:
        _write_frame(args.output, f"{seed:08d}", _frame(seed, args))


def _write_bag(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    try:
        from prv2_ros.data.bags import write_bag
    except ModuleNotFoundError as error:
        raise InputError(f"--bag needs the package {error.name}: pip install {error.name}") from error
    args.size = _bag_size(args)
    seeds = range(args.start, args.start + args.count)
    frames = _drive(args) if args.drive else (_frame(seed, args) for seed in seeds)
    write_bag(args.bag, tqdm(frames, total=args.count, unit="frame"))
    return 0


def _write_frame(folder: Path, name: str, frame: SyntheticFrame) -> None:
    from prv2_ros.data.frames import Frame, write_frame

    write_frame(
        folder, Frame(name=name, image=frame.image, depth_m=frame.depth_m, camera=frame.camera, kind=frame.kind)
    )


def _frame(seed: int, args: argparse.Namespace) -> SyntheticFrame:
    from prv2_ros.data.synthetic import render

    return render(seed, *_size(seed, args), device=args.device, kind=args.kind)


def _size(seed: int, args: argparse.Namespace) -> tuple[int, int]:
    """Width and height (px) of a separate scene."""
    return _SHAPES[seed % len(_SHAPES)] if args.size in (None, "mixed") else _parse_size(args.size)


def _drive(args: argparse.Namespace) -> Iterator[SyntheticFrame]:
    from prv2_ros.data.synthetic import drive

    return drive(args.start, args.count, *_parse_size(_bag_size(args)), device=args.device)


def _bag_size(args: argparse.Namespace) -> str:
    return _BAG_SIZE if args.size in (None, "mixed") else str(args.size)


def _parse_size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise InputError(f"--size {text!r}: expected WIDTHxHEIGHT, for example 1920x1080")
    return int(width), int(height)
