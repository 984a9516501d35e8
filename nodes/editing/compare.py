"""Compare Methods: every method that fits the model on one picture, side by side."""

from typing import Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from ...inversion_core.applications.compare import Compared, compare, fitting
from ...inversion_core.dial import FEW_STEPS
from ...inversion_core.methods import EDITORS, EditJob, Settings
from ...inversion_core.types import Cond
from ..inverting.encode import encode
from ..inverting.invert_latent import decreasing, scale_of
from ..kit.checks import rgb
from ..kit.inputs import negative_input, source_and_target
from ..kit.latents import taken
from ..kit.prompt_text import word_list
from ..kit.schema import choice, number, output, scheduler_input, schema, seed_input, socket, steps_input, text_input
from ..run.control_hints import pad_hints
from ..run.guidance import few_steps_for
from ..run.progress import reporter, run
from .compare_sheet import CHOICES, chosen, figures, labelled, page, ranked
from .method_inputs import ABOUT_FEW_STEPS, PUBLISHED
from .run_edit import cond_of

STEPS = 28


class InversionCompare(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionCompare",
            display_name="Compare Methods",
            category="inversion/edit",
            description="Edits an image with every method that fits the model, each with its published settings, and shows the "
            "results best first: what shows the change and keeps the rest. Takes the best, or the one you choose, further.",
            search_aliases=["all methods", "benchmark", "xy plot", "best method"],
            is_output_node=True,
            inputs=[
                socket(io.Model, "model").about("The model that inverts and edits."),
                socket(io.Vae, "vae").about("The VAE of the model."),
                socket(io.Image, "image").about("The image to edit. Only the first image of a batch is used."),
                *source_and_target(),
                negative_input(),
                steps_input(STEPS).about(
                    f"Number of steps for every method. The default becomes 4 or 8 with '{FEW_STEPS}'."
                ),
                scheduler_input("normal"),
                text_input("methods", multiline=True).about(
                    "Comma-separated methods to run. Empty runs all that fit the model. Methods:\n" + ", ".join(EDITORS)
                ),
                seed_input().about("Seed of methods that draw noise."),
                choice("settings", [PUBLISHED, FEW_STEPS], optional=True).about(
                    f"published: uses the published settings of each method for this kind of model, or usual values. {ABOUT_FEW_STEPS}"
                ),
                choice("choose", [*CHOICES, *EDITORS], optional=True).about(
                    "Which edit to output as 'chosen': by its place, or by the name of its method."
                ),
                number("strength", 0.0, 0.0, 1.0, step=0.05, optional=True).about(
                    "One strength for all methods: higher changes more. 0 is the published strength of each method, mostly 1."
                ),
                socket(io.Image, "truth", optional=True).about(
                    "The true result of the edit, where known: 'true edit' of Toybox Scene. The methods are then ranked by it."
                ),
            ],
            outputs=[
                output(io.Image, "sheet").about("All edited images and figures on one page."),
                output(io.Image, "images").about("The edited images as a batch, best first, as on the sheet."),
                output(io.String, "figures").about("What came out and what it cost, one line per method."),
                output(io.Image, "chosen").about("The edited image that 'choose' names, to save or to edit further."),
                output(io.Latent, "chosen_latent").about("Latent of the chosen image."),
                output(io.Image, "labelled").about(
                    "The edited images as a batch, each with its place and method below."
                ),
                output(io.String, "names").about("The methods' names, best first, one per line, for Before / After."),
            ],
        )

    @classmethod
    def validate_inputs(cls, methods: str | None = "") -> bool | str:
        return mistaken(methods or "") or True

    @classmethod
    def execute(
        cls, model, vae, image, methods, settings=PUBLISHED, choose=CHOICES[0], strength=0.0, truth=None, **given
    ) -> io.NodeOutput:
        image, latent, few = rgb(image[:1]).cpu().float(), encode(vae, image[:1], None, 64), settings == FEW_STEPS
        asked = {"few_steps": few, "strength": strength or None, "likelihood": truth is None}
        results = compared(model, latent, named(methods), **asked, **given)
        scale = scale_of(model, latent["samples"], latent["inversion_frame"])
        shown = ranked(vae, image, scale, results, truth)
        one, sheet, text = chosen(shown, choose), page(image, shown, truth, strength), figures(shown, results)
        images, names = torch.cat([one.image for one in shown]), "\n".join(one.result.name for one in shown)
        more = one.image, scale.latent(one.result.edited.target), labelled(shown), names
        seen = {**ui.PreviewImage(sheet, cls=cls).as_dict(), "text": [text]}
        return io.NodeOutput(sheet, images, text, *more, ui=seen)


def named(methods: str) -> list[str]:
    """The methods that were written down. Raises ValueError at one that does not exist."""
    if said := mistaken(methods):
        raise ValueError(said)
    return list(word_list(methods))


def mistaken(methods: str) -> str:
    """The sentence about the first method that does not exist; empty if all do."""
    unknown = [name for name in word_list(methods) if name not in EDITORS]
    return f"There is no method '{unknown[0]}'. Choose from: {', '.join(EDITORS)}." if unknown else ""


def compared(
    model: Any,
    latent: dict[str, Any],
    names: list[str],
    *,
    steps: int,
    scheduler: str,
    seed: int,
    few_steps: bool = False,
    strength: float | None = None,
    likelihood: bool = False,
    **prompts: Any,
) -> list[Compared]:
    """The edits of a LATENT by the named methods, or by all that fit the model, at one strength or at the published ones."""
    steps = few_steps_for(model, "direct", steps, STEPS) if few_steps else steps
    (frame, samples), sigmas = taken(model, latent), decreasing(model, scheduler, steps)

    def body(denoiser: Any, x: Tensor, prepared: Any) -> list[Compared]:
        def conds(settings: Settings) -> tuple[Cond, Cond]:
            source = cond_of(prepared, "source", settings.source_guidance, alone=few_steps)
            return source, cond_of(prepared, "target", settings.guidance, alone=few_steps)

        job = EditJob(denoiser, x, sigmas, prepared("source"), prepared("target"), seed=seed, on_step=reporter(model))
        names_here = names or fitting(denoiser, few_steps)
        asked = {"strengths": [strength], "few_steps": few_steps, "likelihood": likelihood}
        return list(compare(job, names_here, conds, **asked))

    gradients = any(EDITORS[name].gradients for name in names or EDITORS)
    return run(model, pad_hints(prompts, frame), samples, sigmas, body, gradients=gradients)
