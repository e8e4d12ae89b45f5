"""Counts and timings of the node, shared by its threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

WINDOW, SPAN_S = 512, 60.0
"""Latest samples that rate and percentiles are taken from, and their age at most (s)."""

RATE_SPAN_S = 5.0
"""Time over which the output rate is averaged."""


HEIGHTS, FEWEST_HEIGHTS = 11, 5
"""Latest looks at the ground of which the median counts, and at least so many; no older than `SPAN_S` either."""


@dataclass
class Counts:
    """Messages by what became of them; received = published + dropped + skipped + errors + those under way."""

    received: int = 0
    """Images that arrived."""
    published: int = 0
    """Images whose depth was published."""
    dropped: int = 0
    """Images that a newer one replaced while they waited, that waited when the node was deactivated, or whose camera
    had lost its calibration by their turn (`require_calibration`)."""
    skipped: int = 0
    """Images not processed on purpose: no subscriber, `max_rate_hz`, no camera info yet, or no calibrated one
    (`require_calibration`)."""
    errors: int = 0
    """Images that could not be used: malformed, damaged, or inference failed."""
    inference_errors: int = 0
    """Of these errors, how often inference failed on a good image."""
    info_received: int = 0
    """Camera infos that arrived."""
    info_errors: int = 0
    """Camera infos that were not usable: malformed, or uncalibrated (zero intrinsics)."""
    info_foreign: int = 0
    """Frames described by another frame's camera info, though infos come with the images' stamps."""
    lost: int = 0
    """Images that the middleware reports as lost on their way; not among those received."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """State of the statistics at one moment."""

    counts: Counts
    rate_hz: float
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    stamp_age_p50_ms: float | None
    inference_p50_ms: float | None
    inference_frames: int
    """Frames that `inference_p50_ms` is of."""
    input_age_s: float | None
    refined_p50: float | None
    """Share of the tiles that were refined, 0 to 1."""
    height_p50_m: float | None
    """How high the camera stands by the depth of the ground (m); None without enough looks at it."""
    failure: str
    """Why inference failed; empty where the latest frame that was inferred came out."""
    last_failure: str = ""
    """Why inference failed the last time that it did."""


class Statistics:
    """Thread-safe counters, output rate and latency percentiles."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts = Counts()
        self._latency_ms = _Recent(WINDOW)
        self._stamp_age_ms = _Recent(WINDOW)
        self._inference_ms = _Recent(WINDOW)
        self._published_at: deque[float] = deque(maxlen=WINDOW)
        self._refined = _Recent(WINDOW)
        self._heights_m = _Recent(HEIGHTS)
        self._last_input: float | None = None
        self._failure = self._last_failure = ""

    def restart(self) -> None:
        """Forget timings, and what went wrong, of before; the counts go on."""
        with self._lock:
            for samples in (
                self._latency_ms,
                self._stamp_age_ms,
                self._inference_ms,
                self._published_at,
                self._refined,
                self._heights_m,
            ):
                samples.clear()
            self._last_input, self._failure, self._last_failure = None, "", ""

    def forget_times(self) -> None:
        """How long inference may take has changed: what it took before says nothing of it."""
        with self._lock:
            for samples in (self._latency_ms, self._inference_ms, self._refined):
                samples.clear()

    def forget_input(self) -> None:
        """No image is awaited since before: images are taken in anew."""
        with self._lock:
            self._last_input = None

    def count(self, name: str, number: int = 1) -> None:
        """Add to the counter of that name (a field of `Counts`)."""
        with self._lock:
            setattr(self._counts, name, getattr(self._counts, name) + number)

    def image_arrived(self) -> float:
        """Count an image and return its arrival time (s, monotonic)."""
        with self._lock:
            self._counts.received += 1
            self._last_input = self._clock()
            return self._last_input

    def inference_failed(self, reason: str) -> None:
        """Count a frame that was good and could not be inferred."""
        with self._lock:
            self._counts.errors += 1
            self._counts.inference_errors += 1
            self._failure = self._last_failure = reason

    def image_published(
        self, arrival: float, inference_ms: float, stamp_age_ms: float | None, refined_share: float = 1.0
    ) -> None:
        """Count a published frame.

        Args:
            arrival: what `image_arrived` returned for it.
            inference_ms: time inside the engine.
            stamp_age_ms: node clock minus header stamp at publication, None where the stamp is not comparable.
            refined_share: share of its tiles that were refined.

        """
        now = self._clock()
        with self._lock:
            self._counts.published += 1
            self._published_at.append(now)
            self._latency_ms.add(now, (now - arrival) * 1e3)
            self._inference_ms.add(now, inference_ms)
            self._refined.add(now, refined_share)
            self._failure = ""
            if stamp_age_ms is None:
                self._stamp_age_ms.clear()  # of before the clocks went apart
            else:
                self._stamp_age_ms.add(now, stamp_age_ms)

    def height_seen(self, height_m: float) -> None:
        """Take how high the camera stands by one depth image (m)."""
        with self._lock:
            self._heights_m.add(self._clock(), height_m)

    def snapshot(self) -> Snapshot:
        """Return a consistent copy of everything."""
        now = self._clock()
        with self._lock:
            rate = _rate_hz(self._published_at, now)
            latency_ms, heights_m = self._latency_ms.at(now), self._heights_m.at(now)
            inference_ms = self._inference_ms.at(now)
            return Snapshot(
                counts=Counts(**{f.name: getattr(self._counts, f.name) for f in fields(Counts)}),
                rate_hz=rate,
                latency_p50_ms=percentile(latency_ms, 50),
                latency_p95_ms=percentile(latency_ms, 95),
                stamp_age_p50_ms=percentile(self._stamp_age_ms.at(now), 50),
                inference_p50_ms=percentile(inference_ms, 50),
                inference_frames=len(inference_ms),
                input_age_s=None if self._last_input is None else now - self._last_input,
                refined_p50=percentile(self._refined.at(now), 50),
                height_p50_m=percentile(heights_m, 50) if len(heights_m) >= FEWEST_HEIGHTS else None,
                failure=self._failure,
                last_failure=self._last_failure,
            )


class _Recent:
    """The latest samples with their times."""

    def __init__(self, most: int) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=most)

    def add(self, now: float, value: float) -> None:
        self._samples.append((now, value))

    def clear(self) -> None:
        self._samples.clear()

    def at(self, now: float) -> list[float]:
        """Values of the last `SPAN_S`."""
        return [value for seen, value in self._samples if now - seen <= SPAN_S]


def _rate_hz(published_at: Sequence[float], now: float) -> float:
    """Rate of the frames of the last `RATE_SPAN_S`; of the last two where they come more slowly."""
    recent = [t for t in published_at if now - t <= RATE_SPAN_S]
    if len(recent) > 1:  # over the time in which they came, not over the whole span: right from the first seconds on
        came, count = recent[-1] - recent[0], len(recent) - 1
        return count / max(came, now - recent[0] - came / count, 1e-6)  # the next one is due an interval after the last
    if len(published_at) < 2:
        return len(recent) / RATE_SPAN_S
    before, last = published_at[-2], published_at[-1]
    silence, interval = now - last, last - before
    return 0.0 if silence > 2 * max(interval, RATE_SPAN_S) else 1 / max(silence, interval)


def percentile(samples: Sequence[float], percent: int) -> float | None:
    """Return the nearest-rank percentile, None without samples."""
    if not samples:
        return None
    ordered = sorted(samples)
    rank = -(-percent * len(ordered) // 100)  # rounded up, in whole numbers
    return ordered[max(0, rank - 1)]


class Throttle:
    """Lets one text through each period for each key and counts what it held back."""

    def __init__(self, period_s: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._period_s = period_s
        self._clock = clock
        self._lock = threading.Lock()
        self._state: dict[str, tuple[float, int]] = {}

    def pass_text(self, key: str, text: str) -> str | None:
        """Return the text to log now, with the number of earlier ones held back; None for none."""
        now = self._clock()
        with self._lock:
            last, held = self._state.get(key, (-float("inf"), 0))
            if now - last < self._period_s:
                self._state[key] = (last, held + 1)
                return None
            self._state[key] = (now, 0)
        return f"{text} ({held} more like this since the last report)" if held else text
