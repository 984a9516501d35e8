"""The names and numbers that help shows and choices take: copies, so that the options are read without torch.

`tests/test_command_line_help.py` holds them against the tables of the library.
"""

METHODS = {
    "ddim": "plain DDIM inversion; guidance loses the image",
    "null-text": "optimises the empty prompt; needs gradients",
    "negative-prompt": "null-text in closed form",
    "ProxNPI": "negative-prompt, applied where the prompts differ most",
    "heun": "second order from the slopes at both ends; two evaluations per step",
    "midpoint": "second order from the slope half-way: RF-Solver, without its injection of values",
    "fireflow": "midpoint at one evaluation per step",
    "dpmpp_2m": "second order from the last prediction, at one evaluation per step",
    "Uni-Inv": "undoes Euler at one evaluation per step; sampled by Euler",
    "fixed-point": "undoes DDIM to rounding, up to 21 evaluations per step; sampled by DDIM",
    "AIDI": "undoes DDIM in up to 6 evaluations per step, accelerated; without AIDI's blended guidance",
    "ReNoise": "undoes DDIM in up to 11 evaluations per step, the last two averaged; without ReNoise's regularisers",
    "EDICT": "two coupled states, exactly invertible; two evaluations per step, at most 50 steps",
    "BDIA": "averages DDIM steps in both directions, exactly invertible",
    "O-BELM": "the most accurate two-step scheme, exactly invertible",
    "direct": "holds the source exactly",
    "DirectEdit": "runs the target prompt where the inversion ran the source prompt",
    "h-Edit-D": "follows the source, then moves towards the target",
    "h-Edit-R": "follows the source along noise maps, then moves towards the target; freer than h-Edit-D",
    "edit-friendly DDPM": "samples with noise maps that hold the image",
    "LEDITS++": "adds the concept of the target prompt where that concept acts most",
    "RF-Inversion": "goes towards a random noise and back, pulled to the image for the first quarter of the steps",
    "FlowEdit": "follows the difference between the velocities of two coupled noisings, without inversion",
    "FlowAlign": "FlowEdit guided away from the source prompt, with a pull to the source",
    "DDCM": "adds the difference between the clean predictions at every noise level, without inversion (InfEdit's sampler)",
    "Uni-Edit": "stresses the difference between the prompts where that difference is large, along a stored path",
    "SteerFlow": "follows a stored path, and turns to the target where the two differ",
    "TurboEdit": "edit-friendly noise maps with noise one level too clean, for models of three or four steps",
    "ChordEdit": "one step along a chord between two noise levels, for models of one step",
}
WAYS = {
    "token flow": "all key frames share their changes, which follow the motion",
    "token flow, as published": "frames take over what the two nearest key frames show",
    "key frames": "every frame attends to all key frames",
    "first and previous": "every frame attends to two earlier frames",
    "each frame": "frames are edited independently of each other",
}
ALIGNMENTS, SHARES, STYLINGS = ("refine", "replace"), ("masactrl", "kv", "values"), ("StyleAligned", "StyleID")
DTYPES = ("float32", "float16", "bfloat16")
PRECISIONS = ("recorded", "half if needed", "float16", "bfloat16", "float8")

LAYER = 4
"""Of Plug-and-Play."""
SHAPES_END = 0.5
"""Of styles."""
STYLES = ("photo", "painting", "sketch")
BLANK = "{}"
REGION = 0.4
"""The threshold of a word's region."""
SPACING, WINDOW, TOGETHER = 2, 24, 8
"""Of clips."""
