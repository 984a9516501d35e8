"""Attention View: where in a picture the words of its prompt lie, to look at and as masks."""

from comfy_api.latest import io

from ...inversion_core.applications.attention_view import LOOKS, SPREADS
from ...inversion_core.attention.regions import THRESHOLD
from ..kit.checks import require_words
from ..kit.inputs import model_input, trajectory_input
from ..kit.prompt_text import word_list
from ..kit.schema import advanced, choice, fraction, integer, output, schema, socket, text_input
from .attention_view_looks import ALL, COARSE, USUAL, WAYS, Looks, look
from .attention_view_page import page


class InversionAttentionView(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="InversionAttentionView",
            display_name="Attention View",
            category="inversion/invert",
            description="Shows where in the image each word of the prompt draws attention, read along the trajectory of the image, "
            "and outputs the region of each word as a mask. Point at a word to see its map. Choose words to make their region the "
            "mask.",
            search_aliases=["attention map", "heat map", "daam", "word mask", "segment"],
            is_output_node=True,
            inputs=[
                model_input(),
                trajectory_input(),
                socket(io.Clip, "clip").about("Text encoder of the model."),
                socket(io.Image, "image").about("The image that was inverted, as background of the attention maps."),
                text_input("prompt", multiline=True, default=None).about("Prompt that the image was inverted with."),
                text_input("words").about(
                    "Comma-separated words or phrases of the prompt to show. Empty shows every word."
                ),
                text_input("mask_words").about(
                    "Comma-separated words or phrases of the prompt whose regions together make the mask. Empty uses all of "
                    "'words', or the first word of the prompt. Choosing words below the image fills this field."
                ),
                *reading(),
                *showing(),
            ],
            outputs=[
                output(io.Image, "grid").about("The image, and each word's map over the image."),
                output(io.Mask, "masks").about(
                    "One mask per word, in the order of the words. Only the first image of a batch is used."
                ),
                output(io.Mask, "mask").about(
                    "The regions of 'mask_words' together, one mask per image: for Attention Edit, Inversion Encode, or any "
                    "node that takes a mask."
                ),
                output(io.String, "shown", "words").about("The words that are shown, in order, one per line."),
            ],
        )

    @classmethod
    def validate_inputs(cls, prompt="", words="", mask_words="") -> bool | str:
        if prompt is not None and not prompt.strip():
            return "The prompt at 'prompt' is empty, so there are no words to look for. Write what the image shows."
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
        advanced(choice("layers", [USUAL, COARSE, ALL])).about(
            "Which attention layers are read, by their number of image tokens. UNets: layers of 8 x 8 to 32 x 32, layers of "
            "8 x 8 to 16 x 16, or all. Flux and Stable Diffusion 3: the five layers that are known to show words, or all. Other "
            "transformers: all."
        ),
        advanced(text_input("blocks")).about(
            "Comma-separated parts of block names; only matching layers are read: 'output' or 'middle' in UNets, 'double.3' "
            "in transformers. Empty reads all layers."
        ),
        advanced(fraction("start", 0.0)).about(
            "Start reading attention maps after this fraction of the steps, from the noisiest on."
        ),
        advanced(fraction("end", 1.0)).about(
            "Stop reading attention maps after this fraction of the steps, from the noisiest on."
        ),
        advanced(integer("looks", LOOKS, 1, 1000)).about(
            "Number of steps at which the network runs, evenly spaced from start to end. More changes little."
        ),
    ]


def showing() -> list[io.Input]:
    """The inputs that say how maps are drawn and when a place counts as a word's."""
    return [
        integer("spread", SPREADS, 0, 5).about(
            "How often attention maps are spread along the self-attention of the image, which fills objects up to their "
            "edges. 0 shows cross-attention as it is and runs the network half as often."
        ),
        choice("show", WAYS).about(
            "against the other words: where a word draws more attention than the others. alone: the attention of each word, "
            "from least to most."
        ),
        fraction("threshold", THRESHOLD).about(
            "Threshold relative to a word's strongest value. Lower gives a larger region."
        ),
        fraction("softness", 0.0).about(
            "Width of the masks' soft edge, in units of threshold. 0 gives black and white masks."
        ),
    ]
