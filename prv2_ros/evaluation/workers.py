"""Jobs over processes of one machine. A process that dies (killed, out of memory) is replaced and its job run again.

What a dead process had predicted lies in the cache, so a second attempt goes on where the first one ended.
"""

from __future__ import annotations

import contextlib
import multiprocessing
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from prv2_ros.errors import Prv2Error
from prv2_ros.evaluation.job import Engines, Job, JobResult, run_job

ATTEMPTS = 3
"""Times that a job is tried before its camera is given up."""

Tick = Callable[[int, int], None]
"""Called with the place of a job and the frames of it that are done; fewer than before where it was started again."""


def run_jobs(jobs: Sequence[Job], workers: int, tick: Tick) -> list[JobResult | str]:
    """Run jobs and return, in their order, what each found, or why its camera was given up.

    Args:
        jobs: the work.
        workers: processes; with 1 everything runs in this one.
        tick: progress.

    Raises:
        Prv2Error: what would stop every other job as well: a full disk, weights or a device that cannot be used.
        OSError: predictions that cannot be written for another reason, as without the right to.

    """
    if workers <= 1 or len(jobs) <= 1:
        engines = Engines()
        return [run_job(job, engines, _counter(place, tick)) for place, job in enumerate(jobs)]
    return _Pool(jobs, min(workers, len(jobs)), tick).run()


def given_up(attempts: int, why: str) -> str:
    """Reason for a camera whose worker died every time."""
    return f"its worker died {attempts} times ({why}; out of memory?): use fewer workers or a smaller model"


def _counter(place: int, tick: Tick) -> Callable[[], None]:
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        tick(place, done)

    return count


@dataclass(kw_only=True, eq=False)
class _Worker:
    process: Any
    connection: Connection
    job: int | None = None


class _Pool:
    """Gives each idle worker the next job and listens to all of them."""

    def __init__(self, jobs: Sequence[Job], workers: int, tick: Tick) -> None:
        self._jobs, self._size, self._tick = jobs, workers, tick
        self._waiting = deque(range(len(jobs)))
        self._attempts = [0] * len(jobs)
        self._results: dict[int, JobResult | str] = {}
        self._workers: list[_Worker] = []
        # A forked child would share this process's CUDA context and torch's locked threads.
        self._context = multiprocessing.get_context("spawn")

    def run(self) -> list[JobResult | str]:
        try:
            while len(self._results) < len(self._jobs):
                self._hand_out()
                ready: list[Any] = wait([worker.connection for worker in self._workers])
                for worker in [w for w in self._workers if w.connection in ready]:
                    self._listen(worker)
            return [self._results[place] for place in range(len(self._jobs))]
        finally:
            for worker in self._workers:
                self._end(worker)

    def _hand_out(self) -> None:
        while len(self._workers) < self._size and len(self._workers) < len(self._jobs) - len(self._results):
            ours, theirs = self._context.Pipe()
            process = self._context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()  # so that its end is seen here when the process dies
            self._workers.append(_Worker(process=process, connection=ours))
        for worker in self._workers:
            if worker.job is None and self._waiting:
                worker.job = self._waiting.popleft()
                self._attempts[worker.job] += 1
                with contextlib.suppress(OSError):  # it has just died, which `_listen` will notice
                    worker.connection.send(self._jobs[worker.job])

    def _listen(self, worker: _Worker) -> None:
        try:
            kind, content = worker.connection.recv()
        except (EOFError, OSError):
            self._replace(worker)
            return
        assert worker.job is not None
        if kind == "frames":
            self._tick(worker.job, content)
        elif kind == "result":
            self._results[worker.job] = content
            worker.job = None
        else:
            raise content

    def _replace(self, worker: _Worker) -> None:
        worker.process.join(10)
        self._workers.remove(worker)
        self._end(worker)
        if worker.job is None:
            return
        if self._attempts[worker.job] < ATTEMPTS:
            self._waiting.appendleft(worker.job)
        else:
            self._results[worker.job] = given_up(ATTEMPTS, f"exit code {worker.process.exitcode}")

    @staticmethod
    def _end(worker: _Worker) -> None:
        worker.connection.close()
        worker.process.terminate()
        worker.process.join(10)


class _ParentGone(Exception):
    """Nobody listens any more, which ends a worker."""


def _send(connection: Connection, kind: str, content: Any) -> None:
    try:
        connection.send((kind, content))
    except OSError as error:
        raise _ParentGone from error


def _os_error(job: Job, error: OSError) -> OSError:
    """The same error with the job's name. Made anew: not every subclass survives the way to another process."""
    if error.errno is None:
        return OSError(f"{job.name}: {error}")
    return OSError(error.errno, f"{job.name}: {error.strerror}", error.filename)


def _serve(connection: Connection) -> None:
    """Body of a worker process: take jobs until the other end closes."""
    engines = Engines()
    with contextlib.suppress(_ParentGone, KeyboardInterrupt):
        while True:
            try:
                job: Job = connection.recv()
            except (EOFError, OSError):
                return
            done = 0

            def tick() -> None:
                nonlocal done
                done += 1
                _send(connection, "frames", done)

            try:
                result = run_job(job, engines, tick)
            except _ParentGone:
                raise
            except Prv2Error as error:
                _send(connection, "error", error)
            except OSError as error:
                _send(connection, "error", _os_error(job, error))
            except Exception as error:
                _send(connection, "error", RuntimeError(f"{job.name}: {type(error).__name__}: {error}"))
            else:
                _send(connection, "result", result)
