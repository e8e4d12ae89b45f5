"""`prv2 synth`: writes procedural frames with exact depth as a folder."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from prv2_ros.errors import InputError

_SHAPES = ((384, 256), (384, 288), (400, 224), (320, 320), (384, 256), (288, 384))
"""Width and height of the small frames that train the coarse network, by seed."""


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("synth", help="write procedural frames with exact metric depth")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--start", type=int, default=0, help="first seed (default 0)")
    parser.add_argument("--count", type=int, default=16, help="number of frames (default 16)")
    parser.add_argument("--size", default="mixed", help="WIDTHxHEIGHT in px, or `mixed` small shapes (default)")
    parser.add_argument("--kind", default=None, help="one kind of scene instead of the mixture")
    parser.add_argument("--tiles", action="store_true", help="overviews with native tiles, for the refiner")
    parser.add_argument("--device", default="cpu", help="where to render (default cpu)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Render and write; frames that are there already are kept."""
    import torch
    from tqdm import tqdm

    from prv2_ros.data import tiles
    from prv2_ros.data.frames import Frame, write_frame
    from prv2_ros.data.synthetic import render
    from prv2_ros.data.tiles import write_tile_scene

    torch.set_num_threads(args.threads)
    args.output.mkdir(parents=True, exist_ok=True)
    for seed in tqdm(range(args.start, args.start + args.count), unit="frame"):
        if (args.output / f"{seed:08d}.json").exists():
            continue
        if args.tiles:
            write_tile_scene(args.output, tiles.render(seed, device=args.device))
            continue
        width, height = _SHAPES[seed % len(_SHAPES)] if args.size == "mixed" else _parse_size(args.size)
        frame = render(seed, width, height, device=args.device, kind=args.kind)
        write_frame(
            args.output,
            Frame(name=f"{seed:08d}", image=frame.image, depth_m=frame.depth_m, camera=frame.camera, kind=frame.kind),
        )
    return 0


def _parse_size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit()):
        raise InputError(f"size {text!r}: expected WIDTHxHEIGHT, for example 1920x1080")
    return int(width), int(height)
