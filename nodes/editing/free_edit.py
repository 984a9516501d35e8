"""Inversion-Free Edit: the difference of two prompts, straight from the picture."""

from comfy_api.latest import io

from ...inversion_core.dial import FEW_STEPS
from ..kit.inputs import negative_input, source_and_target
from ..kit.schema import output, scheduler_input, schema, socket, steps_input
from ..run.guidance import few_steps_for
from .method_inputs import choices, drawing, methods, request_of
from .run_edit import edit_without

STEPS = 28


class InversionFreeEdit(io.ComfyNode):
    """Edits without a trajectory: what the prompts' predictions differ in is added to the picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionFreeEdit",
            display_name="Inversion-Free Edit",
            category="inversion/edit",
            description="Edits an image without inversion: adds the difference between the predictions of both prompts, one noise "
            "level after the other.",
            search_aliases=[
                "img2img edit",
                "edit image",
                "edit photo",
                "flowedit",
                "flow edit",
                "flowalign",
                "infedit",
                "ddcm",
                "uniedit",
            ],
            inputs=[
                socket(io.Model, "model").about(
                    "Any model. The methods were published for rectified flow (SD3, Flux)."
                ),
                socket(io.Latent, "latent").about("Latent of the image, from Inversion Encode (or any VAE Encode)."),
                *source_and_target(),
                negative_input(),
                *choices(methods("delta", "few steps", free=True)),
                drawing(),
                steps_input(STEPS).about(
                    "Number of noise levels. Strength says how many of them act. The default becomes the method's own value "
                    f"with '{FEW_STEPS}'."
                ),
                scheduler_input("normal"),
            ],
            outputs=[output(io.Latent, "edited").about("The edited latent, for Inversion Decode.")],
        )

    @classmethod
    def execute(cls, model, latent, source, target, negative, steps, scheduler, **chosen) -> io.NodeOutput:
        words, said = {"source": source, "target": target, "negative": negative}, []
        request = request_of(**chosen)
        steps = few_steps_for(model, request.method, steps, STEPS) if request.few_steps else steps
        edited = edit_without(model, latent, words, request.on, steps, scheduler, said.append)
        return io.NodeOutput(edited, ui={"text": said})
