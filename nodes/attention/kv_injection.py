"""KV Injection: the picture's own keys and values in the edit's attention, in the blocks where they count."""

from functools import partial
from typing import Any

from comfy_api.latest import io

from ...inversion_core.backends.comfy.attention import blocks_of
from ...inversion_core.techniques.injection import inject_keys_values, inject_values
from ...inversion_core.techniques.presets import LATE, PRESETS, by_depth, preset_for
from ...inversion_core.techniques.settings import KVInjection
from ..kit.checks import require_painted, span
from ..kit.inputs import all_edits, another_edit
from ..kit.schema import choice, fraction, schema, socket
from ..sockets import LatentTrajectory
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
            description="Makes the edit attend to the keys and values of the original image, or take only the values, in the blocks "
            "that matter most: keeps much of the image and loses little of the edit.",
            search_aliases=["rf-edit", "stable flow", "layerverse", "kv injection", "value injection"],
            inputs=[
                choice("preset", [AUTO, *PRESETS, BY_DEPTH]).about(
                    "auto: what was published for a network with as many blocks as this model; for other networks, the "
                    f"later half of the blocks. {ABOUT} by depth: uses the settings below."
                ),
                choice("inject", INJECTIONS, default="values").about("'by depth': what to inject."),
                fraction("depth_start", LATE).about("'by depth': start injecting after this fraction of the blocks."),
                fraction("depth_end", 1.0).about("'by depth': stop injecting after this fraction of the blocks."),
                fraction("start", 0.0).about("'by depth': start injecting after this fraction of the steps."),
                fraction("end", 0.3).about(
                    "'by depth': stop injecting after this fraction of the steps. Higher keeps more."
                ),
                socket(io.Mask, "mask", optional=True).about(
                    "Region to edit, at the size of the image. The region keeps its own keys and values. Everything else "
                    "may still change a little; a mask at the sampler keeps everything else exactly."
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
