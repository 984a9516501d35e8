"""Inversions beside DDIM's, a node a group."""

from ...inversion_core.inversions import GROUPS
from .invert_node import InvertNode

DRAWING = (*InvertNode.ORDER[:-1], "seed", "negative")
"""The inputs of nodes whose methods draw noise."""


class InversionFixedPointInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionFixedPointInvert", "Fixed-Point Invert"
    DESCRIPTION = (
        "Inverts by solving each DDIM step for its starting point: at guidance 1, the image comes back exactly where the iteration "
        "converges. The trajectory records how well the iteration converged, and Inversion Report shows the result."
    )
    ALIASES = ("aidi", "renoise", "fpi")
    METHODS = GROUPS["fixed point"]


class InversionExactInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionExactInvert", "Exact Invert"
    DESCRIPTION = (
        "Inverts with a scheme that algebra runs backwards: only rounding is lost, at any guidance that inversion and edit share. "
        "Edit with Exact Edit and the method used here."
    )
    ALIASES = ("edict", "bdia", "belm")
    METHODS = GROUPS["exact"]


class InversionStochasticInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionStochasticInvert", "Stochastic Invert"
    DESCRIPTION = (
        "Draws a noisy image for every noise level and keeps the noise maps that join them: with these maps, the source prompt "
        "reconstructs the image exactly. Edit with Stochastic Edit."
    )
    ALIASES = ("ddpm inversion", "edit friendly", "turboedit", "ledits")
    METHODS = GROUPS["stochastic"]
    GUIDANCE = 3.5
    ABOUT_GUIDANCE = "Guidance scale of the source prompt. The published value is 3.5."
    ORDER = DRAWING


class InversionRFInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionRFInvert", "RF-Inversion Invert"
    DESCRIPTION = (
        "Inverts towards a random noise as much as towards the noise that the model finds, which makes the image easier to change. "
        "Published with an empty source prompt. Edit with Flow Control Edit."
    )
    ALIASES = ("rf-inversion", "rf inversion", "uni-inv", "flux inversion")
    METHODS = GROUPS["flow control"]
    ORDER = (*DRAWING, "gamma")
