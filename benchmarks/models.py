"""The table in docs/MODELS.md: parameters, and the work of one 3840x2160 frame.

    python benchmarks/models.py

Nothing is run; see prv2_ros/inference/work.py.
"""

from __future__ import annotations

from prv2_ros.inference.work import Work, own_work, published_work
from prv2_ros.network.checkpoint import load_model
from prv2_ros.network.model import VARIANTS, ModelSpec
from prv2_ros.network.refiner_published import PUBLISHED_ENCODERS

HEADER = (
    "| model | coarse network | refiner | parameters (M) | GFLOP a 4K frame | licence of the weights |\n"
    "| --- | --- | --- | --- | --- | --- |"
)
PUBLISHED_LICENCE = "none released; the coarse network's CC-BY-NC-4.0"


def main() -> int:
    print(HEADER)
    for row in rows().values():
        print(row)
    return 0


def rows() -> dict[str, str]:
    """Lines of the table by model."""
    found = {}
    for name, spec in VARIANTS.items():
        shipped = spec == ModelSpec()
        model = "`default` (`m`)" if shipped else f"`{name}`"
        licence = "Apache-2.0" if shipped else "none yet: `prv2 train`"
        work = own_work(load_model("default").spec if shipped else spec)
        height, width = work.network_hw
        coarse = f"`coarse_lite`, {width}x{height}"
        height, width = work.tile_hw
        refiner = f"`refiner_realtime`, `{spec.refiner_encoder}`, {work.tiles} tiles of {width}x{height}"
        found[name] = line(model, coarse, refiner, work, licence)
    for name, encoder in PUBLISHED_ENCODERS.items():
        work = published_work(encoder)
        height, width = work.tile_hw
        refiner = f"published, `{encoder}`, {work.tiles} patches of {width}x{height}"
        coarse = f"Depth Anything V2 metric, ViT-L, {width}x{height}"
        found[name] = line(f"`{name.lower().replace('-', '_')}`", coarse, refiner, work, PUBLISHED_LICENCE)
    return found


def line(model: str, coarse: str, refiner: str, work: Work, licence: str) -> str:
    return (
        f"| {model} | {coarse} | {refiner} | {work.coarse_millions:.1f} + {work.refiner_millions:.1f} | "
        f"{work.gflop:,.0f} ({work.coarse_gflop:,.0f} + {work.refiner_gflop:,.0f}) | {licence} |"
    )


if __name__ == "__main__":
    raise SystemExit(main())
