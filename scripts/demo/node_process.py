"""The depth node as a process of its own: started with its log in a file, watched, and always stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from demo import bags
from demo.check import DemoFailure

_GRACE_S = (10.0, 5.0)
"""Seconds that the node gets to end after SIGINT, then after SIGTERM."""


class NodeProcess:
    """Context manager around `depth_node` in the namespace of the demo."""

    def __init__(self, log: Path, environment: Mapping[str, str], parameters: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._environment = dict(environment)
        script = Path(sys.executable).with_name("depth_node")
        start = [str(script)] if script.is_file() else [sys.executable, "-m", "prv2_ros.ros.main"]
        options = [word for name, value in (parameters or {}).items() for word in ("-p", f"{name}:={value}")]
        self._command = [*start, "--ros-args", "-r", f"__ns:={bags.NAMESPACE}", *options]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> NodeProcess:
        """Start the node."""
        with self.log.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal reaches the demo, which then stops the node in order.
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=subprocess.STDOUT, env=self._environment, start_new_session=True
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the node: SIGINT, then SIGTERM, then SIGKILL."""
        process = self._process
        assert process is not None
        for stop, grace_s in zip((signal.SIGINT, signal.SIGTERM), _GRACE_S, strict=True):
            if process.poll() is not None:
                return
            process.send_signal(stop)
            try:
                process.wait(grace_s)
            except subprocess.TimeoutExpired:
                continue
        if process.poll() is None:
            process.kill()
            process.wait()

    def check_alive(self) -> None:
        """Do nothing while the node runs.

        Raises:
            DemoFailure: the node has ended; with its last line of output.

        """
        assert self._process is not None
        code = self._process.poll()
        if code is not None:
            lines = [line for line in self.log.read_text(errors="replace").splitlines() if line.strip()]
            last = lines[-1].strip() if lines else "it said nothing"
            raise DemoFailure(f"the node ended with exit code {code}: {last} (all of it in {self.log})")
