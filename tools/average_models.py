"""Average the coarse networks or the refiners of two models of one architecture (model soups, arXiv 2203.05482).

    python tools/average_models.py FIRST.yaml SECOND.yaml -o FOLDER --name default

Everything else is the second model's. Two stages of one run, averaged, do better on unfamiliar pictures than either.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from prv2_ros.network.checkpoint import fill_strictly, load_model, save_model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--name", default="model")
    parser.add_argument("--part", choices=("coarse", "refiner"), default="coarse")
    parser.add_argument("--share", type=float, default=0.5, help="weight of the first model (default: 0.5)")
    arguments = parser.parse_args()
    model = load_model(arguments.second)
    part = getattr(model, arguments.part)
    first, second = getattr(load_model(arguments.first), arguments.part).state_dict(), part.state_dict()
    mean = {
        name: (arguments.share * first[name] + (1 - arguments.share) * value if value.is_floating_point() else value)
        for name, value in second.items()
    }
    fill_strictly(part, mean, f"mean of {arguments.first} and {arguments.second}")
    print(save_model(model, arguments.output, arguments.name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
