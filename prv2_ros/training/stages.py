"""What each stage minimises."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from prv2_ros.network.align import crop_aligned, upsample_to
from prv2_ros.network.coarse_lite import CoarseOutput
from prv2_ros.network.looks import predict_looks
from prv2_ros.network.model import DepthModel
from prv2_ros.network.near_share import share_within
from prv2_ros.network.refiner_realtime import DEPTH_STRIDE, FEATURE_STRIDE, RefinedTile
from prv2_ros.training import losses
from prv2_ros.training.alignment import ssigm, ssigm_local
from prv2_ros.training.config import TrainConfig
from prv2_ros.training.consistency import consistency_error, consistency_loss
from prv2_ros.training.feed import Batch
from prv2_ros.training.parts import parameter_groups, set_training_mode, trained_part

__all__ = ["STEPS", "StageModule", "coarse_step", "parameter_groups", "set_training_mode", "trained_part"]

Figures = dict[str, Tensor]
"""Scalars without gradient, by name."""

Step = Callable[[DepthModel, Batch, TrainConfig], tuple[Tensor, Figures]]

_DEFAULTS = TrainConfig()

_NO_LOG_DEPTH = 1.6
"""Coarse log depth in place of one: the mean over the training scenes, which the refiner's input takes for zero."""


def coarse_step(model: DepthModel, batch: Batch, config: TrainConfig = _DEFAULTS) -> tuple[Tensor, Figures]:
    """Loss of the coarse network on whole images: metric log depth, shape, gradients, sky."""
    return _whole_picture_loss(model.predict_coarse(_unit(batch["image"]), batch["f_px"]), batch["log_depth"], config)


def far_step(model: DepthModel, batch: Batch, config: TrainConfig = _DEFAULTS) -> tuple[Tensor, Figures]:
    """Loss of the closer look's own network: that of the coarse one, of what is far and what it borders on."""
    coarse = model.predict_far(_unit(batch["image"]), batch["f_px"])
    return _whole_picture_loss(coarse, losses.far_and_beside(batch["log_depth"], config.far_from_m), config)


def _whole_picture_loss(coarse: CoarseOutput, log_true: Tensor, config: TrainConfig) -> tuple[Tensor, Figures]:
    log_pred, truth = (_thinned(x, config.loss_stride) for x in (coarse.log_depth_B1hw, log_true))
    metric, shape = losses.log_l1(log_pred, truth), losses.scale_invariant(log_pred, truth)
    edges, sky = losses.gradient(log_pred, truth), losses.sky(log_pred, truth)
    total = (1 - config.relative) * metric + 0.5 * shape + 0.5 * edges + 0.2 * sky
    figures = {"log_l1": metric, "shape": shape, "grad": edges, "sky": sky}
    if config.relative:
        figures["relative"] = losses.relative_error(log_pred, truth)
        total = total + config.relative * figures["relative"]
    if config.likelihood:
        figures["nll"] = _likelihood(log_pred, truth, coarse.log_scale_B1hw)
        total = total + config.likelihood * figures["nll"]
    return total, _detached(figures)


def _thinned(map_B1HW: Tensor, stride: int) -> Tensor:
    """Every `stride`-th pixel of every `stride`-th row."""
    return map_B1HW[..., stride // 2 :: stride, stride // 2 :: stride] if stride > 1 else map_B1HW


def noise_step(model: DepthModel, batch: Batch, config: TrainConfig = _DEFAULTS) -> tuple[Tensor, Figures]:
    """Loss of the refiner alone: noise for coarse features and no coarse depth, so that it learns to read the image.

    PatchRefiner V2 (arXiv 2501.01121) calls this noisy pretraining; the gates learn to tell what helps from noise.
    """
    image, truth = _unit(batch["image"]), batch["log_depth"]
    cells = (image.shape[-2] // DEPTH_STRIDE, image.shape[-1] // DEPTH_STRIDE)
    log_coarse = image.new_full((len(image), 1, *cells), _NO_LOG_DEPTH)
    refined = model.refine(image, log_coarse, batch["features"], torch.zeros_like(log_coarse))
    shape, edges = losses.silog(refined.log_depth_B1HW, truth), losses.gradient(refined.log_depth_B1HW, truth)
    return shape + config.gradient * edges, _detached({"silog": shape, "grad": edges})


def refiner_step(model: DepthModel, batch: Batch, config: TrainConfig = _DEFAULTS) -> tuple[Tensor, Figures]:
    """Loss of the refiner on native tiles, the coarse network held fixed; edges count more.

    What a tile shows cannot mend the scale of the whole picture, so the truth is moved onto the coarse depth's median
    first: otherwise the scale's error drowns that of the edges. Beyond `metric_from_m` it stays where it is.
    """
    image = _unit(batch["image"])
    log_coarse = upsample_to(batch["log_coarse"], (image.shape[-2], image.shape[-1]))
    moved = share_within(log_coarse, config.metric_from_m) if config.metric_from_m else 1.0
    truth = losses.align_offset(batch["log_depth"], log_coarse, moved)
    log_pred = model.refine(image, batch["log_coarse"], batch["features"], batch["log_scale"]).log_depth_B1HW
    valid = torch.isfinite(truth)
    near = valid & (losses.edge_weight(truth) > 0)
    filled = torch.where(valid, truth, 0.0)
    error, before = log_pred - filled, (log_coarse - filled).abs()
    everywhere, at_edges = (losses.sample_means(error.abs(), among) for among in (valid, near))
    before_everywhere, before_at_edges = (losses.sample_means(before, among) for among in (valid, near))
    metric = everywhere + at_edges
    if config.relative:
        # A surface taken for the sky behind it is the worst of errors to a robot, and in metres.
        costly = losses.relative(error)
        costly_means = losses.sample_means(costly, valid) + losses.sample_means(costly, near)
        metric = (1 - config.relative) * metric + config.relative * costly_means
    shape = losses.gradients(log_pred, truth, scales=3) + 0.2 * losses.skies(log_pred, truth)
    # Relative to what was wrong before, sample by sample: one hopeless scene must not outweigh ten that can be mended.
    total = (metric + shape) / (before_everywhere + before_at_edges + 0.05)
    figures = {"all": everywhere, "all_coarse": before_everywhere, "edge": at_edges, "edge_coarse": before_at_edges}
    return total.mean(), _detached({name: values.mean() for name, values in figures.items()})


def end_to_end_step(model: DepthModel, batch: Batch, config: TrainConfig = _DEFAULTS) -> tuple[Tensor, Figures]:
    """Loss of the whole model on native patches: SILog, gradients, sky; overlapping patches may be asked to agree."""
    coarse, refined = _whole(model, batch)
    truth, log_pred = batch["patch_log_depth"], refined.log_depth_B1HW
    figures = {"silog": losses.silog(log_pred, truth), "grad": losses.gradient(log_pred, truth)}
    total = figures["silog"] + config.gradient * figures["grad"] + 0.2 * losses.sky(log_pred, truth)
    return _with_options(total, figures, batch, config, coarse, refined)


def real_step(model: DepthModel, batch: Batch, config: TrainConfig = _DEFAULTS) -> tuple[Tensor, Figures]:
    """Loss of the whole model on real pictures: SILog on the sparse truth, SSIGM on the pseudo label.

    In log depth, as the network answers, so that a far wall does not outweigh a near person.
    """
    coarse, refined = _whole(model, batch)
    log_pred, label = refined.log_depth_B1HW, batch["patch_label"]
    figures = {
        "silog": losses.silog(log_pred, batch["patch_log_depth"]),
        "ssigm": ssigm_local(log_pred, label, config.window_px) if config.window_px else ssigm(log_pred, label),
    }
    total = figures["silog"] + config.pseudo * figures["ssigm"]
    return _with_options(total, figures, batch, config, coarse, refined)


def confidence_step(model: DepthModel, batch: Batch, config: TrainConfig = _DEFAULTS) -> tuple[Tensor, Figures]:
    """Likelihood of the predicted error scales: the coarse network's on whole pictures, the refiner's on patches.

    Of the mean of the coarse network's looks, which is what will be used.
    """
    coarse, refined = _whole(model, batch, every_look=True)
    whole = losses.laplace_nll(*_at_truth(coarse.log_depth_B1hw, batch["log_depth"], coarse.log_scale_B1hw))
    patch = losses.laplace_nll(*_at_truth(refined.log_depth_B1HW, batch["patch_log_depth"], refined.log_scale_B1hw))
    return whole + patch, _detached({"nll_coarse": whole, "nll": patch})


STEPS: dict[str, Step] = {
    "coarse": coarse_step,
    "far": far_step,
    "noise": noise_step,
    "refiner": refiner_step,
    "end_to_end": end_to_end_step,
    "real": real_step,
    "confidence": confidence_step,
}


class StageModule(nn.Module):
    """A model whose forward pass is a stage's loss, as DistributedDataParallel wants it."""

    def __init__(self, model: DepthModel, config: TrainConfig) -> None:
        """Wrap; parameters are shared with the model."""
        super().__init__()
        self.model, self.config = model, config

    def forward(self, batch: Batch) -> tuple[Tensor, Figures]:
        """Loss and figures of a batch."""
        return STEPS[self.config.stage](self.model, batch, self.config)


def _unit(image: Tensor) -> Tensor:
    """RGB bytes to 0..1 in channels-last memory."""
    return image.float().div_(255).contiguous(memory_format=torch.channels_last)


def _whole(model: DepthModel, batch: Batch, *, every_look: bool = False) -> tuple[CoarseOutput, RefinedTile]:
    """Run the coarse network on the pictures, with one look where not told otherwise, and the refiner on patches."""
    image, f_px = _unit(batch["image"]), batch["f_px"]
    if every_look:
        coarse = predict_looks(model, image, f_px, f_px, (image.shape[-2], image.shape[-1]))
    else:
        coarse = model.predict_coarse(image, f_px)
    patches = _unit(batch["patches"])
    count = len(patches) // len(batch["image"])

    def crop(map_BChw: Tensor, stride: int) -> Tensor:
        cells = (patches.shape[-2] // stride, patches.shape[-1] // stride)
        return crop_aligned(map_BChw.float().repeat_interleave(count, 0), batch["boxes"], (1, 1), cells)

    refined = model.refine(
        patches,
        crop(coarse.log_depth_B1hw, DEPTH_STRIDE),
        crop(coarse.features_BChw, FEATURE_STRIDE),
        crop(coarse.log_scale_B1hw, DEPTH_STRIDE),
    )
    return coarse, refined


def _with_options(
    total: Tensor,
    figures: Figures,
    batch: Batch,
    config: TrainConfig,
    coarse: CoarseOutput,
    refined: RefinedTile,
) -> tuple[Tensor, Figures]:
    """Add the losses that the config may ask for; the disagreement of patches that overlap is always reported."""
    if config.patches != "single":
        corners = batch["corners"]
        groups = refined.log_depth_B1HW.unflatten(0, corners.shape[:2])
        figures["disagreement"] = consistency_error(groups.detach(), corners)
        if config.consistency:
            features = refined.features_BChw
            if features is not None:
                features = features.float().unflatten(0, corners.shape[:2])
            figures["consistency"] = consistency_loss(groups, corners, features, feature_stride=DEPTH_STRIDE)
            total = total + config.consistency * figures["consistency"]
    if config.likelihood:
        whole = _likelihood(coarse.log_depth_B1hw, batch["log_depth"], coarse.log_scale_B1hw)
        figures["nll"] = _likelihood(refined.log_depth_B1HW, batch["patch_log_depth"], refined.log_scale_B1hw)
        total = total + config.likelihood * (whole + figures["nll"])
    return total, _detached(figures)


def _likelihood(log_pred: Tensor, truth: Tensor, log_scale: Tensor) -> Tensor:
    """Likelihood that trains the scale alone: a depth that is unsure must not count less."""
    return losses.laplace_nll(*_at_truth(log_pred.detach(), truth, log_scale))


def _at_truth(log_pred: Tensor, truth: Tensor, log_scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return log_pred, truth, upsample_to(log_scale, (truth.shape[-2], truth.shape[-1]))


def _detached(figures: Figures) -> Figures:
    return {name: value.detach() for name, value in figures.items()}
