"""Multiply the error that a model's refiner expects by one factor.

    python tools/scale_confidence.py MODEL.yaml --factor 1.2 -o FOLDER --name default

For a model whose expected errors are all too small or too large, as measured on calibration scenes (mean actual over
mean expected log error). The depth, and the order of pixels by their confidence, stay as they are.
"""

from __future__ import annotations

import argparse
import math

import torch
from model_output import run
from torch import nn

from prv2_ros.errors import ConfigError
from prv2_ros.network.checkpoint import load_model
from prv2_ros.network.model import DepthModel

_LARGEST = 10.0


def scaled(name: str, factor: float) -> DepthModel:
    """Load a model, and have its refiner expect `factor` times the error.

    Raises:
        ConfigError: a factor of no use.
        WeightsError: a model that cannot be loaded.

    """
    if not 1 / _LARGEST <= factor <= _LARGEST:
        raise ConfigError(f"factor {factor}: give {1 / _LARGEST:g} to {_LARGEST:g}")
    model = load_model(name)
    last = model.refiner.scale_head[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.bias.add_(math.log(factor))
    return model


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="scale_confidence.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model")
    parser.add_argument("--factor", type=float, required=True)
    return run(parser, argv, lambda a: scaled(a.model, a.factor))


if __name__ == "__main__":
    raise SystemExit(main())
