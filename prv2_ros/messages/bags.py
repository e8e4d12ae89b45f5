"""Bags of ROS 1 and ROS 2 through `rosbags`, with no ROS installed: opening, reading, and errors in one line.

A bag is a rosbag2 folder (mcap or sqlite3; files or messages may be compressed with zstd), one .mcap or .db3 file, or
a ROS 1 .bag. Messages of ROS 1 get the field names of ROS 2, so nothing above this module tells the two apart.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

from prv2_ros.errors import InputError

_STAMP_ROS1 = struct.Struct("<III")
_STAMPS_CDR = {0: struct.Struct(">iI"), 1: struct.Struct("<iI")}
_STEP_NS = 1_000_000
_MOST_DAMAGE = 50
_ADVICE = (
    ("metadata", "name its .mcap or .db3 file, or rebuild it with `ros2 bag reindex`"),
    ("end magic", "the file is cut short (a recording that was not closed); repair it with `mcap recover`"),
    ("database", "restore it from its source, or try `sqlite3 FILE .recover`"),
    ("not indexed", "repair it with `rosbag reindex`"),
    ("no type definitions", "record it again with a ROS 2 of Humble or later, or convert it to mcap"),
)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One topic of a bag."""

    name: str
    msgtype: str
    """Such as `sensor_msgs/msg/Image`, for ROS 1 as well."""

    count: int
    """Messages that the bag says it has."""

    latched: int = 0
    """Messages that its publishers kept for late subscribers (latched, transient local)."""


@dataclass(frozen=True, kw_only=True)
class RawMessage:
    """A message as it lies in the bag."""

    topic: str
    msgtype: str
    bag_ns: int
    """When it was recorded (ns)."""

    data: bytes


class Bag:
    """An open bag; use it in a `with` block.

    Raises:
        InputError: from every method, where the bag is missing, damaged or of a kind that cannot be read. Whatever
            goes wrong while damaged bytes are read (also a MemoryError after a broken length) ends as this error.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damage: list[str] = []
        """What could not be read, a line for each damaged stretch that reading has met."""
        self._reader: Any = None
        self._ros2_types: Any = None

    def __enter__(self) -> Bag:
        """Open the bag."""
        self._check_path()
        try:
            from rosbags.highlevel import AnyReader  # optional: the node and `prv2 predict` read no bags
        except ModuleNotFoundError as error:
            raise InputError(f"bags need the package {error.name}: `pip install rosbags`") from error
        try:
            # Older sqlite3 bags hold no definitions; the messages used here are the same in every later ROS 2.
            reader = AnyReader([self.path], default_typestore=_store())
            reader.open()
        except Exception as error:  # damaged bytes raise whatever they happen to break
            raise self._error(error) from error
        self._reader = reader
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it; a reader of a damaged file may fail at that, too."""
        with suppress(Exception):
            self._reader.close()

    @property
    def is_ros2(self) -> bool:
        """False for a ROS 1 bag."""
        return bool(self._reader.is2)

    def cdr(self, raw: RawMessage) -> bytes:
        """Bytes of a message as ROS 2 sends them."""
        if self.is_ros2:
            return raw.data
        if self._ros2_types is None:
            # ROS 2's own definitions (a header without `seq`), and the bag's where ROS 2 has none of that name.
            self._ros2_types = _store()
            own = self._reader.typestore.fielddefs
            self._ros2_types.register({k: v for k, v in own.items() if k not in self._ros2_types.fielddefs})
        try:
            return bytes(self._ros2_types.ros1_to_cdr(raw.data, raw.msgtype))
        except Exception as error:
            what = f"message on {raw.topic} recorded at {raw.bag_ns} ns"
            raise InputError(f"{what} is no {raw.msgtype} of ROS 2: leave its topic out") from error

    @property
    def typestore(self) -> Any:
        """The `rosbags` typestore with the bag's own definitions."""
        return self._reader.typestore

    @property
    def connections(self) -> list[Any]:
        """The `rosbags` connections, for copying the bag."""
        return list(self._reader.connections)

    def topics(self) -> dict[str, Topic]:
        """Topics by name; a name that was recorded with several types has the first one's, and all its counts."""
        found: dict[str, Topic] = {}
        for connection in self._reader.connections:
            before = found.get(connection.topic)
            found[connection.topic] = Topic(
                name=connection.topic,
                msgtype=before.msgtype if before else connection.msgtype,
                count=int(connection.msgcount) + (before.count if before else 0),
                latched=_latched(connection.ext) + (before.latched if before else 0),
            )
        return dict(sorted(found.items()))

    def messages(
        self, topics: Sequence[str] | None = None, *, start_ns: int | None = None, stop_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """Messages in the order of recording; damaged stretches are stepped over and told in `damage`.

        Args:
            topics: names of the topics to read; None for all.
            start_ns: first time of recording (ns).
            stop_ns: time of recording that ends the reading, itself left out (ns).

        """
        wanted = [c for c in self._reader.connections if topics is None or c.topic in topics]
        last_ns = start_ns if start_ns is not None else 0
        stretches = 0  # of this reading: a bag that is played in a loop is read over and over
        while wanted:
            try:
                for connection, bag_ns, data in self._reader.messages(wanted, start=start_ns, stop=stop_ns):
                    last_ns = int(bag_ns)
                    yield RawMessage(topic=connection.topic, msgtype=connection.msgtype, bag_ns=last_ns, data=data)
                return
            except GeneratorExit:
                raise
            except Exception as error:
                told = str(self._error(error))
                if told not in self.damage:
                    self.damage.append(told)
            stretches += 1
            if stretches > _MOST_DAMAGE:
                return
            start_ns = self._readable_after(wanted, last_ns, stop_ns)
            if start_ns is None:
                return

    def _readable_after(self, wanted: list[Any], damaged_ns: int, stop_ns: int | None) -> int | None:
        """First time, to a millisecond, from which reading works again; None where there is none."""

        def works(start_ns: int) -> bool:
            try:
                next(iter(self._reader.messages(wanted, start=start_ns, stop=stop_ns)), None)
            except Exception:  # damaged bytes raise whatever they happen to break
                return False
            return True

        try:
            end_ns = int(self._reader.end_time)
            damaged_ns = max(damaged_ns, int(self._reader.start_time))
        except Exception:
            return None
        step_ns = _STEP_NS
        while not works(damaged_ns + step_ns):
            damaged_ns += step_ns
            step_ns *= 2
            if damaged_ns >= end_ns:
                return None
        good_ns = damaged_ns + step_ns
        while good_ns - damaged_ns > _STEP_NS:
            middle = (good_ns + damaged_ns) // 2
            if works(middle):
                good_ns = middle
            else:
                damaged_ns = middle
        return good_ns

    def stamp_ns(self, raw: RawMessage) -> int:
        """Stamp in the header of a message whose first field is a std_msgs/Header, read without the rest of it."""
        try:
            if not self.is_ros2:
                _, seconds, nanoseconds = _STAMP_ROS1.unpack_from(raw.data)
            else:
                seconds, nanoseconds = _STAMPS_CDR[raw.data[1] & 1].unpack_from(raw.data, 4)
        except (struct.error, IndexError) as error:
            raise InputError(f"message on {raw.topic} of {len(raw.data)} B is cut short: it has no header") from error
        return int(seconds) * 1_000_000_000 + int(nanoseconds)

    def message(self, raw: RawMessage) -> Any:
        """Deserialise a message; CameraInfo and DisparityImage of ROS 1 get the field names of ROS 2.

        Raises:
            InputError: the bytes are no message of that type.

        """
        try:
            message = self._reader.deserialize(raw.data, raw.msgtype)
        except Exception as error:
            raise InputError(
                f"message on {raw.topic} recorded at {raw.bag_ns} ns is no {raw.msgtype}: it is damaged"
            ) from error
        if raw.msgtype == "sensor_msgs/msg/CameraInfo":
            return _camera_info(message)
        if raw.msgtype == "stereo_msgs/msg/DisparityImage" and not self.is_ros2:
            fields = {name: getattr(message, name) for name in ("header", "image", "f", "min_disparity")}
            return SimpleNamespace(**fields, t=message.T)
        return message

    def _check_path(self) -> None:
        if not self.path.exists():
            raise InputError(f"bag {self.path}: no such file or folder")
        if self.path.is_dir() and not (self.path / "metadata.yaml").is_file():
            files = [p.name for p in sorted(self.path.iterdir()) if p.suffix in (".mcap", ".db3", ".bag", ".zstd")]
            hint = f"it holds {', '.join(files[:3])}: name the file" if files else "name a bag's folder or file"
            raise InputError(f"bag {self.path}: no metadata.yaml ({hint}, or rebuild it with `ros2 bag reindex`)")
        if self.path.is_dir() and self.path.suffix == ".bag":
            raise InputError(f"bag {self.path}: a folder whose name ends in .bag is taken for ROS 1; rename it")
        if self.path.is_file() and self.path.suffix not in (".mcap", ".db3", ".bag"):
            raise InputError(f"bag {self.path}: {self.path.suffix or 'no suffix'} is not .mcap, .db3, .bag or a folder")

    def _error(self, error: Exception) -> InputError:
        text = " ".join(str(error).split())[:300]
        if not isinstance(error, OSError) and type(error).__name__ not in ("ReaderError", "AnyReaderError"):
            text = f"it is damaged ({type(error).__name__}: {text})"
        advice = next((told for word, told in _ADVICE if word in text), "check it with `ros2 bag info`")
        return InputError(f"bag {self.path} cannot be read: {text.rstrip('.')}: {advice}")


def _latched(ext: Any) -> int:
    """How many messages the publishers of a connection kept."""
    if hasattr(ext, "latching"):  # ROS 1
        return int(bool(ext.latching))
    return sum(max(1, qos.depth) for qos in ext.offered_qos_profiles if qos.durability.name == "TRANSIENT_LOCAL")


def missing_messages(found: int, expected: int, where: str, *, damaged: int = 0) -> str | None:
    """Say in a line that a bag gave another number of messages than it says it has; None where it gave as many.

    Args:
        found: messages that were read.
        expected: messages that its index says it has.
        where: the topics of both, in words.
        damaged: messages that were found and could not be read.

    """
    if found == expected:
        return None
    told = f" ({damaged} of them damaged)" if damaged else ""
    what = f"{found} of the {expected} messages that the bag says it has on {where}"
    return f"{what} could be read{told}: it is cut short or damaged"


def _store() -> Any:
    from rosbags.typesys import Stores, get_typestore

    return get_typestore(Stores.ROS2_HUMBLE)


def _camera_info(message: Any) -> Any:
    """Plain copy of a CameraInfo with the names of ROS 2, which can be sent to another process."""
    # ROS 1 writes D, K, R, P.
    fields = {name: getattr(message, name if hasattr(message, name) else name.upper()) for name in "dkrp"}
    roi = message.roi
    return SimpleNamespace(
        frame_id=str(message.header.frame_id),
        width=int(message.width),
        height=int(message.height),
        distortion_model=str(message.distortion_model),
        **{name: tuple(float(v) for v in values) for name, values in fields.items()},
        binning_x=int(message.binning_x),
        binning_y=int(message.binning_y),
        roi=SimpleNamespace(**{name: int(getattr(roi, name)) for name in ("x_offset", "y_offset", "width", "height")}),
    )
