"""The report a person reads (index.html, opens offline) and the files beside it: report.json and report.csv."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prv2_ros.errors import InputError
from prv2_ros.evaluation.pictures import LoadPictures
from prv2_ros.evaluation.records import Evaluation
from prv2_ros.evaluation.report_view import page_content
from prv2_ros.files import whole_file

CSV_HEAD = ("bag", "camera", "stamp_ns", "model", "width", "height", "truth_kind", "truth_px")
"""Columns of report.csv before the scores."""


def write_report(evaluation: Evaluation, summary: Mapping[str, Any], load_pictures: LoadPictures, folder: Path) -> None:
    """Write index.html, report.json and report.csv, each whole or not at all.

    Args:
        evaluation: records and where they came from.
        summary: what `summary.summarise` made of them.
        load_pictures: pictures of one frame; called for the best, median and worst frame of each model only. Where it
            raises a Prv2Error, the report says so in the frame's place.
        folder: made where it is missing.

    Raises:
        InputError: a folder that cannot be written to.

    """
    texts = {
        "report.json": json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
        "report.csv": frame_table(evaluation),
        "index.html": render_page(summary, load_pictures),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            _write_whole(folder / name, text)
    except OSError as error:
        raise InputError(f"{folder}: the report cannot be written there: {error.strerror or error}") from error


def frame_table(evaluation: Evaluation) -> str:
    """Every frame with every score as CSV; scores of a range are named `abs_rel@0-5`, an absent one is empty."""
    rows = []
    for record in evaluation.records:
        key = record.key
        head = (key.bag, key.camera, key.stamp_ns, record.model, *record.image_size, record.truth_kind, record.truth_px)
        scores = dict(record.scores)
        for name, inside in record.by_range.items():
            scores |= {f"{score}@{name}": value for score, value in inside.items()}
        rows.append((head, scores))
    names = sorted({name for _, scores in rows for name in scores}, key=_column_order)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*CSV_HEAD, *names])
    for head, scores in sorted(rows, key=lambda row: (row[0][:3], row[0][3])):
        writer.writerow([*head, *(_cell(scores.get(name)) for name in names)])
    return text.getvalue()


def render_page(summary: Mapping[str, Any], load_pictures: LoadPictures) -> str:
    """Return index.html as one text: style, charts and pictures are inside it.

    Raises:
        InputError: Jinja2 is not installed.

    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined  # optional: only reports need it
    except ImportError as error:
        raise InputError("Jinja2 is not installed: `pip install jinja2`") from error
    environment = Environment(
        loader=PackageLoader("prv2_ros.evaluation", "templates"),
        autoescape=True,  # names of topics, bags and models come from outside
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.jinja").render(page_content(summary, load_pictures)) + "\n"


def _column_order(name: str) -> tuple[int, str, str]:
    """Whole-frame scores first, then range by range."""
    score, _, range_name = name.partition("@")
    near = int(range_name.split("-")[0]) + 1 if range_name else 0
    return near, range_name, score


def _cell(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.6g}"


def _write_whole(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode())
