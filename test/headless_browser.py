"""A headless Chromium that opens a page and tells what happened, over the DevTools protocol's pipe.

python test/headless_browser.py report/index.html --width 390 -o phone.png
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WAIT_S = 60


def find_browser() -> str | None:
    """Path of an installed Chromium or Chrome."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One browser with one page; use as a context manager."""

    def __init__(self, program: str) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="browser", ignore_cleanup_errors=True)
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # The protocol's pipes are the descriptors 3 and 4 of the browser; a shell puts them there.
        redirect = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run"]
        self._process = subprocess.Popen(
            ["bash", "-c", redirect, program, *options, f"--user-data-dir={self._profile.name}", "about:blank"],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        os.set_blocking(self._in, False)
        self._buffer = b""
        self._id = 0
        self.events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    _session: str | None = None

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    def open(self, page: Path, width: int, height: int = 844, *, dark: bool = False) -> None:
        """Load a file at a window size (CSS px) and wait until everything in it has loaded."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self._call("Page.navigate", url=page.resolve().as_uri())
        self._until(lambda: any(event["method"] == "Page.loadEventFired" for event in self.events))

    def evaluate(self, script: str) -> Any:
        """Value of a JavaScript expression in the page."""
        found = self._call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return found["result"].get("value")

    def problems(self) -> list[str]:
        """Console errors and warnings, exceptions and failed loads since the page was opened."""
        found = []
        for event in self.events:
            what, values = event["method"], event["params"]
            if what == "Runtime.exceptionThrown":
                found.append(json.dumps(values["exceptionDetails"]))
            elif what == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
                found.append(json.dumps(values["args"]))
            elif what == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
                found.append(values["entry"]["text"])
            elif what == "Network.loadingFailed":
                found.append(values["errorText"])
        return found

    def requests(self) -> list[str]:
        """Addresses that the page asked for, inline data left out."""
        sent = (event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent")
        return [url for values in sent if not (url := values["request"]["url"]).startswith("data:")]

    def screenshot(self, path: Path) -> None:
        """Save the whole page, as long as it is, as PNG."""
        found = self._call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._id += 1
        message = {"id": self._id, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        answer: dict[str, Any] = {}

        def answered() -> bool:
            for event in list(self.events):
                if event.get("id") == self._id:
                    self.events.remove(event)
                    answer.update(event)
            return bool(answer)

        self._until(answered)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return dict(answer["result"])

    def _until(self, done: Any) -> None:
        deadline = time.monotonic() + WAIT_S
        while not done():
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"the browser gave no answer within {WAIT_S} s, or ended")
            try:
                self._buffer += os.read(self._in, 1 << 20)
            except BlockingIOError:
                time.sleep(0.01)
            *whole, self._buffer = self._buffer.split(b"\0")
            self.events += [{"method": "", **json.loads(message)} for message in whole]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=Path("page.png"))
    options = parser.parse_args()
    program = find_browser()
    if program is None:
        print(f"no browser found; looked for {', '.join(NAMES)}", file=sys.stderr)
        return 1
    with Browser(program) as browser:
        browser.open(options.page, options.width, dark=options.dark)
        browser.screenshot(options.output)
        print("problems:", browser.problems() or "none", "requests:", browser.requests())
        print("page width:", browser.evaluate("document.documentElement.scrollWidth"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
