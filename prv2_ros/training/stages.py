"""What each stage trains and minimises."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from prv2_ros.network.align import upsample_to
from prv2_ros.network.model import DepthModel
from prv2_ros.training import losses
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.feed import Batch

Figures = dict[str, float]
Step = Callable[[DepthModel, Batch], tuple[Tensor, Figures]]


def coarse_step(model: DepthModel, batch: Batch) -> tuple[Tensor, Figures]:
    """Loss of the coarse network on whole images: metric log depth, shape, gradients, sky."""
    image = batch["image"].float().div_(255).contiguous(memory_format=torch.channels_last)
    truth = batch["log_depth"]
    log_pred = model.predict_coarse(image, batch["f_px"]).log_depth_B1hw
    metric, shape = losses.log_l1(log_pred, truth), losses.scale_invariant(log_pred, truth)
    edges, sky = losses.gradient(log_pred, truth), losses.sky(log_pred, truth)
    total = metric + 0.5 * shape + 0.5 * edges + 0.2 * sky
    return total, {
        "log_l1": float(metric.detach()),
        "shape": float(shape.detach()),
        "grad": float(edges.detach()),
        "sky": float(sky.detach()),
    }


def refiner_step(model: DepthModel, batch: Batch) -> tuple[Tensor, Figures]:
    """Loss of the refiner on native tiles, the coarse network held fixed; edges count more.

    What a tile shows cannot mend the scale of the whole picture, so the truth is moved onto the coarse depth's median
    first: otherwise the scale's error drowns that of the edges.
    """
    log_coarse = upsample_to(batch["log_coarse"], (batch["log_depth"].shape[-2], batch["log_depth"].shape[-1]))
    truth = losses.align_offset(batch["log_depth"], log_coarse)
    image = batch["image"].float().div_(255).contiguous(memory_format=torch.channels_last)
    refined = model.refine(image, batch["log_coarse"], batch["features"], batch["log_scale"])
    log_pred = refined.log_depth_B1HW
    valid = torch.isfinite(truth)
    near = valid & (losses.edge_weight(truth) > 0)
    filled = torch.where(valid, truth, 0.0)
    error, before = (log_pred - filled).abs(), (log_coarse - filled).abs()
    everywhere, at_edges = losses.sample_mean(error, valid), losses.sample_mean(error, near)
    total = everywhere + at_edges + losses.gradient(log_pred, truth, scales=3) + 0.2 * losses.sky(log_pred, truth)
    # Relative to what was wrong before: one hopeless scene must not outweigh ten that can be mended.
    total = total / (losses.sample_mean(before, valid) + losses.sample_mean(before, near) + 0.05)
    return total, {
        "all": float(everywhere.detach()),
        "all_coarse": float(losses.sample_mean(before, valid)),
        "edge": float(at_edges.detach()),
        "edge_coarse": float(losses.sample_mean(before, near)),
    }


STEPS: dict[str, Step] = {"coarse": coarse_step, "refiner": refiner_step}


def trained_part(model: DepthModel, stage: str) -> nn.Module:
    """Give the module that a stage changes."""
    return model.coarse if stage == "coarse" else model.refiner


def set_training_mode(model: DepthModel, config: TrainConfig) -> None:
    """Put the stage's part in training mode and fix the frozen layers of its encoder.

    The first layers (edges and colours) transfer as they are; at full resolution their gradients cost the most.
    """
    model.eval()
    part = trained_part(model, config.stage)
    part.train()
    encoder = part.get_submodule("encoder")
    for name, parameter in encoder.named_parameters():
        if any(name.startswith(f"body.{frozen}") for frozen in config.frozen):
            parameter.requires_grad_(False)
    for module in encoder.modules():
        if config.fixed_depthwise and isinstance(module, nn.Conv2d) and module.groups > 1:
            module.requires_grad_(False)  # the bias too: asking for its gradient alone costs as much as both


def parameter_groups(model: DepthModel, config: TrainConfig) -> list[dict[str, object]]:
    """Parameters of the stage: the pretrained encoder learns more slowly, norms and biases do not decay."""
    part = trained_part(model, config.stage)
    groups = []
    for encoder in (True, False):
        for decays in (True, False):
            chosen = [
                p
                for name, p in part.named_parameters()
                if p.requires_grad and name.startswith("encoder.") == encoder and (p.ndim > 1) == decays
            ]
            groups.append(
                {
                    "params": chosen,
                    "lr_share": config.encoder_rate if encoder else 1.0,
                    "weight_decay": config.weight_decay if decays else 0.0,
                }
            )
    return groups
