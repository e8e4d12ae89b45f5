"""What the report's page says, worked out from the content of report.json; the template only lays it out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from prv2_ros.errors import Prv2Error
from prv2_ros.evaluation.names import ALIGNMENT_TEXTS, SCORES, show, show_signed, split_name
from prv2_ros.evaluation.pictures import LoadPictures, draw_frame
from prv2_ros.evaluation.records import FrameKey
from prv2_ros.evaluation.report_charts import MOST_BAGS, calibration_charts, overview_charts, time_charts
from prv2_ros.evaluation.summary import RANGE_NAMES

Json = Mapping[str, Any]

KEY_SCORES = ("abs_rel", "delta1", "rmse_m", "median_scale", "abs_rel_median", "boundary_f1", "sparse_edge_f1")
"""Scores on the tiles of each model and in the table of cameras, where they exist."""

HEAT_LOW, HEAT_HIGH = 0.025, 0.4
"""AbsRel of the best and the worst colour; colours run evenly in ratio between."""

_HEAT_RGB = ((92, 184, 178), (246, 236, 205), (232, 106, 74))
"""Teal, cream, vermilion: told apart without red and green; dark text reads well on each."""

_STEEPEST = 10.0
"""Slope of a logarithm beyond which no number is worth showing: a growth by 22,000 times."""

MOST_SKIPPED = 200
"""Skipped frames that are listed one by one; report.json holds all."""


def page_content(summary: Json, load_pictures: LoadPictures) -> dict[str, Any]:
    """Return the names that the template uses."""
    results = summary["results"]
    return {
        "frames": summary["frames"],
        "title": _title(summary),
        "headlines": {model: _headline(result) for model, result in results.items()},
        "models": [_model_view(model, result, summary, load_pictures) for model, result in results.items()],
        "heat_legend": [
            (f"{value:.1%}".replace(".0%", "%"), heat_colour(value)) for value in (0.025, 0.05, 0.1, 0.2, 0.4)
        ],
        "range_names": [name.replace("-", "–") for name in RANGE_NAMES],
        "overview": overview_charts(results) if results else [],
        "comparisons": _comparisons(summary["comparisons"]),
        "skipped": summary["skipped"],
        "listed_skips": summary["skipped"]["frames"][:MOST_SKIPPED],
        "interval": summary["method"]["interval"],
        "bags": summary["bags"],
        "model_facts": summary["models"],
        "versions": summary["versions"],
        "config": json.dumps(summary["config"], indent=1, ensure_ascii=False),
        "command": summary["timing"]["command"],
        "glossary": _glossary(results),
        "most_bags": MOST_BAGS,
        "many_bags": len(summary["bags"]) > MOST_BAGS,
    }


def heat_colour(abs_rel: float | None) -> str:
    """CSS colour of an AbsRel, from teal (2.5% and below) over cream to vermilion (40% and above)."""
    if abs_rel is None:
        return "transparent"
    at = 2 * min(max(math.log(max(abs_rel, 1e-9) / HEAT_LOW) / math.log(HEAT_HIGH / HEAT_LOW), 0.0), 1.0)
    low, high = _HEAT_RGB[int(at >= 1)], _HEAT_RGB[1 + int(at >= 1)]
    share = at - int(at >= 1)
    return "rgb({} {} {})".format(*(round(a + (b - a) * share) for a, b in zip(low, high, strict=True)))


def _title(summary: Json) -> str:
    bags = [str(bag.get("name", "?")) for bag in summary["bags"]]
    return bags[0] if len(bags) == 1 else f"{len(bags)} bags"


def _headline(result: Json) -> str:
    """Say in a few sentences how good the depth is, at which range and on which camera."""
    scores = result["all"]["scores"]
    error = scores.get("abs_rel", {})
    if error.get("mean") is None:
        return "No frame could be scored."
    span = _interval("abs_rel", error)
    mean, within = show("abs_rel", error["mean"]), show("delta1", scores["delta1"]["mean"])
    parts = [f"Depth is off by {mean} of the distance on average{f' ({span})' if span else ''}."]
    parts.append(f"{within} of the points are within a factor of 1.25.")
    for what, groups in (("range", result["all"]["by_range"]), ("camera", result["cameras"])):
        ranked = sorted(
            (group["scores"]["abs_rel"]["mean"], name)
            for name, group in groups.items()
            if group["scores"].get("abs_rel", {}).get("mean") is not None
        )
        if len(ranked) > 1:
            (best, best_name), (worst, worst_name) = ranked[0], ranked[-1]
            names = [n.replace("-", "–") + " m" if what == "range" else n for n in (best_name, worst_name)]
            low, high = show("abs_rel", best), show("abs_rel", worst)
            parts.append(f"Best {what} {names[0]} ({low}), worst {names[1]} ({high}).")
    scale = scores["median_scale"]["mean"]
    aligned = scores["abs_rel_median"]["mean"]
    if None not in (scale, aligned) and aligned < 0.9 * error["mean"]:
        way = "near" if scale > 1 else "far"
        parts.append(
            f"Part of the error is scale: depth is on average {abs(1 - 1 / scale):.0%} too {way}; "
            f"with each frame's scale put right the error is {show('abs_rel', aligned)}."
        )
    return " ".join(parts)


def _interval(name: str, cell: Json) -> str:
    if cell.get("low") is None:
        return ""
    return f"{show(name, cell['low'])} to {show(name, cell['high'])}"


def _model_view(model: str, result: Json, summary: Json, load_pictures: LoadPictures) -> dict[str, Any]:
    present = [name for name in KEY_SCORES if result["all"]["scores"].get(name, {}).get("mean") is not None]
    rows = [("all cameras", result["all"]), *result["cameras"].items()]
    return {
        "name": model,
        "frames": result["all"]["frames"],
        "tiles": [_tile(name, result["all"]["scores"][name]) for name in present],
        "heat": [_heat_row(name, group) for name, group in (rows if len(rows) > 2 else rows[1:])],
        "columns": [(SCORES[split_name(name)[0]].label, ALIGNMENT_TEXTS[split_name(name)[1]]) for name in present],
        "cameras": [
            {
                "name": name,
                "frames": group["frames"],
                "cells": [_cell(score, group["scores"].get(score, {})) for score in present],
            }
            for name, group in rows
        ],
        "time": time_charts(result["over_time"]),
        "calibration": calibration_charts(result["calibration"]),
        "examples": [_example(title, model, key, summary, load_pictures) for title, key in result["examples"].items()],
        "drift": [
            {"camera": camera, "bag": bag, **drift, "per_minute": _growth(drift["per_minute"])}
            for camera, bags in result["drift"].items()
            for bag, drift in bags.items()
        ],
        "all_scores": _all_scores(result["all"]),
        "latency": summary["timing"]["latency_ms"].get(model, {}),
    }


def _tile(name: str, cell: Json) -> dict[str, str]:
    base, suffix = split_name(name)
    text = ALIGNMENT_TEXTS[suffix] if suffix else SCORES[base].text
    label = SCORES[base].label
    return {"label": label, "value": show(name, cell["mean"]), "interval": _interval(name, cell), "text": text}


def _cell(name: str, cell: Json) -> dict[str, str]:
    return {"value": show(name, cell.get("mean")), "interval": _interval(name, cell)}


def _heat_row(name: str, group: Json) -> dict[str, Any]:
    cells = [group["scores"].get("abs_rel", {})]
    cells += [group["by_range"].get(r, {}).get("scores", {}).get("abs_rel", {}) for r in RANGE_NAMES]
    counts = [group["truth_px"]] + [group["by_range"].get(r, {}).get("truth_px", 0) for r in RANGE_NAMES]
    return {
        "name": name,
        "cells": [
            {
                "value": show("abs_rel", cell.get("mean")),
                "colour": heat_colour(cell.get("mean")),
                "hint": f"{_interval('abs_rel', cell) or 'too few frames for an interval'}; {count:,} truth pixels",
            }
            for cell, count in zip(cells, counts, strict=True)
        ],
    }


def _example(title: str, model: str, key_json: Json, summary: Json, load_pictures: LoadPictures) -> dict[str, Any]:
    key = FrameKey.from_json(key_json)
    entry = next(e for e in summary["results"][model]["over_time"] if (e["bag"], e["camera"]) == (key.bag, key.camera))
    at = entry["stamp_ns"].index(key.stamp_ns)
    start_ns = min(e["stamp_ns"][0] for e in summary["results"][model]["over_time"] if e["bag"] == key.bag)
    view = {
        "title": title,
        "bag": key.bag if len(summary["bags"]) > 1 else "",
        "camera": key.camera,
        "stamp_ns": key.stamp_ns,
        "seconds": f"{(key.stamp_ns - start_ns) / 1e9:.2f}",
        "abs_rel": show("abs_rel", entry["abs_rel"][at]),
        "scale": show("median_scale", entry["median_scale"][at]),
    }
    try:
        return view | {"drawn": draw_frame(load_pictures(key, model)), "problem": ""}
    except Prv2Error as error:
        return view | {"drawn": None, "problem": str(error)}


def _growth(slope: float | None) -> str:
    """Per cent by which a scale grows in the time that the slope of its logarithm is of; a dash where not known."""
    if slope is None:
        return "–"
    return f"{100 * math.expm1(min(slope, _STEEPEST)):+.1f}%"


def _all_scores(group: Json) -> list[dict[str, Any]]:
    """Every score: one row each, one column for each alignment."""
    rows = []
    for base, info in SCORES.items():
        cells = [_cell(base, group["scores"].get(f"{base}{suffix}", {})) for suffix in ALIGNMENT_TEXTS]
        if any(cell["value"] != "–" for cell in cells):
            frames = group["scores"].get(base, {}).get("frames", 0)
            names = {"label": info.label, "text": info.text, "better": info.better}
            rows.append(names | {"cells": cells, "frames": frames})
    return rows


def _comparisons(rows: Sequence[Json]) -> list[dict[str, Any]]:
    """Verdicts grouped by model: over all frames (`main`), then by range and by camera (`parts`)."""
    groups: dict[str, dict[str, Any]] = {}
    for row in rows:
        names = {"model": row["model"], "baseline": row["baseline"], "frames": row["frames"]}
        group = groups.setdefault(row["model"], names | {"words": row["words"], "main": [], "parts": []})
        base, suffix = split_name(row["score"])
        where = row["camera"] or (row["range"].replace("-", "–") + " m" if row["range"] else "")
        group["parts" if where else "main"].append(
            {
                "score": SCORES[base].label,
                "note": where or (ALIGNMENT_TEXTS[suffix] if suffix else ""),
                "verdict": row["verdict"],
                "words": row["words"],
                "before": show(row["score"], row["baseline_mean"]),
                "after": show(row["score"], row["model_mean"]),
                "difference": show_signed(row["score"], row["difference"]),
                "interval": ""
                if row["low"] is None
                else f"{show_signed(row['score'], row['low'])} to {show_signed(row['score'], row['high'])}",
            }
        )
    return list(groups.values())


def _glossary(results: Json) -> list[tuple[str, str, int]]:
    used = {split_name(name)[0] for result in results.values() for name in result["all"]["scores"]}
    return [(info.label, info.text, info.better) for name, info in SCORES.items() if name in used]
