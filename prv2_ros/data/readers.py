"""The data sets that can be read, by name.

    dataset = open_dataset("kitti", Path("/data/kitti"), "val")
    frame = dataset[0]  # prv2_ros.data.frames.Frame

What each data set's layout, units, coding and splits are, and where that is written, stands at the top of its module.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from prv2_ros.data import cityscapes, eth3d, folder, kitti, mvs_synth, scannetpp, unreal_stereo
from prv2_ros.data.dataset_files import Dataset
from prv2_ros.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How to open one data set."""

    splits: tuple[str, ...]
    """Names of its splits; the first is taken where none is named."""

    open: Callable[[Path, str], Dataset]
    """Lists a split: root folder and name of the split to the data set."""


READERS: Mapping[str, Reader] = MappingProxyType(
    {
        unreal_stereo.NAME: Reader(splits=unreal_stereo.SPLITS, open=unreal_stereo.open_unreal_stereo),
        mvs_synth.NAME: Reader(splits=mvs_synth.SPLITS, open=mvs_synth.open_mvs_synth),
        kitti.NAME: Reader(splits=kitti.SPLITS, open=kitti.open_kitti),
        cityscapes.NAME: Reader(splits=cityscapes.SPLITS, open=cityscapes.open_cityscapes),
        scannetpp.NAME: Reader(splits=scannetpp.SPLITS, open=scannetpp.open_scannetpp),
        eth3d.NAME: Reader(splits=eth3d.SPLITS, open=eth3d.open_eth3d),
        folder.NAME: Reader(splits=folder.SPLITS, open=folder.open_folder),
        folder.FRAMES_NAME: Reader(splits=folder.FRAMES_SPLITS, open=folder.open_frames),
    }
)
"""Every data set by name."""

_FORM = "NAME:FOLDER or NAME:FOLDER:SPLIT, such as kitti:/data/kitti:val"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set on this machine, as a command line names it."""

    name: str
    root: Path
    split: str

    def open(self) -> Dataset:
        """List its frames."""
        return open_dataset(self.name, self.root, self.split)


def open_dataset(name: str, root: Path, split: str | None = None) -> Dataset:
    """List the frames of a data set's split; nothing but directory entries and lists of splits is read.

    Args:
        name: one of `READERS`.
        root: the data set's folder.
        split: one of the reader's splits; None for the first one.

    Raises:
        InputError: the name or the split is unknown, or the folder is missing or not laid out as it should be; the
            text says what was looked for where.

    """
    reader = _reader(name)
    chosen = reader.splits[0] if split is None else _known_split(name, split)
    if not root.is_dir():
        raise InputError(f"no folder {root}: give the folder of {name}")
    dataset = reader.open(root, chosen)
    if not len(dataset):
        raise InputError(f"{root}: {name} has no frame of split {chosen!r} there; unpack the data set again")
    return dataset


def parse_source(text: str) -> Source:
    """Take apart NAME:FOLDER or NAME:FOLDER:SPLIT; a folder alone is one that `prv2 synth` wrote.

    What follows the last colon is a split unless that whole text is a folder, so folders may have colons in their
    names. The folder is not looked into.

    Raises:
        InputError: the name or the split is unknown, or there is no folder in the text.

    """
    name, colon, rest = text.partition(":")
    if not colon or (name not in READERS and Path(text).is_dir()):
        if not text or text in READERS:
            raise InputError(f"data source {text!r} names no folder: give {_FORM}")
        return Source(name=folder.FRAMES_NAME, root=Path(text), split=folder.FRAMES_SPLITS[0])
    reader = _reader(name)
    root, colon, split = rest.rpartition(":")
    if not colon or Path(rest).is_dir():
        root, split = rest, reader.splits[0]
    if not root:
        raise InputError(f"data source {text!r} names no folder: give {_FORM}")
    return Source(name=name, root=Path(root), split=_known_split(name, split))


def _reader(name: str) -> Reader:
    if name not in READERS:
        raise InputError(f"unknown data set {name!r}: choose one of {', '.join(READERS)}, as {_FORM}")
    return READERS[name]


def _known_split(name: str, split: str) -> str:
    splits = READERS[name].splits
    if split not in splits:
        raise InputError(f"{name} has no split {split!r}: choose one of {', '.join(splits)}")
    return split
