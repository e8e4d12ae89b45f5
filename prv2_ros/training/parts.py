"""Which parameters a stage trains, and how fast."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from torch import nn

from prv2_ros.errors import ConfigError
from prv2_ros.network.encoder import ImageEncoder
from prv2_ros.network.model import DepthModel
from prv2_ros.training.config import WHOLE_MODEL, TrainConfig

_SCALE_HEAD = "scale_head"  # in the name of every parameter that predicts an error scale and nothing else


def trained_part(model: DepthModel, stage: str) -> nn.Module:
    """Give the module that a stage changes.

    Raises:
        ConfigError: stage `far` of a model that has no network for what is far.

    """
    if stage in WHOLE_MODEL:
        return model
    if stage == "far":
        if model.far is None:
            raise ConfigError("stage far: this model has no network for what is far; give it one (add_far_network)")
        return model.far
    return model.coarse if stage == "coarse" else model.refiner


def untrained_encoders(model: DepthModel, stage: str) -> tuple[str, ...]:
    """Names of the encoders in a stage's part whose weights are as they were drawn."""
    part = list(trained_part(model, stage).modules()) if stage != "confidence" else []
    encoders = {name: m for name, m in model.named_modules() if isinstance(m, ImageEncoder) and m in part}
    return tuple(name for name, encoder in encoders.items() if _as_drawn(encoder))


def _as_drawn(encoder: ImageEncoder) -> bool:
    """Whether most biases are 0, as folded batch norms and timm leave them; a trained encoder has none that is.

    Not all of them, as a widened stem draws its own.
    """
    biases = [parameter for name, parameter in encoder.body.named_parameters() if name.endswith("bias")]
    return 2 * sum(not parameter.any() for parameter in biases) > len(biases)


def set_training_mode(model: DepthModel, config: TrainConfig, untrained: Collection[str] = ()) -> None:
    """Put the stage's part in training mode; all else, and what the config says, is fixed.

    The encoder's first layers (edges and colours) transfer as they are; at full resolution their gradients cost the
    most. Norms of the coarse network keep their statistics where the whole model is trained, and those of the network
    for what is far always do: a step then sees few whole pictures.

    Args:
        model: its parameters are told whether they learn.
        config: names the stage and what is fixed.
        untrained: names of encoders of which nothing is fixed, as they hold nothing that is worth keeping.

    Raises:
        ConfigError: no encoder of the part has a layer that is named in `frozen`, or the model of a stage `confidence`
            predicts no error scale.

    """
    model.eval().requires_grad_(False)
    if config.stage == "confidence":
        _train_scale_heads(model)
        return
    part = trained_part(model, config.stage)
    part.train().requires_grad_(True)
    if part is model:
        model.coarse.eval()
        if model.far is not None:
            model.far.eval().requires_grad_(False)
    elif part is model.far:
        part.eval()
    encoders = [module for module in part.modules() if isinstance(module, ImageEncoder)]
    if config.frozen != TrainConfig.frozen:  # the default is for the usual encoders, others have other names
        _check_frozen(encoders, config.frozen)
    drawn = [model.get_submodule(name) for name in untrained]
    for encoder in encoders:
        if encoder not in drawn:
            _freeze(encoder, config)
    if not config.likelihood or config.stage in ("noise", "refiner", "far"):
        for name, parameter in part.named_parameters():
            if _SCALE_HEAD in name:
                parameter.requires_grad_(False)


def _train_scale_heads(model: DepthModel) -> None:
    named = model.named_parameters()
    heads = [p for name, p in named if _SCALE_HEAD in name and not name.startswith("far.")]
    if not heads:
        raise ConfigError("stage confidence: this model predicts no error scale")
    for parameter in heads:
        parameter.requires_grad_(True)


def _check_frozen(encoders: Sequence[ImageEncoder], frozen: tuple[str, ...]) -> None:
    """Refuse a name that no encoder has: what it was meant to keep would learn. One of two encoders is enough."""
    for layer in frozen:
        if not any(_belongs(name, layer) for encoder in encoders for name, _ in encoder.body.named_parameters()):
            known = dict.fromkeys(name for encoder in encoders for name in _layers(encoder))
            raise ConfigError(
                f"frozen {layer!r}: no encoder in training has such a layer, only {', '.join(known)} and what is in "
                "them; correct the name or leave it out"
            )


def _layers(encoder: ImageEncoder) -> Iterator[str]:
    """Names of an encoder's outermost layers with weights, numbered ones as a range."""
    for name, layer in encoder.body.named_children():
        if isinstance(layer, nn.Sequential) and len(layer) > 1:
            yield f"{name}.0 to {name}.{len(layer) - 1}"
        elif next(layer.parameters(), None) is not None:
            yield name


def _belongs(parameter: str, layer: str) -> bool:
    """Whether a parameter is the layer's, by their names: `blocks.10.weight` is not of `blocks.1`."""
    return f"{parameter}.".startswith(f"{layer}.")


def _freeze(encoder: ImageEncoder, config: TrainConfig) -> None:
    for name, parameter in encoder.body.named_parameters():
        if any(_belongs(name, layer) for layer in config.frozen):
            parameter.requires_grad_(False)
    for module in encoder.modules():
        if config.fixed_depthwise and isinstance(module, nn.Conv2d) and module.groups > 1:
            module.requires_grad_(False)  # the bias too: asking for its gradient alone costs as much as both


def parameter_groups(model: DepthModel, config: TrainConfig) -> list[dict[str, object]]:
    """Parameters that learn, by rate: pretrained parts learn more slowly, norms and biases do not decay."""
    part = trained_part(model, config.stage)
    rates = {"encoder": config.encoder_rate, "rest": 1.0}
    if part is model and config.stage != "confidence":
        rates["coarse"] = config.coarse_rate
    learning = [(_kind(name, rates), p) for name, p in part.named_parameters() if p.requires_grad]
    return [
        {
            "params": [p for of_kind, p in learning if of_kind == kind and (p.ndim > 1) == decays],
            "lr_share": rate,
            "weight_decay": config.weight_decay if decays else 0.0,
        }
        for kind, rate in rates.items()
        for decays in (True, False)
    ]


def _kind(name: str, rates: dict[str, float]) -> str:
    if "coarse" in rates and name.startswith("coarse."):
        return "coarse"
    return "encoder" if name.removeprefix("refiner.").startswith("encoder.") else "rest"
