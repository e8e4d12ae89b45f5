"""Draw the losses of training runs over time, one panel a run, from the log.jsonl that `prv2 train` leaves.

    python tools/plot_training.py --run "coarse network" RUN/log.jsonl log_l1 relative -o curve.png

`--run TITLE LOG FIGURE...` may be given several times. A row of the log holds running means over the last 50 steps or
so; the bold line is the median of the rows over a twentieth of the run. Rows in which a figure is not a number, as logs
of earlier versions may have them, are gaps in its line and are counted on standard error.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")
from matplotlib import pyplot as plt
from scipy.ndimage import median_filter

from prv2_ros.errors import StorageError
from prv2_ros.files import whole_file

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7")  # told apart by the colour-blind, too (Okabe and Ito)


def read_log(path: Path) -> list[dict[str, float]]:
    """Rows of a log; one cut short by a stop is left out."""
    rows = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        if not isinstance(row, dict) or not {"step", "seconds"} <= set(row):
            raise ValueError(f"{path}, line {number}: no row with step and seconds; give the log.jsonl of `prv2 train`")
        rows.append(row)
    if not rows:
        raise ValueError(f"{path} holds no rows")
    return rows


def values_of(figure: str, title: str, rows: list[dict[str, float]]) -> NDArray[np.float64]:
    """The figure in every row; NaN where a row lacks it or has no finite number for it."""
    having = [row for row in rows if figure in row]
    if not having:
        known = dict.fromkeys(name for row in rows for name in row)
        raise ValueError(f"no figure {figure!r} in the log; it has {', '.join(known)}")
    values = np.array([row.get(figure, np.nan) for row in rows], float)
    values[~np.isfinite(values)] = np.nan
    broken = [row["step"] for row, value in zip(rows, values, strict=True) if figure in row and np.isnan(value)]
    if len(broken) == len(having):
        raise ValueError(f"{figure!r} is not a number in any row of {title}, from step {broken[0]} on")
    if broken:
        print(
            f"plot_training: {title}: {figure!r} is not a number in {len(broken)} of {len(having)} rows, first at step "
            f"{broken[0]}",
            file=sys.stderr,
        )
    return values


def draw(axes: Any, title: str, rows: list[dict[str, float]], figures: list[str]) -> None:
    if len(figures) > len(COLOURS):
        raise ValueError(f"{title}: {len(figures)} figures; a panel holds {len(COLOURS)}, give --run once more")
    minutes = np.array([row["seconds"] for row in rows]) / 60
    window = 2 * max(1, round(len(rows) / 40)) + 1
    for colour, figure in zip(COLOURS, figures, strict=False):
        values = values_of(figure, title, rows)
        smooth, known = values.copy(), np.isfinite(values)
        smooth[known] = median_filter(values[known], window, mode="nearest")
        axes.plot(minutes, values, color=colour, alpha=0.25, linewidth=1)
        axes.plot(minutes, smooth, color=colour, linewidth=2, label=figure)
    axes.set_title(f"{title}: {rows[-1]['step']:,} steps", fontsize=10)
    axes.set_xlabel("minutes")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", nargs="+", action="append", required=True, metavar=("TITLE", "LOG"))
    parser.add_argument("-o", "--output", type=Path, required=True, help=".png or .svg")
    options = parser.parse_args(arguments)
    try:
        runs = [(title, read_log(Path(log)), figures) for title, log, *figures in options.run]
        figure, panels = plt.subplots(1, len(runs), figsize=(4.2 * len(runs), 3.2), squeeze=False)
        for axes, (title, rows, names) in zip(panels[0], runs, strict=True):
            draw(axes, title, rows, names or ["loss"])
        figure.tight_layout()
        options.output.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(options.output) as file:
            figure.savefig(file, dpi=130, format=options.output.suffix.lstrip("."))
    except (OSError, StorageError, ValueError) as error:
        print(f"plot_training: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
