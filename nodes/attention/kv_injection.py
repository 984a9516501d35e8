"""KV Injection: the picture's own keys and values in the edit's attention, in the blocks where they count."""

from functools import partial
from typing import Any

from comfy_api.latest import io

from ...inversion_core.backends.comfy.denoiser import blocks_of
from ...inversion_core.techniques.injection import inject_keys_values, inject_values
from ...inversion_core.techniques.presets import LATE, PRESETS, by_depth, preset_for
from ...inversion_core.techniques.settings import KVInjection
from ..kit.checks import require_painted, span
from ..kit.common import fraction, schema
from ..sockets import LatentTrajectory, all_edits, another_edit
from .attention_edits import SettingPlan, add_edit

AUTO, BY_DEPTH = "auto", "by depth"
INJECTIONS = {"values": inject_values, "keys and values": inject_keys_values}
ABOUT = " ".join(f"{name}: {preset.source.rstrip('.')}." for name, preset in PRESETS.items())


class InversionKVInjection(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionKVInjection",
            display_name="KV Injection",
            category="inversion/edit",
            description="The edit attends to the picture's own keys and values, or values alone, in the blocks of the "
            "network that matter: the most of the picture is kept for the least lost of the edit.",
            search_aliases=["rf-edit", "stable flow", "layerverse", "kv injection", "value injection"],
            inputs=[
                io.Combo.Input(
                    "preset",
                    options=[AUTO, *PRESETS, BY_DEPTH],
                    default=AUTO,
                    tooltip="auto: what was published for a network of as many blocks as this model's; for others the later "
                    f"half of the blocks. {ABOUT} by depth: as set below.",
                ),
                io.Combo.Input(
                    "inject", options=list(INJECTIONS), default="values", tooltip="What is taken, for 'by depth'."
                ),
                fraction("depth_start", LATE, "Fraction of the network's blocks after which it acts, for 'by depth'."),
                fraction("depth_end", 1.0, "Fraction of the network's blocks up to which it acts, for 'by depth'."),
                fraction("start", 0.0, "Fraction of the steps after which it acts, for 'by depth'."),
                fraction("end", 0.3, "Fraction of the steps up to which it acts, for 'by depth'."),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="The region to edit, in the picture's size: it keeps its own keys and values. The rest may still "
                    "change a little; a mask at the sampler keeps it exactly.",
                ),
                another_edit(),
            ],
            outputs=[all_edits()],
        )

    @classmethod
    def execute(cls, preset, inject, mask=None, attention_edit=None, **spans) -> io.NodeOutput:
        (start, end), steps = (span(spans[f"{name}start"], spans[f"{name}end"], name) for name in ("depth_", ""))
        region = require_painted(mask)
        choices = {name: published.on for name, published in PRESETS.items()}
        choices[AUTO] = partial(preset_for, masked=region is not None)
        choices[BY_DEPTH] = partial(by_depth, inject=INJECTIONS[inject], start=start, end=end, span=steps)
        return io.NodeOutput(add_edit(attention_edit, KVInjectionPlan(KVInjection(choices[preset], region))))


class KVInjectionPlan(SettingPlan):
    """Injection, for networks that have the blocks of its preset."""

    setting: KVInjection

    def check(self, model: Any, record: LatentTrajectory) -> None:
        super().check(model, record)
        self.setting.preset(blocks_of(model.model.diffusion_model))
