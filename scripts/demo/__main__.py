"""The demo behind scripts/demo.sh: write inputs, run the node, exchange messages, check, leave a page."""

from __future__ import annotations

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from demo import bags
from demo.check import DemoFailure, evaluate_scene, node_counters
from demo.folder import claim
from demo.node_process import NodeProcess
from demo.options import ROOT, Options, parse_options
from demo.page import Section, build_page, overview
from demo.pictures import jpeg
from prv2_ros.errors import Prv2Error
from prv2_ros.evaluation.frames import TruthFrame, motorcycle_frame

PROFILE = ROOT / "config" / "fastdds_large_data.xml"
DRIVE_SEED = 9_000_100
"""Held aside for measuring (prv2_ros.data.frames.HELD_ASIDE_SEEDS): nothing is trained on it."""

DRIVE_SIZE_PX = (1920, 1080)
SCORED_FRAMES = 5
PHOTO_TEXT = (
    "A real photograph with dense true depth (Middlebury 2014, as scikit-image ships it), sent with its true camera "
    "calibration. The model has never seen it, and was trained on no photograph with depth."
)
DRIVE_TEXT = (
    "A procedural street at 1920x1080 px with exact depth, from a seed that training does not use, played from a bag "
    "at 10 Hz. Pictures show the middle one of the scored frames."
)
Say = Callable[[str], None]


def drive_frames(count: int) -> Iterator[TruthFrame]:
    """Render the drive, with progress."""
    from prv2_ros.data.synthetic import drive

    rendered = drive(DRIVE_SEED, count, *DRIVE_SIZE_PX)
    for index, frame in enumerate(tqdm(rendered, desc="  rendering", total=count, unit="frame", file=sys.stderr)):
        yield TruthFrame(name=str(index), kind="drive", image=frame.image, truth_m=frame.depth_m, camera=frame.camera)


def node_environment() -> dict[str, str]:
    """Environment of node and client: a domain of their own, this machine only, shared memory for large images."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT / "scripts"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    environment.setdefault("ROS_DOMAIN_ID", str(os.getpid() % 90 + 10))
    environment[
        "ROS_LOCALHOST_ONLY" if os.environ.get("ROS_DISTRO") == "humble" else "ROS_AUTOMATIC_DISCOVERY_RANGE"
    ] = "1" if os.environ.get("ROS_DISTRO") == "humble" else "LOCALHOST"
    shared = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
    if shared is not None and shared.f_bavail * shared.f_frsize > 400 * 2**20:
        environment["FASTRTPS_DEFAULT_PROFILES_FILE"] = str(PROFILE)
    return environment


def write_inputs(folder: Path, frames: int) -> None:
    """Write both input bags."""
    bags.write_input_bag(folder / "photo", [motorcycle_frame()])
    bags.write_input_bag(folder / "drive", drive_frames(frames))


def exchange(folder: Path, node: NodeProcess, environment: dict[str, str], seconds: float) -> None:
    """Run the client process beside the node and watch both.

    Raises:
        DemoFailure: the node ended, or the client did not get its answers.

    """
    command = [sys.executable, "-m", "demo.exchange", *(str(folder / name) for name in ("photo", "drive", "answers"))]
    command += [str(folder / "exchange.json"), "--seconds", str(seconds)]
    with (
        (folder / "exchange.log").open("wb") as log,
        subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) as client,
    ):
        assert client.stderr is not None
        os.set_blocking(client.stderr.fileno(), False)
        try:
            while client.poll() is None:
                node.check_alive()
                _pass_on(client.stderr, log)
                time.sleep(0.1)
            _pass_on(client.stderr, log)
        finally:
            if client.poll() is None:
                client.kill()
    node.check_alive()
    if client.returncode != 0:
        lines = (folder / "exchange.log").read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        raise DemoFailure(f"the client failed: {lines[-1].removeprefix('error: ')} (node's log: {node.log})")


def _pass_on(source: Any, log: Any) -> None:
    """Show and keep what the client has written since."""
    data = source.read()
    if data:
        log.write(data)
        log.flush()
        sys.stderr.buffer.write(data)
        sys.stderr.flush()


def evaluate(
    folder: Path, environment: dict[str, str], model: str
) -> tuple[list[Section], dict[str, str], dict[str, str]]:
    """Check the recorded answers and score them: sections, the node's counters, facts of the run."""
    from prv2_ros.inference.engine import DepthEngine

    engine = DepthEngine.load(model)
    log = json.loads((folder / "exchange.json").read_text())
    answers, diagnostics = bags.read_answers(folder / "answers")
    sections = []
    with tqdm(desc="  scoring", unit="frame", file=sys.stderr) as progress:
        for key, title, text in (
            ("photo", "Photograph: motorcycle", PHOTO_TEXT),
            ("drive", "Procedural drive", DRIVE_TEXT),
        ):
            frames = list(bags.input_frames(folder / key))
            result = evaluate_scene(
                key, frames, log, answers, engine.infer, most_frames=SCORED_FRAMES, progress=progress.update
            )
            sections.append(Section(key=key, title=title, text=text, result=result))
    counters = node_counters(diagnostics)
    largest = max(section.result.engine_difference for section in sections)
    facts = {
        "model": engine.model_name,
        "device": str(engine.device),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "ROS_DOMAIN_ID": environment["ROS_DOMAIN_ID"],
        "largest median difference between the node's depth and the engine's here": f"{largest:.1e}",
    }
    return sections, counters, facts


def run(options: Options, say: Say) -> None:
    """Do the whole demo, leaving the page in index.html of the output folder."""
    began = time.monotonic()
    folder = options.output
    claim(folder)
    environment = node_environment()
    say("1/4 writing the input bags: the photograph, and a drive that is rendered now")
    write_inputs(folder, options.frames)
    say("2/4 starting the node and, beside it, the client that sends and records")
    with NodeProcess(folder / "node.log", environment, {"model": options.model}) as node:
        exchange(folder, node, environment, options.seconds)
    say("3/4 checking the answers against the truth")
    sections, counters, facts = evaluate(folder, environment, options.model)
    say("4/4 writing the page")
    facts["whole run"] = f"{time.monotonic() - began:.0f} s"
    page = build_page(sections, counters, facts)
    temporary = folder / ".index.html.part"
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, folder / "index.html")
    (folder / "overview.jpg").write_bytes(jpeg(overview(sections)))
    for section in sections:
        traffic, scores = section.result.traffic, section.result.scores
        say(
            f"{section.title}: {traffic.sent} in, {traffic.answered} out, {traffic.dropped} dropped; AbsRel "
            f"{scores['coarse']['abs_rel']:.3f} coarse, {scores['refined']['abs_rel']:.3f} refined; log correlation "
            f"{scores['refined']['log_depth_correlation']:.2f}"
        )
    say(f"done in {time.monotonic() - began:.0f} s: open {folder / 'index.html'}")


def main() -> int:
    """Command line; 1 and one line on stderr where something is not as it should be."""
    options = parse_options()
    # A terminated demo unwinds like an interrupted one, so that the node is stopped in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        run(options, say=lambda text: print(f"demo: {text}", file=sys.stderr, flush=True))
    except (DemoFailure, Prv2Error) as error:
        print(f"demo: failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
