"""Attention View: where in a picture the words of its prompt lie, to look at and as masks."""

from comfy_api.latest import io

from ...inversion_core.applications.attention_view import LOOKS, SPREADS
from ...inversion_core.attention.regions import THRESHOLD
from ..kit.checks import require_words
from ..kit.common import advanced, fraction, schema
from ..kit.prompt_text import word_list
from ..sockets import TrajectorySocket
from .attention_view_looks import ALL, COARSE, USUAL, WAYS, Looks, look
from .attention_view_page import page


class InversionAttentionView(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionAttentionView",
            display_name="Attention View",
            category="inversion/invert",
            description="Shows for every word of the prompt where in the picture it draws attention, read along the "
            "picture's own trajectory, and gives each word's region as a mask. Point at a word to see its map; choose "
            "words to make their region the mask.",
            search_aliases=["attention map", "heat map", "daam", "word mask", "segment"],
            is_output_node=True,
            inputs=[
                io.Model.Input("model", tooltip="The model that made the trajectory, with the same LoRAs."),
                TrajectorySocket.Input("trajectory", tooltip="The picture's trajectory, from DDIM Invert."),
                io.Clip.Input("clip", tooltip="The text encoder of the model."),
                io.Image.Input("image", tooltip="The picture that was inverted, to draw the maps over."),
                io.String.Input(
                    "prompt", multiline=True, tooltip="What the picture shows: the prompt that it was inverted with."
                ),
                io.String.Input(
                    "words",
                    default="",
                    tooltip="Words or phrases of the prompt to show, with commas between. Empty: every word.",
                ),
                io.String.Input(
                    "mask_words",
                    default="",
                    tooltip="Words or phrases of the prompt whose regions together are the mask. Empty: all of 'words', or "
                    "else the prompt's first word. Choosing words below the picture writes them here.",
                ),
                *map(advanced, reading()),
                *showing(),
            ],
            outputs=[
                io.Image.Output("grid", display_name="grid", tooltip="The picture, and each word's map over it."),
                io.Mask.Output(
                    "masks",
                    display_name="masks",
                    tooltip="A mask for each word that is shown, in their order, of the first picture of the batch.",
                ),
                io.Mask.Output(
                    "mask",
                    display_name="mask",
                    tooltip="The regions of 'mask_words' together, a mask for each picture: for Attention Edit, Inversion "
                    "Encode, or any node that takes a mask.",
                ),
                io.String.Output(
                    "shown", display_name="words", tooltip="The words that are shown, in order, one a line."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, prompt="", words="", mask_words="") -> bool | str:
        if prompt is not None and not prompt.strip():
            return "The prompt at 'prompt' is empty, so there are no words to look for: write what the picture shows."
        require_words(prompt, word_list(f"{words or ''}\n{mask_words or ''}"), "prompt")
        return True

    @classmethod
    def execute(cls, model, trajectory, clip, image, prompt, **settings) -> io.NodeOutput:
        seen = look(model, trajectory, clip, image, prompt, Looks(**settings))
        grid, shown = page(image, seen, prompt)
        return io.NodeOutput(grid, seen.masks[0], seen.mask, "\n".join(seen.words), ui=shown)


def reading() -> list[io.Input]:
    """The inputs that say which attention is read."""
    return [
        io.Combo.Input(
            "layers",
            options=[USUAL, COARSE, ALL],
            default=USUAL,
            tooltip="Which attention layers are read, by the tokens of the picture: in UNets those of 8 x 8 to 32 x 32, "
            "those of 8 x 8 to 16 x 16, or all; in Flux and Stable Diffusion 3 the five that are known to show words, or all; in other "
            "transformers all.",
        ),
        io.String.Input(
            "blocks",
            default="",
            tooltip="Only layers whose names hold one of these, with commas between: 'output' or 'middle' in UNets, "
            "'double.3' in transformers. Empty: all.",
        ),
        fraction("start", 0.0, "Fraction of the steps, from the noisiest on, after which maps are read."),
        fraction("end", 1.0, "Fraction of the steps up to which they are."),
        io.Int.Input(
            "looks",
            default=LOOKS,
            min=1,
            max=1000,
            tooltip="At how many of those steps, evenly chosen, the network is asked; more change little.",
        ),
    ]


def showing() -> list[io.Input]:
    """The inputs that say how maps are drawn and when a place counts as a word's."""
    return [
        io.Int.Input(
            "spread",
            default=SPREADS,
            min=0,
            max=5,
            tooltip="How often maps are spread along the picture's attention to itself, which fills things up to "
            "their edges. 0 shows the words' attention as it is and asks the network half as often.",
        ),
        io.Combo.Input(
            "show",
            options=list(WAYS),
            default=next(iter(WAYS)),
            tooltip="against the other words: where a word draws more attention than the others. alone: its "
            "attention from least to most.",
        ),
        fraction("threshold", THRESHOLD, "How much of a word's strongest value counts as its region."),
        fraction("softness", 0.0, "How wide the masks' soft edge is, in the same measure. 0: black and white."),
    ]
