"""Jobs over the nodes of an existing Ray cluster.

Every node needs this package, and the bags, models and output folder under the same paths (a shared disk). The report
equals that of one machine where the nodes have the same processor and versions.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Sequence
from typing import Any

from prv2_ros.errors import InputError, Prv2Error
from prv2_ros.evaluation.job import Engines, Job, JobResult, run_job
from prv2_ros.evaluation.workers import ATTEMPTS, Tick, given_up

_POLL_S = 0.5
_CONNECT_S = 10.0


class _Counts:
    """Frames done by job; lives as an actor on the cluster."""

    def __init__(self) -> None:
        self._done: dict[int, int] = {}

    def add(self, place: int, done: int) -> None:
        self._done[place] = done

    def get(self) -> dict[int, int]:
        return dict(self._done)


def run_jobs_on_ray(jobs: Sequence[Job], address: str, tick: Tick) -> list[JobResult | str]:
    """Run jobs as Ray tasks; see `workers.run_jobs`. Ray runs the task of a worker that died again.

    Args:
        jobs: the work.
        address: of the cluster: `HOST:PORT`, `ray://HOST:PORT`, or `auto` for the one of this machine.
        tick: progress.

    Raises:
        InputError: Ray is not installed, or there is no cluster at the address.
        Prv2Error: see `workers.run_jobs`.

    """
    try:
        import ray
    except ImportError as error:
        raise InputError("--ray needs the package ray: `pip install ray==2.60.0`, on every node") from error
    _check_address(address)
    try:
        ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    except Exception as error:  # Ray raises ConnectionError, RuntimeError and ValueError for an address without cluster
        text = " ".join(str(error).split())[:200]
        raise InputError(f"--ray {address}: no cluster there ({text}); start one with `ray start --head`") from error
    try:
        return _run(ray, jobs, tick)
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Refuse at once what Ray would try to reach for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdigit():
        return  # `auto`, which Ray answers at once
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
    except OSError as error:
        raise InputError(
            f"--ray {address}: no cluster there ({error.strerror or error}); start one with `ray start --head`"
        ) from error


def _run(ray: Any, jobs: Sequence[Job], tick: Tick) -> list[JobResult | str]:
    counts = ray.remote(num_cpus=0)(_Counts).remote()
    options = _resources(ray, jobs)
    task = ray.remote(max_retries=ATTEMPTS - 1, **options)(_work)
    places = {task.remote(place, job, counts): place for place, job in enumerate(jobs)}
    results: dict[int, JobResult | str] = {}
    waiting = list(places)
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1, timeout=_POLL_S)
        for place, done in ray.get(counts.get.remote()).items():
            tick(place, done)
        for reference in ready:
            place = places[reference]
            try:
                results[place] = ray.get(reference)
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, Prv2Error):
                    raise error.cause from error
                raise RuntimeError(f"{jobs[place].name}: {error.cause}") from error
            except ray.exceptions.RayError as error:
                results[place] = given_up(ATTEMPTS, type(error).__name__)
            tick(place, len(jobs[place].plan.frames))
    return [results[place] for place in range(len(jobs))]


def _resources(ray: Any, jobs: Sequence[Job]) -> dict[str, Any]:
    """CPUs and GPUs of a task, no more than the largest node has: Ray would wait for ever."""
    nodes = [node.get("Resources", {}) for node in ray.nodes() if node.get("Alive", True)]
    most_cpus = max((node.get("CPU", 1) for node in nodes), default=1)
    wanted = max((job.config.threads for job in jobs), default=1)
    uses_gpu = any(model.device.startswith("cuda") for job in jobs for model in job.models)
    has_gpu = any(node.get("GPU", 0) >= 1 for node in nodes)
    return {"num_cpus": min(wanted, most_cpus), "num_gpus": 1 if uses_gpu and has_gpu else 0}


def _work(place: int, job: Job, counts: Any) -> JobResult:
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        counts.add.remote(place, done)

    return run_job(job, Engines(), tick)
