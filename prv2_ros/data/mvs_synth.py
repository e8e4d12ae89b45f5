"""MVS-Synth: 120 sequences of 100 frames from a game's city, rendered at 1920x1080, 1280x720 and 960x540 px.

Source: Huang et al., DeepMVS, CVPR 2018 (phuang17.github.io/DeepMVS/mvs-synth.html). The layout is as Map-Anything's
converter (data_processing/wai_processing/scripts/conversion/mvs_synth.py) describes it. Facts:

- `GTAV_{1080,720,540}/SSSS/{images/NNNN.png, depths/NNNN.exr, poses/NNNN.json}`.
- The JSON holds f_x, f_y, c_x, c_y (px) and `extrinsic`; c_x, c_y are half the image's size, so they count from the
  corner of the first pixel, and half a pixel is taken off here.
- Depth is one EXR channel along z; sky is +inf.
- Its unit is not stated. Map-Anything measured cars and people in it and divides by 10 to get metres; so does this
  reader. That factor is a measurement of theirs, not verified here.

The authors publish no split; all of it is training data in DeepMVS. The one split here is `all`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from prv2_ros.data.dataset_files import (
    ListedFrames,
    files_by_stem,
    known_depth,
    make_frame,
    pinhole,
    read_json,
    read_rgb,
    subfolders,
    wrong_layout,
)
from prv2_ros.data.exr import read_exr
from prv2_ros.data.frames import Frame
from prv2_ros.errors import InputError

NAME = "mvs_synth"
SPLITS = ("all",)

_UNITS_PER_M = 10.0


@dataclass(frozen=True, kw_only=True)
class SynthItem:
    """One frame of a sequence."""

    sequence: Path
    stem: str


def open_mvs_synth(root: Path, split: str) -> ListedFrames[SynthItem]:
    """List all frames of all sequences.

    Raises:
        InputError: the folder has no sequences, or one lacks `depths` or `poses`.

    """
    names = subfolders(root)
    items: list[SynthItem] = []
    for name in names:
        sequence = root / name
        stems = files_by_stem(sequence / "images", ".png")
        if not stems:
            continue
        for other, ending in (("depths", ".exr"), ("poses", ".json")):
            if not files_by_stem(sequence / other, ending):
                raise wrong_layout(
                    sequence, f"{other}/NNNN{ending} beside images/NNNN.png", "unpack GTAV_*.tar.gz again"
                )
        items += [SynthItem(sequence=sequence, stem=stem) for stem in stems]
    if not items:
        inner = [name for name in names if name.startswith("GTAV_")]
        way_out = f"give {root / inner[-1]}" if inner else "give the folder GTAV_1080, GTAV_720 or GTAV_540"
        raise wrong_layout(root, "sequences SSSS/images/NNNN.png, SSSS/depths/NNNN.exr, SSSS/poses/NNNN.json", way_out)
    return ListedFrames(name=NAME, split=split, items=items, read=read_item, shown=_shown)


def _shown(item: SynthItem) -> tuple[Path, ...]:
    sequence, stem = item.sequence, item.stem
    return sequence / "images" / f"{stem}.png", sequence / "poses" / f"{stem}.json"


def read_item(item: SynthItem) -> Frame:
    """Read one frame."""
    path = item.sequence / "images" / f"{item.stem}.png"
    image = read_rgb(path)
    pose_file = item.sequence / "poses" / f"{item.stem}.json"
    pose = read_json(pose_file)
    try:
        fx, fy, cx, cy = (float(pose[key]) for key in ("f_x", "f_y", "c_x", "c_y"))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{pose_file}: looked for the numbers f_x, f_y, c_x, c_y; fetch it again") from error
    height, width = image.shape[:2]
    return make_frame(
        name=f"{item.sequence.name}_{item.stem}",
        kind=item.sequence.name,
        image=image,
        depth_m=known_depth(read_exr(item.sequence / "depths" / f"{item.stem}.exr") / _UNITS_PER_M),
        camera=pinhole(pose_file, (width, height), fx=fx, fy=fy, cx=cx - 0.5, cy=cy - 0.5),
        source=path,
    )
