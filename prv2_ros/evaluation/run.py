"""From bags to a report: plan, predict and score, sum up, write."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prv2_ros.errors import InputError, StorageError
from prv2_ros.evaluation.bag_index import index_bag
from prv2_ros.evaluation.cameras import find_cameras
from prv2_ros.evaluation.config import EvaluationConfig
from prv2_ros.evaluation.html_report import write_report
from prv2_ros.evaluation.job import FrameReader, Job, JobResult, LoadEngine
from prv2_ros.evaluation.pictures import FramePictures
from prv2_ros.evaluation.predictions import ModelIdentity, PredictionCache, identify_model, versions
from prv2_ros.evaluation.ray_workers import run_jobs_on_ray
from prv2_ros.evaluation.records import Evaluation, FrameKey, SkippedFrame
from prv2_ros.evaluation.streaming import stream_frames
from prv2_ros.evaluation.summary import summarise
from prv2_ros.evaluation.workers import run_jobs
from prv2_ros.messages.bags import Bag

PREDICTIONS_FOLDER = "predictions"
_BYTES_PER_PX = 6
"""Of a stored prediction: depth in four bytes, confidence in two."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is made; none of it changes the report."""

    output: Path
    cache: Path | None = None
    """Folder of predictions; None: in the output folder."""

    workers: int = 1
    ray: str | None = None
    """Address of a Ray cluster that takes the place of `workers`."""

    score_only: bool = False
    command: str = ""
    load_engine: LoadEngine | None = None
    """Replaces the loading of models, see `job.Job`."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run did."""

    evaluation: Evaluation
    predicted: int
    reused: int
    jobs: tuple[Job, ...]

    @property
    def failures(self) -> list[SkippedFrame]:
        """Bags and cameras of which nothing, or not all, could be used."""
        return [entry for entry in self.evaluation.skipped if entry.stamp_ns is None]


class NothingScoredError(InputError):
    """No frame of any bag could be scored."""

    def __init__(self, skipped: Sequence[SkippedFrame]) -> None:
        """Say the first reasons; `reasons` has every one of bags and cameras, and the first of each camera's frames."""
        first: dict[tuple[str, str, str], SkippedFrame] = {}
        for entry in skipped:
            first.setdefault((entry.bag, entry.camera, entry.reason if entry.stamp_ns is None else ""), entry)
        self.reasons = tuple(first.values())
        texts = list(dict.fromkeys(entry.reason for entry in skipped))
        told = "; ".join(texts[:2]) + (f"; and {len(texts) - 2} other reasons" if len(texts) > 2 else "")
        super().__init__(f"no frame could be scored: {told or 'the bags are empty'}")


def evaluate(bags: Sequence[Path], config: EvaluationConfig, options: Options) -> Outcome:
    """Evaluate bags and write index.html, report.json and report.csv.

    Raises:
        NothingScoredError: no frame of any bag can be scored.
        StorageError: the disk is full; what was predicted stays for the next run.
        WeightsError: a model cannot be loaded.
        DeviceError: a device cannot be used.

    """
    outcome = score_bags(bags, config, options)
    if not outcome.evaluation.records:
        raise NothingScoredError(outcome.evaluation.skipped)
    pictures = _Pictures(outcome, options)
    write_report(outcome.evaluation, summarise(outcome.evaluation), pictures, options.output)
    return outcome


def score_bags(bags: Sequence[Path], config: EvaluationConfig, options: Options) -> Outcome:
    """Predict and score without writing a report; see `evaluate`."""
    models = tuple(identify_model(name, config) for name in config.models)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output {options.output}: {error.strerror or error}; name a folder") from error
    jobs: list[Job] = []
    skipped: list[SkippedFrame] = []
    facts: list[dict[str, Any]] = []
    for name, path in zip(bag_names(bags), bags, strict=True):
        fact, found, left_out = _plan_bag(name, path, config, options, models)
        facts.append(fact)
        jobs += found
        skipped += left_out
    _check_space(jobs, options)
    with _progress(jobs) as tick:
        if options.ray is not None:
            results = run_jobs_on_ray(jobs, options.ray, tick)
        else:
            results = run_jobs(jobs, options.workers, tick)
    done = [result for result in results if isinstance(result, JobResult)]
    for job, result in zip(jobs, results, strict=True):
        if isinstance(result, str):
            skipped.append(SkippedFrame(bag=job.bag, camera=job.plan.name, stamp_ns=None, reason=result))
        else:
            skipped += result.skipped
    order = {model.name: place for place, model in enumerate(models)}
    records = sorted((r for result in done for r in result.records), key=lambda r: (r.key, order[r.model]))
    evaluation = Evaluation(
        records=tuple(records),
        skipped=tuple(sorted(skipped, key=lambda s: (s.bag, s.camera, s.stamp_ns or -1, s.reason))),
        bags=tuple(facts),
        models=tuple(model.to_json() for model in models),
        versions=dict(versions()),
        command=options.command,
        config=config.to_json(),
    )
    return Outcome(
        evaluation=evaluation,
        predicted=sum(result.predicted for result in done),
        reused=sum(result.reused for result in done),
        jobs=tuple(jobs),
    )


def _plan_bag(
    name: str, path: Path, config: EvaluationConfig, options: Options, models: tuple[ModelIdentity, ...]
) -> tuple[dict[str, Any], list[Job], list[SkippedFrame]]:
    """Read a bag for the first time; one that cannot be read is a fact and a reason, not the end of the run."""
    from tqdm import tqdm

    fact: dict[str, Any] = {"name": name, "path": str(path), "sha256": "", "cameras": [], "frames": 0, "error": None}
    try:
        with Bag(path) as bag:
            total = sum(topic.count for topic in bag.topics().values())
            with tqdm(total=total, desc=f"reading {name}", unit="message", disable=None) as progress:
                index = index_bag(bag, config.stamps, progress.update)
    except InputError as error:
        fact["error"] = str(error)
        return fact, [], [SkippedFrame(bag=name, camera="", stamp_ns=None, reason=str(error))]
    plans, skipped = find_cameras(name, index, config)
    skipped += [SkippedFrame(bag=name, camera="", stamp_ns=None, reason=problem) for problem in index.problems]
    fact |= {
        "sha256": index.sha256,
        "cameras": [plan.name for plan in plans],
        "frames": sum(len(plan.frames) for plan in plans),
        "sources": {plan.name: plan.source for plan in plans},
    }
    cache = options.cache or options.output / PREDICTIONS_FOLDER
    jobs = [
        Job(
            bag=name,
            path=path,
            plan=plan,
            config=config,
            models=models,
            cache=cache,
            score_only=options.score_only,
            load_engine=options.load_engine,
        )
        for plan in plans
        if plan.frames
    ]
    return fact, jobs, skipped


def bag_names(bags: Sequence[Path]) -> list[str]:
    """Name each bag by its folder or file, numbered where a name is taken.

    Raises:
        InputError: the same bag twice.

    """
    seen: dict[Path, Path] = {}
    names: list[str] = []
    for path in bags:
        resolved = path.resolve()
        if resolved in seen:
            raise InputError(f"bag {path} is named twice; its frames would count twice")
        seen[resolved] = path
        base = resolved.name if resolved.is_dir() else resolved.stem
        name, number = base, 2
        while name in names:
            name, number = f"{base}_{number}", number + 1
        names.append(name)
    return names


def _check_space(jobs: Sequence[Job], options: Options) -> None:
    """Refuse at once what would fill the disk after hours; sizes of images are known from their camera infos.

    What these models have predicted of other bags counts as predicted of these: only reading the images tells.
    """
    if options.score_only or not jobs:
        return
    needed = 0
    for job in jobs:
        infos = [job.plan.infos[frame.info] for frame in job.plan.frames]
        px = sum(info.width * info.height for info in infos)
        needed += len(job.models) * px * _BYTES_PER_PX
    folder = jobs[0].cache
    stored = sum(PredictionCache(folder).stored_bytes(model) for model in jobs[0].models)
    free = shutil.disk_usage(options.output if options.cache is None else _existing(options.cache)).free
    if needed - stored > free:
        raise StorageError(
            f"the predictions take up to {(needed - stored) / 1e9:.1f} GB and {folder} has {free / 1e9:.1f} GB free: "
            "free space, name another folder with --cache, or evaluate fewer bags at once"
        )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


@contextmanager
def _progress(jobs: Sequence[Job]) -> Iterator[Any]:
    """Bar over the frames of all jobs; yields what `workers.run_jobs` reports to."""
    from tqdm import tqdm

    done = [0] * len(jobs)
    with tqdm(total=sum(len(job.plan.frames) for job in jobs), unit="frame", disable=None) as progress:

        def tick(place: int, frames: int) -> None:
            # A job that was started again counts from the start; the bar waits until it has caught up.
            new = max(frames - done[place], 0)
            done[place] += new
            progress.set_postfix_str(jobs[place].name, refresh=False)
            progress.update(new)

        yield tick


class _Pictures:
    """Reads single frames again for the report."""

    def __init__(self, outcome: Outcome, options: Options) -> None:
        self._jobs = {(job.bag, job.plan.name): job for job in outcome.jobs}
        self._cache = PredictionCache(options.cache or options.output / PREDICTIONS_FOLDER)

    def __call__(self, key: FrameKey, model: str) -> FramePictures:
        job = self._jobs[key.bag, key.camera]
        frames = [frame for frame in job.plan.frames if frame.stamp_ns == key.stamp_ns]
        plan = replace(job.plan, frames=frames)
        reader = FrameReader(plan, job.config)
        identity = next(known for known in job.models if known.name == model)
        with Bag(job.path) as bag:
            (frame,) = stream_frames(bag, plan, job.config.stamps)
            prediction = self._cache.load(identity, reader.fingerprint(frame))
            if prediction is None:
                raise InputError(f"the prediction of {model} for {key} is gone from {self._cache.folder}")
            image, view = reader.image(bag, frame)
            truth_m = reader.truth(bag, frame, view)
        return FramePictures(image=image, depth_m=prediction.depth_m, truth_m=truth_m)
