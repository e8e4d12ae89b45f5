from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from prv2_ros.cli.ending import ending_on_sigterm

ROOT = Path(__file__).resolve().parents[2]


def alive(process: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(holds: Callable[[], object], process: subprocess.Popen[str], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def start(*argv: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "prv2_ros.cli.main", *argv]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


STOPPED = """
import os, signal, sys, time
from prv2_ros.cli import doctor, main

def stopped(arguments):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    finally:
        print("undone")

doctor.run = stopped
try:
    main.main(["doctor"])
finally:
    print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
"""


def test_sigterm_runs_what_a_command_has_to_undo_and_the_handler_goes_again() -> None:
    done = subprocess.run([sys.executable, "-c", STOPPED], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (143, "undone\nTrue\n", "")


DROPPED = """        class Dying:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGTERM)
                sum(range(1000))

        Dying()"""
TAKEN = """        try:
            os.kill(os.getpid(), signal.SIGTERM)
            sum(range(1000))
        except:
            pass"""


@pytest.mark.parametrize("swallowed", [DROPPED, TAKEN])
def test_a_sigterm_whose_exception_is_swallowed_ends_the_command_all_the_same(swallowed: str) -> None:
    code = STOPPED.replace("        os.kill(os.getpid(), signal.SIGTERM)", swallowed)
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (143, "undone\nTrue\n")
    assert time.monotonic() - start < 9


def test_a_handler_that_is_there_stays_and_other_threads_install_none() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with ending_on_sigterm():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        found = []

        def enter() -> None:
            with ending_on_sigterm():
                found.append(signal.getsignal(signal.SIGTERM))

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert found == [signal.SIG_DFL]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_forked_child_ends_as_without_the_handler() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        with ending_on_sigterm():
            child = os.fork()
            if not child:
                try:
                    os.kill(os.getpid(), signal.SIGTERM)
                    time.sleep(10)
                finally:
                    os._exit(9)
            _, status = os.waitpid(child, 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGTERM


@pytest.mark.slow
def test_sigterm_leaves_no_temporary_files_of_a_bag(tmp_path: Path) -> None:
    process = start("synth", "--bag", str(tmp_path / "drive"), "--drive", "--count", "10000", "--size", "48x32")
    try:
        wait_until(lambda: list(tmp_path.glob(".drive.*/*")), process)
        process.terminate()
        assert process.wait(60) == 143
    finally:
        process.kill()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_processes_that_render_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    folder = tmp_path / "frames"
    process = start("synth", "-o", str(folder), "--jobs", "2", "--count", "10000", "--size", "96x64")
    try:
        wait_until(lambda: list(folder.glob("*.json")), process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert len(children) >= 2
        process.send_signal(number)
        assert process.wait(30) == (143 if number == signal.SIGTERM else -number)
        end = time.monotonic() + 30
        while any(alive(int(child)) for child in children) and time.monotonic() < end:
            time.sleep(0.05)
        left = [child for child in children if alive(int(child))]
        for child in left:
            os.kill(int(child), signal.SIGKILL)
        assert left == []
    finally:
        process.kill()
    assert list(folder.glob(".*")) == [], "temporary files"
    assert "Traceback" not in process.communicate()[1]
