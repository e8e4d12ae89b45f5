"""Average one part (coarse network, refiner, network for what is far) of two models.

Model soups, arXiv 2203.05482.

    python tools/average_models.py FIRST.yaml SECOND.yaml -o FOLDER --name default

Everything else is the second model's. Two stages of one run, averaged, do better on unfamiliar pictures than either.
"""

from __future__ import annotations

import argparse

from model_output import run

from prv2_ros.errors import ConfigError
from prv2_ros.network.checkpoint import fill_strictly, load_model
from prv2_ros.network.model import DepthModel


def average(first: str, second: str, part_name: str, share: float) -> DepthModel:
    """Second model with a part that is the mean of both models' parts, the first one's at weight `share`.

    Raises:
        ConfigError: a share outside 0 to 1, or a model without the part.
        WeightsError: a model that cannot be loaded, or parts of two architectures.

    """
    if not 0 <= share <= 1:
        raise ConfigError(f"share {share}: give 0 (all of the second model) to 1 (all of the first)")
    model, other_model = load_model(second), load_model(first)
    for name, one in ((first, other_model), (second, model)):
        if getattr(one, part_name) is None:
            raise ConfigError(f"{name} has no network for what is far: leave out --part {part_name}")
    part, other = getattr(model, part_name), getattr(other_model, part_name).state_dict()
    own = {name: value.clone() for name, value in part.state_dict().items()}
    fill_strictly(part, other, f"{part_name} of {first}")  # refuses another architecture
    mean = {
        name: share * other[name] + (1 - share) * value if value.is_floating_point() else value
        for name, value in own.items()
    }
    fill_strictly(part, mean, f"mean of {first} and {second}")
    return model


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="average_models.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--part", choices=("coarse", "refiner", "far"), default="coarse")
    parser.add_argument("--share", type=float, default=0.5, help="weight of the first model (default: 0.5)")
    return run(parser, argv, lambda a: average(a.first, a.second, a.part, a.share))


if __name__ == "__main__":
    raise SystemExit(main())
