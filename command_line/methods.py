"""What a method of the table asks of the options: which of them it takes, its numbers, and its prompts."""

import argparse
from dataclasses import replace

from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.methods import EDITORS, USUAL, Settings, kind_of
from ..inversion_core.solvers import SOLVERS
from ..inversion_core.types import Cond
from ..pictures.errors import UserError


def check_method(options: argparse.Namespace) -> None:
    """Raises UserError at options that the method cannot take."""
    method, editor = options.method, EDITORS[options.method]
    if options.few_steps and (options.negative or editor.uncond):
        raise UserError(
            "--few-steps models take no negative prompt. Edit with --method direct or ddim, without --negative."
        )
    if options.negative is not None and editor.own_negative:
        raise UserError(
            f"--negative works with methods such as direct and ddim, but {method} sets its own negative prompt. Leave --negative "
            "out, or choose another method."
        )
    if options.seed is not None and not editor.draws_noise:
        raise UserError(f"--seed is for methods that draw noise, but {method} draws none. Leave --seed out.")
    if options.inversion is not None and editor.inversion != "ddim":
        how = "needs no inversion" if editor.inversion is None else f"inverts the image by '{editor.inversion}'"
        raise UserError(
            f"--inversion is for methods that edit along DDIM inversion, but {method} {how}. Leave --inversion out."
        )
    if options.inversion in SOLVERS and editor.solvers and options.inversion not in editor.solvers:
        raise UserError(f"{method} edits along DDIM inversion, not along '{options.inversion}'. Leave --inversion out.")
    if editor.inversion is None and options.trajectory is not None:
        raise UserError(f"--trajectory is of no use to {method}, which needs no inversion. Leave --trajectory out.")
    if editor.inversion is None and options.kv_edit:
        raise UserError(
            f"--kv-edit keeps the background of a trajectory, but {method} follows no trajectory. Choose a method such as direct."
        )


def settings_of(studio: Studio, options: argparse.Namespace) -> Settings:
    """What the method was published with for this kind of model, or else the model's usual numbers; what was given goes first."""
    kind = kind_of(studio.denoiser.path, studio.denoiser.distilled, options.few_steps)
    published, given = EDITORS[options.method].settings.get(kind), options.guidance
    usual = Settings(studio.guidance, studio.guidance, USUAL[kind].strength, studio.steps)
    settings = published or (usual if given is None else replace(usual, source_guidance=given))
    numbers = {"guidance": given, "strength": options.strength, "steps": options.steps}
    return replace(settings, **{name: number for name, number in numbers.items() if number is not None})


def prompts_of(
    studio: Studio, texts: tuple[str, str], settings: Settings, negative: str = "", *, few_steps: bool
) -> tuple[Cond, Cond]:
    """Source and target under the guidance of the settings; those of a few-step model by themselves where they are not guided."""
    numbers = settings.source_guidance, settings.guidance
    source, target = (studio.cond(text, number, negative) for text, number in zip(texts, numbers, strict=True))
    if not few_steps:
        return source, target
    return source if source.guided else source.alone(), target if target.guided else target.alone()
