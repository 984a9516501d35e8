"""Style Reference: an edit takes its style from another picture."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ...inversion_core.applications.style import STYLINGS, Style
from ...inversion_core.attention.technique import Technique
from ...inversion_core.backends.comfy.attention import blocks_of
from ...inversion_core.techniques.style_aligned import PUBLISHED as SHARING
from ...inversion_core.techniques.style_id import LAYER, Injection, check_layer
from ...inversion_core.techniques.style_id import PUBLISHED as INJECTION
from ..kit.common import check_model
from ..kit.inputs import all_edits, another_edit
from ..kit.schema import choice, fraction, integer, number, schema, socket
from ..sockets import LatentTrajectory, TrajectorySocket
from .attention_edits import Plan, Ready, add_edit


class InversionStyleReference(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionStyleReference",
            display_name="Style Reference",
            category="inversion/edit",
            description="Takes the style of another image: the edit attends to the style image at every step. Invert both images on "
            "the same steps. The target prompt may also name the style.",
            search_aliases=[
                "style transfer",
                "restyle",
                "style from image",
                "style aligned",
                "styleid",
                "ip-adapter style",
            ],
            inputs=[
                socket(TrajectorySocket, "style").about("Trajectory of the style image."),
                socket(io.Conditioning, "style_prompt").about("Prompt that the style image was inverted with."),
                choice("method", STYLINGS, default="StyleAligned").about(
                    "StyleAligned: the edit attends to both images. StyleID: the edit attends to the keys and values of the "
                    "style image instead of its own, with the queries of the content."
                ),
                fraction("end", 1.0).about(
                    "Stop applying the style after this fraction of the steps. Higher: more style."
                ),
                number("weight", round(math.exp(SHARING.shift), 6), 0.0, 100.0, step=0.1).about(
                    "StyleAligned: weight of the style keys. Higher takes more of the style; 0 changes nothing."
                ),
                fraction("content_queries", INJECTION.query).about(
                    "StyleID: fraction of the content's own queries. Lower takes more of the style."
                ),
                number("temperature", INJECTION.temperature, 0.1, 10.0, step=0.05).about(
                    "StyleID: factor for the attention logits. Higher makes attention sharper."
                ),
                io.Boolean.Input(
                    "start_statistics",
                    default=INJECTION.start,
                    tooltip="StyleID: start from noise with the mean and spread of the style image in every channel.",
                ),
                integer("layer", LAYER, 0, 32).about(
                    "StyleID: first decoder layer that is changed, counted from the coarsest. The published layer is 6 of "
                    "the 12 of SD 1; the toybox has 6 layers. Transformers are changed in all blocks."
                ),
                io.Boolean.Input(
                    "share_norms",
                    default=SHARING.norms,
                    optional=True,
                    tooltip="StyleAligned on UNets: normalise both images together, as published for real images. Off keeps more of "
                    "the original tone.",
                ),
                another_edit(),
            ],
            outputs=[all_edits()],
        )

    @classmethod
    def execute(cls, style, style_prompt, method, attention_edit=None, **settings) -> io.NodeOutput:
        return io.NodeOutput(add_edit(attention_edit, StyleReference(style, style_prompt, method, **settings)))


@dataclass(frozen=True)
class StyleReference(Plan):
    """A picture's style before the prompts are ready."""

    style: LatentTrajectory
    prompt: Any
    method: str
    end: float
    weight: float
    content_queries: float
    temperature: float
    start_statistics: bool
    layer: int
    share_norms: bool = SHARING.norms

    @property
    def prompts(self) -> Mapping[str, Any]:
        return {"style": self.prompt}

    def check(self, model: Any, record: LatentTrajectory) -> None:
        super().check(model, record)
        check_model(self.style, model, self.prompt, "style's trajectory")
        if self.method == "StyleID":
            blocks = (name.split(".") for name in blocks_of(model.model.diffusion_model))
            check_layer(self.layer, [int(number) for part, number, *_ in blocks if part == "output"])

    def settings(self, ready: Ready) -> list[Technique]:
        injection = Injection(self.content_queries, self.temperature, self.start_statistics)
        style = Style(
            self.style.trajectory,
            ready.prompt("style"),
            self.end,
            self.weight,
            self.share_norms,
            injection=injection,
            layer=self.layer,
        )
        return [STYLINGS[self.method](style, ready.record.trajectory.sigmas)]

    def _comfy_cache_tensors(self) -> list[Tensor]:
        return self.style._comfy_cache_tensors()
