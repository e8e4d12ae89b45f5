"""Where training pictures come from: folders of frames and of tile scenes, data sets, or rendered as training goes."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from prv2_ros.data import tiles
from prv2_ros.data.dataset_files import file_states
from prv2_ros.data.folder import FRAMES_NAME
from prv2_ros.data.frames import Frame, list_scenes, picture_files, read_frame
from prv2_ros.data.readers import parse_source
from prv2_ros.data.synthetic import render
from prv2_ros.data.tiles import TileScene, read_tile_scene
from prv2_ros.errors import InputError

_ONLINE_SEED = 100_000_000  # away from the seeds that are held aside


@dataclass(frozen=True, kw_only=True)
class Item:
    """One picture of a source; reading is put off until a worker process needs it."""

    name: str
    """Unlike the names of the source's other items, and still its own where the list has grown."""

    read: Callable[[], Frame]
    """The whole picture with its truth."""

    read_scene: Callable[[], TileScene]
    """The whole picture and what is known of its native pixels, which may be the same."""

    state: Callable[[], str]
    """A text that stays equal as long as the picture and its camera do, without reading them."""


def list_items(source: str) -> list[Item]:
    """Items of a source, in order of name.

    Args:
        source: a folder that `prv2 synth` wrote, with or without `--tiles`, or a data set as `parse_source` of
            prv2_ros.data.readers takes it (kitti:/data/kitti:train).

    Raises:
        InputError: the folder is missing or holds no frames, or the data set is unknown or laid out in another way.

    """
    parsed = parse_source(source)
    if parsed.name != FRAMES_NAME:
        dataset = parsed.open()
        reads = [partial(dataset.__getitem__, k) for k in range(len(dataset))]
        return [
            Item(name=dataset.key(k), read=read, read_scene=partial(_read_whole, read), state=partial(dataset.state, k))
            for k, read in enumerate(reads)
        ]
    scenes = list_scenes(parsed.root)
    if not scenes:
        raise InputError(f"{parsed.root} holds tiles alone (NAME-K.json), and not the pictures that they are parts of")
    return [
        Item(
            name=path.stem,
            read=partial(read_frame, path),
            read_scene=partial(_scene, path, tiles),
            state=partial(_state, path),
        )
        for path, tiles in scenes.items()
    ]


def tile_folder(source: str) -> Path:
    """Folder of tile scenes that a source names, as FOLDER, frames:FOLDER or frames:FOLDER:all; it is not looked into.

    Raises:
        InputError: the source is a data set of another kind, or none that is known.

    """
    parsed = parse_source(source)
    if parsed.name != FRAMES_NAME:
        raise InputError(f"stage refiner learns from folders that `prv2 synth --tiles` wrote, and {source} is none")
    return parsed.root


def list_tile_scenes(source: str) -> dict[Path, tuple[Path, ...]]:
    """Pictures of a source of tile scenes, and the tiles of each, as `list_scenes` gives them.

    Raises:
        InputError: as of `tile_folder`, or none of its pictures has a tile.

    """
    scenes = list_scenes(tile_folder(source))
    if not any(scenes.values()):
        raise InputError(f"no tiles in {source}: write them with `prv2 synth --tiles`")
    return scenes


def check_sources(stage: str, sources: Sequence[str]) -> None:
    """List every source of a stage: a worker process that does so later can only say it with a traceback.

    Raises:
        InputError: a source that is missing, empty or of another kind, or none where the stage needs some.

    """
    if stage == "far" and not sources:
        raise InputError("stage far needs --data: pictures of 1280 px or wider (`prv2 synth --size 1280x720`)")
    for source in sources:
        if stage == "refiner":
            list_tile_scenes(source)
        else:
            list_items(source)


def whole_scene(frame: Frame) -> TileScene:
    """Take a frame for a scene: all of its pixels are native."""
    return TileScene(overview=frame, tiles=(frame,))


def _read_whole(read: Callable[[], Frame]) -> TileScene:
    return whole_scene(read())


def _state(path: Path) -> str:
    return file_states(picture_files(path))


def _scene(path: Path, tiles: Sequence[Path]) -> TileScene:
    return read_tile_scene(path, tiles) if tiles else whole_scene(read_frame(path))


class Draw:
    """Draws items at random from sources, each by its share, or renders a picture where there are no sources."""

    def __init__(self, sources: tuple[str, ...], shares: tuple[float, ...] = ()) -> None:
        """List every source."""
        self.sources = sources
        self.shares = np.asarray(shares or [1.0] * len(sources))
        self.items = [list_items(source) for source in sources]

    def relist(self) -> None:
        """Look again: folders may grow while training runs; data sets do not."""
        for k, source in enumerate(self.sources):
            if parse_source(source).name == FRAMES_NAME:
                self.items[k] = list_items(source)

    def restrict(self, keys: Container[tuple[int, str]]) -> None:
        """Draw from now on only items of these keys: number of the source and name of the item.

        Raises:
            InputError: nothing is left of a source.

        """
        self.items = [[item for item in items if (k, item.name) in keys] for k, items in enumerate(self.items)]
        for source, items in zip(self.sources, self.items, strict=True):
            if not items:
                raise InputError(f"{source}: all of its pictures were replaced since the run began; start it again")

    def item(self, rng: np.random.Generator) -> tuple[int, Item]:
        """Draw an item; gives the number of its source, too (-1 for a picture that is rendered)."""
        if not self.sources:
            return -1, _rendered(_ONLINE_SEED + int(rng.integers(2**40)))
        source = int(rng.choice(len(self.items), p=self.shares / self.shares.sum()))
        return source, self.items[source][int(rng.integers(len(self.items[source])))]


def _rendered(seed: int) -> Item:
    return Item(
        name=str(seed),
        read=partial(_frame_of, seed),
        read_scene=partial(tiles.render, seed, 1),
        state=partial(str, seed),
    )


def _frame_of(seed: int) -> Frame:
    made = render(seed, 480, 320)
    return Frame(name="online", image=made.image, depth_m=made.depth_m, camera=made.camera, kind=made.kind)
