"""The engine that the node's parameters name, one for all nodes of a process that name the same."""

from __future__ import annotations

import math
from collections.abc import Callable
from weakref import WeakValueDictionary

from prv2_ros.ros.parameters import Settings
from prv2_ros.ros.pipeline import Engine

EngineFactory = Callable[[Settings], Engine]


def load_engine(settings: Settings) -> Engine:
    """Load the engine that the parameters name, and let it pass its self-test.

    See `prv2_ros.inference.load.load_engine` and `prv2_ros.inference.self_test.check` for errors.
    """
    # Here, not above: torch takes seconds to import, and a wrong parameter should not wait for it.
    from prv2_ros.inference import load, self_test
    from prv2_ros.inference.config import EngineConfig

    # The node limits the range itself: what is far becomes `far_value`, not always NaN.
    config = EngineConfig(max_depth_m=math.inf, compile=settings.compile)
    engine = load.load_engine(settings.model, settings.device, settings.precision, config=config)
    if settings.self_test:
        self_test.check(engine, settings.model)
    return engine


class SharedEngines:
    """An engine factory that loads a model once, however many cameras use it.

    An engine lives as long as one of its nodes is configured. Nodes that share one must share an inference thread.
    """

    def __init__(self, factory: EngineFactory = load_engine) -> None:
        """Take the factory that loads an engine which nobody has yet."""
        self._factory = factory
        self._engines: WeakValueDictionary[tuple[str, str, str, str], Engine] = WeakValueDictionary()

    def __call__(self, settings: Settings) -> Engine:
        """Give the engine of these settings; raises what the factory raises."""
        key = (settings.model, settings.device, settings.precision, settings.compile)
        engine = self._engines.get(key)
        if engine is None:
            engine = self._engines[key] = self._factory(settings)
        return engine
