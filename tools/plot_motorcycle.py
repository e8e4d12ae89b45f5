"""Draw the photograph on which the default model's scale is most wrong, beside its true depth and what the model says.

    python tools/plot_motorcycle.py -o motorcycle.jpg

The left picture of Middlebury 2014's motorcycle pair, from scikit-image's wheel. Depth has one range of colours in all
panels; the last one shows what is wrong once all of it is divided by the median ratio to the truth.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

mpl.use("Agg")
from matplotlib import pyplot as plt

from prv2_ros.errors import Prv2Error
from prv2_ros.evaluation.frames import TruthFrame, motorcycle_frame
from prv2_ros.files import whole_file
from prv2_ros.inference.load import load_engine


def draw(frame: TruthFrame, depth_m: NDArray[np.float32]) -> bytes:
    """JPEG of four panels: picture, true depth, predicted depth, relative error after one factor."""
    truth_m = np.where(np.isfinite(frame.truth_m) & (frame.truth_m > 0), frame.truth_m, np.nan)
    factor = float(np.nanmedian(depth_m / truth_m))
    error = float(np.nanmean(np.abs(depth_m / truth_m - 1)))
    left = depth_m / factor / truth_m - 1
    figure, axes = plt.subplots(1, 4, figsize=(15, 3.2), constrained_layout=True)
    axes[0].imshow(frame.image)
    axes[0].set_title("picture")
    metres = {"cmap": "turbo_r", "vmin": float(np.nanmin(truth_m)), "vmax": float(np.nanmax(depth_m))}
    axes[1].imshow(truth_m, **metres)
    axes[1].set_title("true depth")
    shown = axes[2].imshow(depth_m, **metres)
    axes[2].set_title(f"predicted: AbsRel {error:.2f}")
    figure.colorbar(shown, ax=axes[1:3], label="m", shrink=0.9)
    shown = axes[3].imshow(left, cmap="RdBu_r", vmin=-0.5, vmax=0.5)
    axes[3].set_title(f"divided by {factor:.2f}: AbsRel {float(np.nanmean(np.abs(left))):.2f}")
    figure.colorbar(shown, ax=axes[3], label="relative error", shrink=0.9)
    for axis in axes:
        axis.set_axis_off()
    data = io.BytesIO()
    figure.savefig(data, format="jpg", dpi=100)
    plt.close(figure)
    return data.getvalue()


def main(arguments: list[str] | None = None) -> int:
    """Infer, draw and write; exit code 1 with one line on an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default", help="name of a packaged model or the .yaml of one")
    parser.add_argument("-o", "--output", type=Path, required=True, help="JPEG to write")
    options = parser.parse_args(arguments)
    try:
        frame = motorcycle_frame()
        depth_m = load_engine(options.model, "cpu").infer(frame.image, frame.camera).depth_m
        with whole_file(options.output) as file:
            file.write(draw(frame, depth_m))
    except (Prv2Error, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
