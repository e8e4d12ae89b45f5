"""Evaluates bags with bytes flipped or cut off, and counts how each one ends.

    python benchmarks/corrupted_bags.py --count 1000

A run may end with an error line or with a report, never with anything else: another exception and a run of more than
20 s are faults, and so are frames that are missing without a word. Where the storage has checksums (mcap as ROS 2
records it: a CRC for each chunk) a frame whose scores differ from those of the intact bag is a fault, too. ROS 1 and
sqlite3 bags have none: a flipped pixel is a pixel like any other there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections import Counter
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "test"))  # samples with known depth
from bag_samples import Samples, scaled_truth
from mcap_checksums import add_checksums

from prv2_ros.errors import Prv2Error
from prv2_ros.evaluation.config import load_config
from prv2_ros.evaluation.run import Options, score_bags

LIMIT_S = 20


class TooLong(BaseException):
    """A run that does not end."""


@contextmanager
def limited(seconds: int) -> Any:
    def stop(number: int, frame: Any) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def corrupt(folder: Path, random: Random) -> str:
    """Damage one file of a bag in one way and say which."""
    files = sorted(p for p in ([folder] if folder.is_file() else folder.iterdir()))
    weights = [max(p.stat().st_size, 20_000) for p in files]
    (path,) = random.choices(files, weights)
    data = bytearray(path.read_bytes())
    kind = random.choice(["flip", "flip", "many", "cut", "zero", "tail"])
    if kind == "flip":
        for _ in range(random.choice([1, 1, 4])):
            data[random.randrange(len(data))] ^= 1 << random.randrange(8)
    elif kind == "many":
        for _ in range(200):
            data[random.randrange(len(data))] = random.randrange(256)
    elif kind == "cut":
        del data[random.randrange(len(data)) :]
    elif kind == "tail":  # the index at the end, on which reading depends
        for _ in range(3):
            data[-1 - random.randrange(min(2000, len(data)))] = random.randrange(256)
    else:
        start = random.randrange(len(data))
        end = min(len(data), start + random.randrange(1, 5000))
        data[start:end] = bytes(end - start)
    path.write_bytes(data)
    return f"{kind} {path.suffix}"


def scores(bag: Path, folder: Path) -> dict[str, Any]:
    """Scores of every frame by camera and stamp."""
    options = Options(output=folder, load_engine=scaled_truth)
    outcome = score_bags([bag], load_config(None), options)
    found = {}
    for record in outcome.evaluation.records:
        kept = {name: score for name, score in record.to_json()["scores"].items() if name != "flicker"}
        found[f"{record.key.camera} {record.key.stamp_ns}"] = json.dumps(kept)  # flicker hangs on the frame before
    told = bool(outcome.evaluation.skipped)
    return {"frames": found, "told": told}


def run(count: int, seed: int, storages: tuple[str, ...] = ("mcap", "sqlite3", "ros1")) -> Counter[str]:
    """Evaluate `count` corrupted bags; the keys that start with FAULT must not be there."""
    from tqdm import tqdm

    ends: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        intact: dict[str, tuple[Path, dict[str, Any]]] = {}
        for storage in storages:
            bag = root / ("intact_ros1.bag" if storage == "ros1" else f"intact_{storage}")
            Samples(frames=3, truth="lidar", storage=storage, chunk_per_frame=True).write(bag)
            if storage == "mcap":
                add_checksums(bag / f"{bag.name}.mcap")
            intact[storage] = (bag, scores(bag, root / "out")["frames"])
            assert len(intact[storage][1]) == 3
        for number in tqdm(range(count), unit="bag", disable=None):
            random = Random(seed * 1_000_003 + number)
            storage = storages[number % len(storages)]
            bag = root / ("case.bag" if storage == "ros1" else "case")
            _copy(intact[storage][0], bag)
            how = corrupt(bag, random)
            end = _end_of(bag, root / "out", intact[storage][1], storage)
            if end.startswith("FAULT"):
                print(f"case {number}: {storage}, {how}: {end}", file=sys.stderr)
            ends[f"{storage}: {end}" if not end.startswith("FAULT") else end] += 1
    return ends


def _copy(source: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.unlink(missing_ok=True)
    if source.is_file():
        shutil.copy(source, target)
        return
    shutil.copytree(source, target)


def _end_of(bag: Path, output: Path, intact: dict[str, Any], storage: str) -> str:
    errors = StringIO()
    try:
        with limited(LIMIT_S), redirect_stderr(errors):
            result = scores(bag, output)
    except Prv2Error as error:
        return "error line" if "\n" not in str(error) else "FAULT: error of several lines"
    except TooLong:
        return "FAULT: hang"
    except BaseException as error:
        return f"FAULT: {type(error).__name__}: {str(error)[:200]}"
    frames = result["frames"]
    changed = [key for key, value in frames.items() if key in intact and value != intact[key]]
    strange = [key for key in frames if key not in intact]
    if storage == "mcap" and (changed or strange):
        return f"FAULT: wrong figure for {(changed + strange)[0]}"
    if len(frames) < len(intact) and not result["told"]:
        return "FAULT: frames missing without a word"
    if not frames:
        return "nothing scored, reasons told"
    if len(frames) < len(intact) or result["told"]:
        return "partial, told"
    return "all frames, damaged pixels (no checksum)" if changed else "all frames, same figures"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    ends = run(arguments.count, arguments.seed)
    for end, number in sorted(ends.items()):
        print(f"{number:5d}  {end}")
    return 1 if any(end.startswith("FAULT") for end in ends) else 0


if __name__ == "__main__":
    sys.exit(main())
