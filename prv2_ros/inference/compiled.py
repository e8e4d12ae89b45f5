"""`torch.compile` around a network, where it is asked for, with the network as it is to fall back on."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor

from prv2_ros.errors import ConfigError, DeviceError, Prv2Error

_logger = logging.getLogger(__name__)

COMPILE_MODES = ("off", "default", "cuda-graphs")

_MOST_SHAPES = 64
"""Shapes that a function is compiled for at most, all networks of its class together. Dynamo's own limit of 8 is soon
met: each size of image has its tiles, and each number of them at once counts."""

Answer = TypeVar("Answer")


def compiled(function: Callable[..., Answer], mode: str, device: torch.device) -> Callable[..., Answer]:
    """Have a function of tensors compiled when it is first called, once for every shape that it meets.

    From the 65th shape on the function runs as it is. For this the process's limit on recompilations is raised to 64.

    Args:
        function: a module or a method of one, that gives a tensor, a tuple or list of them, or a dataclass.
        mode: `off`; `default` (fused kernels: seconds to minutes at the first frame of each size, then faster on a
            GPU); `cuda-graphs` (the same, replayed as one launch: for small tiles on a GPU that waits for its CPU).
        device: where the tensors live.

    Returns:
        The function itself with `off`; else one that gives the same to the last digits. Where compiling fails (no C++
        compiler, no Triton), that is logged once and the function runs as it is from then on.

    Raises:
        ConfigError: an unknown mode.
        DeviceError: `cuda-graphs` on a CPU.

    """
    if mode not in COMPILE_MODES:
        raise ConfigError(f"compile {mode!r} is unknown: use one of {', '.join(COMPILE_MODES)}")
    if mode == "cuda-graphs" and device.type != "cuda":
        raise DeviceError("compile 'cuda-graphs' needs a CUDA device: use compile default or off")
    if mode == "off":
        return function
    _allow_shapes(_MOST_SHAPES)
    return _Compiled(function, graphs=mode == "cuda-graphs")


def _allow_shapes(count: int) -> None:
    """Raise Dynamo's limit on the compilations of one function, which is the whole process's, to `count` at least."""
    config: Any = torch._dynamo.config
    name = "recompile_limit" if hasattr(config, "recompile_limit") else "cache_size_limit"  # an older torch
    setattr(config, name, max(getattr(config, name), count))


class _Compiled:
    """Calls the compiled function until it fails."""

    def __init__(self, function: Callable[..., Any], *, graphs: bool) -> None:
        self._plain = function
        self._graphs = graphs
        self._fast: Callable[..., Any] | None = torch.compile(
            function, dynamic=False, mode="reduce-overhead" if graphs else None
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._fast is None:
            return self._plain(*args, **kwargs)
        try:
            if self._graphs:
                torch.compiler.cudagraph_mark_step_begin()
            answer = self._fast(*args, **kwargs)
        except (torch.cuda.OutOfMemoryError, Prv2Error):
            raise  # the batch is too large or the input wrong, compiled or not
        except Exception as error:
            # The last line of a compiler's error is advice on how to debug it, the first says what is wrong.
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            _logger.warning("torch.compile failed, going on without it: %s", reason)
            self._fast = None
            return self._plain(*args, **kwargs)
        # The next replay of a graph overwrites what this one gave.
        return _cloned(answer) if self._graphs else answer


def _cloned(answer: Any) -> Any:
    if isinstance(answer, Tensor):
        return answer.clone()
    if isinstance(answer, list | tuple):
        return type(answer)(_cloned(item) for item in answer)
    if dataclasses.is_dataclass(answer) and not isinstance(answer, type):
        fields = {field.name: _cloned(getattr(answer, field.name)) for field in dataclasses.fields(answer)}
        return dataclasses.replace(answer, **fields)
    return answer
