"""The three files of a report: what they hold, that names cannot break them, and that they are whole."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
from pathlib import Path
from unittest import mock

import pytest
from evaluation_example import CAMERAS, evaluation, pictures

from prv2_ros.errors import InputError, StorageError
from prv2_ros.evaluation.bootstrap import BootstrapConfig
from prv2_ros.evaluation.html_report import frame_table, render_page, write_report
from prv2_ros.evaluation.pictures import FramePictures
from prv2_ros.evaluation.records import Evaluation, FrameKey
from prv2_ros.evaluation.summary import summarise

FAST = BootstrapConfig(resamples=100)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluation()


@pytest.fixture(scope="module")
def page(found: Evaluation) -> str:
    return render_page(summarise(found, FAST), pictures)


def test_three_files(found: Evaluation, tmp_path: Path) -> None:
    summary = summarise(found, FAST)
    write_report(found, summary, pictures, tmp_path / "new" / "folder")
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "index.html",
        "report.csv",
        "report.json",
    ]
    assert json.loads((tmp_path / "new" / "folder" / "report.json").read_text(encoding="utf-8")) == summary


def test_table_holds_every_score_of_every_frame(found: Evaluation) -> None:
    rows = list(csv.DictReader(io.StringIO(frame_table(found))))
    assert len(rows) == len(found.records)
    for record in found.records:
        (row,) = [r for r in rows if (r["camera"], int(r["stamp_ns"]), r["model"]) == _id(record)]
        for name, value in record.scores.items():
            assert row[name] == ("" if math.isnan(value) else f"{value:.6g}"), name
        assert row["abs_rel@10-20"] == f"{record.by_range['10-20']['abs_rel']:.6g}"
    head = frame_table(found).splitlines()[0].split(",")
    assert head[:4] == ["bag", "camera", "stamp_ns", "model"]
    assert head.index("abs_rel") < head.index("abs_rel@0-5") < head.index("abs_rel@10-20")


def _id(record) -> tuple[str, int, str]:
    return record.key.camera, record.key.stamp_ns, record.model


def test_page_says_how_good_it_is_and_where(page: str, found: Evaluation) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    mean = summarise(found, FAST)["results"]["new"]["all"]["scores"]["abs_rel"]["mean"]
    assert f"Depth is off by {100 * mean:.1f}% of the distance on average" in text
    assert "worst /left" in text
    assert "Is new better than old?" in text
    assert "new (" in text
    assert "is better than old" in text
    assert found.command in text
    assert "ab" * 32 in text
    assert "2 × no truth within 50 ms" in text
    assert "2.0 ms apart in the median, 12.5 ms at most. What the vehicle" in text
    assert page.count("<img ") == 2 * 3 * 4


def test_page_asks_for_nothing_outside(page: str) -> None:
    assert not re.search(r"https?://|//[a-z]+\.|@import|<script|<link(?! rel=\"icon\" href=\"data:)", page)
    assert set(re.findall(r'(?:src|href)="([^",]*)', page)) == {"data:image/jpeg;base64", "data:", "#skipped"}


def test_names_from_outside_stay_text(page: str) -> None:
    assert "<wide>" not in page
    assert "&lt;wide&gt; &amp; very_long" in page
    assert "metadata.yaml <b>" not in page


def test_only_the_shown_frames_are_loaded(found: Evaluation) -> None:
    asked: list[tuple[FrameKey, str]] = []

    def load(key: FrameKey, model: str) -> FramePictures:
        asked.append((key, model))
        return pictures(key, model)

    render_page(summarise(found, FAST), load)
    assert [model for _, model in asked] == ["old"] * 3 + ["new"] * 3
    assert len(set(asked)) == 6


def test_a_picture_that_is_gone_is_named_and_the_rest_stays(found: Evaluation) -> None:
    def load(key: FrameKey, model: str) -> FramePictures:
        raise InputError(f"{key.bag}: no longer there")

    page = render_page(summarise(found, FAST), load)
    assert page.count("No picture: drive_0: no longer there") == 6
    assert "<img" not in page


@pytest.mark.parametrize("models", [("new",), ("old",)])
def test_one_model(models: tuple[str, ...]) -> None:
    page = render_page(summarise(evaluation(models=models), FAST), pictures)
    assert "better than" not in page
    assert ("Calibration of confidence" in page) == (models == ("new",))


def test_one_frame_and_none_at_all(found: Evaluation) -> None:
    for records in (found.records[:1], ()):
        few = dataclasses.replace(found, records=records, models=found.models[:1])
        page = render_page(summarise(few, FAST), pictures)
        assert ("No frame could be scored." in page) == (not records)
        assert page.count("<img ") == 4 * len(records)


def test_bags_and_cameras_without_end(found: Evaluation) -> None:
    many = evaluation(frames=1, bags=6, models=("new",))
    page = render_page(summarise(many, FAST), pictures)
    assert "Charts over time show the first 4 bags" in page
    assert all(f"drive_{i}" in page for i in range(6))
    assert len(CAMERAS) == 3


def test_a_full_disk_leaves_the_old_file(found: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_text("old")
    full = OSError(28, "No space left on device")
    # A disk that is full cannot be had here; the rest of the writing is real.
    with (
        mock.patch("prv2_ros.files.os.replace", side_effect=full),
        pytest.raises(StorageError, match=r"report\.json cannot be written: the disk is full"),
    ):
        write_report(found, summarise(found, FAST), pictures, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert (tmp_path / "report.json").read_text() == "old"


def test_a_folder_that_is_a_file_is_named(found: Evaluation, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match=r"out: the report cannot be written there: File exists"):
        write_report(found, summarise(found, FAST), pictures, tmp_path / "out")
