"""FlowAlign (arXiv:2505.23145): FlowEdit, held to the source by a pull."""

from ..loops.delta import Pair, Rule
from ..paths import velocity
from ..shapes import Latent, Sigma
from .editor import Editor, edit_freely
from .negative_prompt import negative_prompt
from .published import Settings

PULL = 0.01
"""Weight of the pull towards the source, per step and not per unit of sigma (published code, github.com/FlowAlign/FlowAlign)."""


def flow_align(*, pull: float = PULL) -> Rule:
    """A rule (`delta.Rule`): FlowEdit's step plus `pull (D_source(x_s) - D_target(x_t))` (arXiv:2505.23145, published code).

    Published with the source unguided and the target guided away from the source prompt, which makes three evaluations
    a step. With pull 0 it is FlowEdit; the pull is that of the path at hand, so that with it the two paths differ.
    """

    def rule(pair: Pair, z: Latent, sigma: Sigma, sigma_next: Sigma) -> Latent:
        x_source, gap = pair.path.add_noise(pair.x0, pair.draw(), sigma), z - pair.x0
        change = pair.change(x_source + gap, x_source, sigma)
        return z + (sigma_next - sigma) * velocity(gap, change, sigma) - pull * change

    return rule


EDITOR = Editor(
    "FlowAlign",
    lambda job, _: edit_freely(
        job, flow_align(), source=job.source.alone(), target=negative_prompt(job.target, job.source)
    ),
    own_negative=True,
    about="FlowEdit guided away from the source prompt, with a pull to the source",
    settings={
        "ve": Settings(guidance=7.5, source_guidance=1.0, strength=1.0, steps=33),  # the toybox's
        "rf": Settings(guidance=13.5, source_guidance=1.0, strength=1.0, steps=33),  # published code, on SD3
    },
)
