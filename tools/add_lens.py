"""Have a model's coarse network told the focal length, which one of before 2026-11-27 is not.

    python tools/add_lens.py MODEL.yaml -o FOLDER --name coarse

Its answers stay as they are until it is trained.
"""

from __future__ import annotations

import argparse
import dataclasses

from model_output import run

from prv2_ros.errors import ConfigError
from prv2_ros.network.checkpoint import fill_strictly, load_model
from prv2_ros.network.model import DepthModel


def with_lens(name: str) -> DepthModel:
    """Load a model and add the new layers.

    Raises:
        ConfigError: it has them.
        WeightsError: a model that cannot be loaded.

    """
    old = load_model(name)
    if old.spec.coarse_lens:
        raise ConfigError(f"model {name}: its coarse network is told the focal length already")
    new = DepthModel(dataclasses.replace(old.spec, coarse_lens=True))
    fill_strictly(new, new.state_dict() | old.state_dict(), f"model {name}")
    return new.eval()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="add_lens.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    return run(parser, argv, lambda a: with_lens(a.model))


if __name__ == "__main__":
    raise SystemExit(main())
