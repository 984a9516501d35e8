"""Inversions beside DDIM's, a node a group."""

from ...inversion_core.inversions import GROUPS
from .invert_node import InvertNode

DRAWING = (*InvertNode.ORDER[:-1], "seed", "negative")
"""The inputs of nodes whose methods draw noise."""


class InversionFixedPointInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionFixedPointInvert", "Fixed-Point Invert"
    DESCRIPTION = (
        "Inverts by solving each step of DDIM for where it came from: at guidance 1 the picture comes back exactly where "
        "the iteration converges. The trajectory says how well it did, and Inversion Report shows it."
    )
    ALIASES = ("aidi", "renoise", "fpi")
    METHODS = GROUPS["fixed point"]


class InversionExactInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionExactInvert", "Exact Invert"
    DESCRIPTION = (
        "Inverts with a scheme that algebra can run backwards: nothing is lost but rounding, at any guidance that "
        "inversion and edit share. Edit with Exact Edit, the same method."
    )
    ALIASES = ("edict", "bdia", "belm")
    METHODS = GROUPS["exact"]


class InversionStochasticInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionStochasticInvert", "Stochastic Invert"
    DESCRIPTION = (
        "Draws a noisy picture for every level and keeps the noise maps that join them: with them the source prompt "
        "gives the picture back exactly. Edit with Stochastic Edit."
    )
    ALIASES = ("ddpm inversion", "edit friendly", "turboedit", "ledits")
    METHODS = GROUPS["stochastic"]
    GUIDANCE = 3.5
    ABOUT_GUIDANCE = "Guidance under the source prompt; 3.5 is the published setting."
    ORDER = DRAWING


class InversionRFInvert(InvertNode):
    NODE_ID, DISPLAY_NAME = "InversionRFInvert", "RF-Inversion Invert"
    DESCRIPTION = (
        "Walks towards a random noise as much as towards the one that the model finds, which makes the picture easier to "
        "change. Published with an empty source prompt. Edit with Flow Control Edit."
    )
    ALIASES = ("rf-inversion", "rf inversion", "uni-inv", "flux inversion")
    METHODS = GROUPS["flow control"]
    ORDER = (*DRAWING, "gamma")
