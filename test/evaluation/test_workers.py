"""What a worker process tells its parent of errors, and that it ends without one."""

from __future__ import annotations

import multiprocessing
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bag_samples import Samples, ScaledTruth, scaled_truth

from prv2_ros.errors import DeviceMemoryError
from prv2_ros.evaluation.config import load_config
from prv2_ros.evaluation.job import Job
from prv2_ros.evaluation.run import Options, score_bags
from prv2_ros.evaluation.workers import _serve


@pytest.mark.parametrize("workers", [1, 2])
def test_predictions_that_cannot_be_written_are_told_with_the_reason(tmp_path: Path, workers: int) -> None:
    bag = Samples(cameras=("/left", "/right"), frames=1).write(tmp_path / "drive")
    (tmp_path / "file").touch()
    options = Options(output=tmp_path / "out", cache=tmp_path / "file", workers=workers, load_engine=scaled_truth)
    with pytest.raises(NotADirectoryError, match=rf"Not a directory: '{tmp_path}/file/"):
        score_bags([bag], load_config(None), options)


class TooLarge(ScaledTruth):
    """A device without the memory for the second image."""

    def infer(self, *arguments: Any, **options: Any) -> Any:
        result = super().infer(*arguments, **options)
        if self.calls == 2:
            raise DeviceMemoryError("GPU memory ran out with an image of 8000x6000 px")
        return result


def test_an_image_too_large_for_the_device_costs_its_own_frame(tmp_path: Path) -> None:
    bag = Samples(frames=3).write(tmp_path / "drive")
    options = Options(output=tmp_path / "out", load_engine=lambda m, c: TooLarge())
    found = score_bags([bag], load_config(None), options).evaluation
    assert len(found.records) == 2
    assert [entry.reason for entry in found.skipped] == ["GPU memory ran out with an image of 8000x6000 px"]


class OddError(OSError):
    """As libraries make them: it cannot be made anew from its `args`, so that it gets into a pickle and not out."""

    def __init__(self, *, reply: str) -> None:
        super().__init__(f"the shop says {reply}")


def is_refused(model: Any, config: Any) -> Any:
    raise OddError(reply="no")


def too_many_files(model: Any, config: Any) -> Any:
    raise OSError(24, "Too many open files", "weights")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """One frame that has not been predicted."""
    bag = Samples(frames=1).write(tmp_path / "drive")
    outcome = score_bags([bag], load_config(None), Options(output=tmp_path / "out", load_engine=scaled_truth))
    return replace(outcome.jobs[0], cache=tmp_path / "empty")


@pytest.mark.parametrize(
    ("load_engine", "number", "text"),
    [
        (is_refused, None, "drive/front: the shop says no"),
        (too_many_files, 24, "[Errno 24] drive/front: Too many open files: 'weights'"),
    ],
)
def test_an_error_of_the_system_reaches_the_parent(job: Job, load_engine: Any, number: int | None, text: str) -> None:
    ours, theirs = multiprocessing.Pipe()
    worker = threading.Thread(target=_serve, args=(theirs,), daemon=True)
    worker.start()
    ours.send(replace(job, load_engine=load_engine))
    assert ours.poll(60)
    kind, error = ours.recv()
    ours.close()
    worker.join(60)
    assert not worker.is_alive()
    assert (kind, error.errno, str(error)) == ("error", number, text)


def test_a_worker_whose_parent_is_gone_ends(job: Job) -> None:
    ours, theirs = multiprocessing.Pipe()
    ours.send(job)
    ours.close()
    _serve(theirs)
    assert list(job.cache.rglob("*.npz")), "the job was run, and its frames could not be told of"
