"""The authors' names of tensors, and ours.

Each rule rewrites the beginning of a name that the authors' repository (zhyever/PatchRefinerV2) gives a tensor.
"""

from __future__ import annotations

import re

_C2F, _F2C = r"refiner_fusion_model\.c2f\.scratch\.", r"refiner_fusion_model\."
_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile("^" + pattern), ours)
    for pattern, ours in (
        (r"refiner_fine_branch\.refiner_encoder\.", "encoder.body."),
        (r"refiner_fine_branch\.upsample_convx\.", "encoder.raise_stride."),
        (_C2F + r"layer(\d)_rn\.", "c2f.project.<1>."),
        (_C2F + r"refinenet(\d)\.", "c2f.fuse.<1>."),
        (_C2F + r"output_conv1\.", "c2f.narrow."),
        (_C2F + r"output_conv2\.0\.", "c2f.match."),
        (_C2F + r"output_conv2_fusion\.", "c2f.denoise."),
        (_C2F + r"output_conv3\.0\.", "c2f.depth."),
        (_F2C + r"fusion_layers_1\.(\d)\.single_conv\.", r"f2c.mix.\1."),
        (_F2C + r"fusion_layers_2\.(\d)\.single_conv\.", r"f2c.mix_depth.\1."),
        (_F2C + r"f2r_agg\.(\d)\.conv\.double_conv\.", "f2c.climb.<4-1>."),
        (_F2C + r"final_conv\.", "f2c.offset."),
    )
)
_UNIT = (
    (re.compile(r"\.GateresConfUnit1\."), ".skip_unit."),
    (re.compile(r"\.GateresConfUnit2\."), ".unit."),
    (re.compile(r"unit\.conv\."), "unit.residual."),
    (re.compile(r"unit\.fusion_conv\.0\."), "unit.mix."),
    (re.compile(r"unit\.fusion_conv\.1\."), "unit.norm."),
    (re.compile(r"unit\.fusion_conv\.3\."), "unit.gate."),
    (re.compile(r"\.out_conv\."), ".out."),
)


def own_name(reference: str) -> str:
    """Give our name of a tensor of the authors' refiner; a name that no rule knows comes back as it is."""
    for pattern, ours in _RULES:
        match = pattern.match(reference)
        if match is None:
            continue
        start = match.expand(ours.replace("<1>", "").replace("<4-1>", ""))
        if "<" in ours:  # they count levels from 1, or from the lowest up
            level = int(match.group(1)) - 1 if "<1>" in ours else 4 - int(match.group(1))
            start = ours.replace("<1>", str(level)).replace("<4-1>", str(level))
        name = start + reference[match.end() :]
        for unit, replacement in _UNIT:
            name = unit.sub(replacement, name) if name.startswith("c2f.") else name
        return name
    return reference
