from __future__ import annotations

import json
import logging
import sys
from pathlib import Path

import pytest
import torch

from prv2_ros.training.journal import Journal

NAN, INF = float("nan"), float("inf")


def _rows(folder: Path) -> list[dict[str, float]]:
    """Rows of the log, as a reader takes them that knows JSON alone."""

    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    lines = (folder / "log.jsonl").read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_rows_are_running_means(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for value in (1.0, 2.0):
        journal.add({"loss": torch.tensor(value)})
    assert journal.write(2, 3.21, 0.1) == {"loss": pytest.approx(1.02)}
    assert json.loads((tmp_path / "log.jsonl").read_text()) == {"step": 2, "seconds": 3.2, "loss": 1.02}


@pytest.mark.parametrize("broken", [NAN, INF, -INF])
def test_one_step_that_is_not_finite_leaves_the_means_and_is_counted(broken: float, tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for loss, edge in ((1.0, 3.0), (broken, 4.0), (broken, broken), (2.0, 3.0)):
        journal.add({"loss": torch.tensor(loss), "edge": torch.tensor(edge)})
    journal.write(4, 1.0, 0.1)
    journal.add({"loss": torch.tensor(1.02), "edge": torch.tensor(3.0196)})
    journal.write(5, 2.0, 0.1)
    first, second = _rows(tmp_path)
    assert first == {"step": 4, "seconds": 1.0, "loss": 1.02, "edge": 3.0196, "skipped_steps": 2}
    assert second == {"step": 5, "seconds": 2.0, "loss": 1.02, "edge": 3.0196}, "counted once"


def test_means_begin_with_the_first_finite_value(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for loss in (NAN, INF):
        journal.add({"loss": torch.tensor(loss)})
    assert journal.write(2, 1.0, 0.1) == {"skipped_steps": 2}
    for loss in (1.0, 2.0):
        journal.add({"loss": torch.tensor(loss)})
    journal.write(4, 2.0, 0.1)
    assert _rows(tmp_path) == [
        {"step": 2, "seconds": 1.0, "skipped_steps": 2},
        {"step": 4, "seconds": 2.0, "loss": 1.02},
    ]


def test_means_of_a_checkpoint_that_were_lost_begin_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.means = {"loss": torch.tensor(NAN)}
    assert journal.write(1, 1.0, 0.1) == {}
    journal.add({"loss": torch.tensor(0.5)})
    assert journal.write(2, 2.0, 0.1) == {"loss": 0.5}
    assert len(_rows(tmp_path)) == 2


def test_tensorboard_gets_the_same_figures(tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    journal = Journal(tmp_path, tensorboard=True)
    journal.add({"loss": torch.tensor(0.5)})
    journal.write(50, 1.0, 0.25)
    events = accumulator.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [(50, 0.5)]
    assert [(e.step, e.value) for e in events.Scalars("learning_rate")] == [(50, 0.25)]


def test_without_tensorboard_there_is_one_line_and_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "tensorboard"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with caplog.at_level(logging.WARNING):
        journal = Journal(tmp_path, tensorboard=True)
    assert [record.message for record in caplog.records] == [
        "tensorboard is not installed: figures go to log.jsonl alone (pip install tensorboard)"
    ]
    journal.add({"loss": torch.tensor(0.5)})
    journal.write(1, 1.0, 0.1)
    assert (tmp_path / "log.jsonl").exists()


def test_rows_behind_a_step_are_dropped(tmp_path: Path) -> None:
    Journal(tmp_path / "none").keep_until(3)
    log = tmp_path / "log.jsonl"
    kept = '{"step": 2, "seconds": 1.0}\n{"step": 4, "seconds": 2.0}\n'
    for more in ("", '{"step": 6, "seconds": 3.0}\n', '{"step": 6, "sec', "[]\n"):
        log.write_text(kept + more)
        Journal(tmp_path).keep_until(4)
        assert log.read_text() == kept
