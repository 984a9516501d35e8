"""What attention control costs: Prompt-to-Prompt against plain two-branch guidance, in time and in peak memory.

    python benchmarks/attention_cost.py [--sides 64 128] [--networks unet joint] [--repeats 3] [--written-out 64]

One guided step of source and target is timed without control, under control of the image's attention to itself, and
under both kinds; a whole edit has them in the default shares of its steps. Pictures have `side` x `side` tokens, the
networks random weights: a UNet in Stable Diffusion 1's layout and one joint block in Stable Diffusion 3's, both narrow.
The narrower a network, the more of its time is attention, so a wide one's ratios are lower. Times are the processor's,
on one thread; the runs take turns, and medians are compared. "written out" is the same edit with every map of the
calls under control as a tensor, as published code has it.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from cost import medians, status
from torch import Tensor

from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.budget import Ledger
from latent_inversion.inversion_core.attention.site import Attend, Site
from latent_inversion.inversion_core.attention.technique import Pass, Technique
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, levels_of
from latent_inversion.inversion_core.backends.diffusers.flow import FlowDenoiser
from latent_inversion.inversion_core.backends.diffusers.network import NetworkDenoiser, Prompt
from latent_inversion.inversion_core.loops.edit import Edit, Target
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_refine, align_replace
from latent_inversion.inversion_core.schedules import flow_shift, leading, window
from latent_inversion.inversion_core.shapes import Sigmas
from latent_inversion.inversion_core.techniques.prompt_to_prompt import CROSS_END, SELF_END, coarse, prompt_to_prompt
from latent_inversion.inversion_core.trajectory import Trajectory
from latent_inversion.inversion_core.types import Cond, SigmaRange

GUIDANCE, FEATURES = 7.5, 64
LENGTHS = {"unet": 77, "joint": 333}
"""Tokens of a prompt: CLIP's, and with T5's behind them as in Stable Diffusion 3."""


@dataclass(frozen=True)
class Setup:
    """A network, its grid, and the latent of a picture of so many tokens."""

    denoiser: NetworkDenoiser
    sigmas: Sigmas
    x: torch.Tensor
    length: int

    def prompt(self, seed: int) -> Prompt:
        embedding = normal(1, self.length, FEATURES, seed=seed)
        return Prompt(embedding, {"pooled": normal(1, FEATURES, seed=seed)} if self.denoiser.needs else {})


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def unet(side: int) -> Setup:
    """Four levels, of which the finest three attend."""
    from diffusers import DDIMScheduler, UNet2DConditionModel

    network = UNet2DConditionModel(
        block_out_channels=(32, 64, 128, 128),
        norm_num_groups=16,
        layers_per_block=1,
        attention_head_dim=(1, 2, 4, 4),  # diffusers' name for the number of heads
        cross_attention_dim=FEATURES,
    )
    table = levels_of(DDIMScheduler().alphas_cumprod)
    x = normal(1, 4, side, side, seed=0)
    return Setup(DiffusersDenoiser(network.eval(), table, "epsilon"), leading(table, 5), x, LENGTHS["unet"])


def joint(side: int) -> Setup:
    """One head of 64 channels; the picture's tokens are 2 x 2 pieces of a latent of twice the side."""
    from diffusers import SD3Transformer2DModel

    network = SD3Transformer2DModel(
        num_layers=1,
        num_attention_heads=1,
        attention_head_dim=64,
        in_channels=16,
        out_channels=16,
        joint_attention_dim=FEATURES,
        caption_projection_dim=64,
        pooled_projection_dim=FEATURES,
        pos_embed_max_size=side,
        sample_size=2 * side,
        qk_norm="rms_norm",
    )
    x = normal(1, 16, 2 * side, 2 * side, seed=0)
    return Setup(FlowDenoiser(network.eval()), flow_shift(5, shift=3.0), x, LENGTHS["joint"])


NETWORKS: dict[str, Callable[[int], Setup]] = {"unet": unet, "joint": joint}
FORMS = ("refine", "replace", "written out")
"""With `refine` a new word keeps its own attention, which costs a second call; with `replace` all is taken over."""
Shares = tuple[float, float]


def run(setup: Setup, form: str, shares: Shares) -> None:
    """One guided step of source and target under cross- and self-attention control, each on (1) or off (0)."""
    sigmas = setup.sigmas[:2]
    trajectory = Trajectory(setup.denoiser.path, sigmas, (setup.x,) * 2)
    ours, theirs = (Cond(setup.prompt(seed), setup.prompt(3), GUIDANCE) for seed in (1, 2))
    used = controlled(setup, form, *(window(sigmas, 0, share) for share in shares)) if any(shares) else []
    Edit(trajectory, setup.denoiser, ours, [Target(theirs, used)]).run()


def controlled(setup: Setup, form: str, cross: SigmaRange, own: SigmaRange) -> list[Technique]:
    """Prompt-to-Prompt in a prompt of eight words, of which the last one changes."""
    texts = [["a", "photo", "of", "a", "white", "cat", "in", last] for last in ("grass", "snow")]
    tokens = [PromptTokens(tuple(Word(t, (n + 1,)) for n, t in enumerate(text)), setup.length) for text in texts]
    align = align_replace if form == "replace" else align_refine
    technique = prompt_to_prompt(align(*tokens), cross=cross, self_attention=own)
    return [technique, written_out()] if form == "written out" else [technique]


def written_out() -> Technique:
    """Every map of the calls under control as a tensor, in both passes, inside of what is changed about it."""

    def where(site: Site) -> bool:
        return site.branch == "cond" and (site.kind != "self" or coarse(site))

    def apply(bank: Bank, attend: Attend, q: Tensor, k: Tensor, v: Tensor, site: Site) -> Tensor:
        return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v

    written = Pass("written out", where, apply)
    return Technique(record=written, inject=written)


def steps_of(shares: Shares) -> dict[Shares, float]:
    """The shares of the steps under both kinds of control, under one and under none."""
    both, cross, own = min(shares), shares[0] - min(shares), shares[1] - min(shares)
    every = {(1, 1): both, (1, 0): cross, (0, 1): own, (0, 0): 1 - max(shares)}
    return {kind: share for kind, share in every.items() if share > 1e-9}


def peak(network: str, side: int, form: str) -> None:
    """Print the peak memory of a step in MB above the loaded network, in this process; of "plain" without control."""
    shares = (0, 0) if form == "plain" else (1, 1)
    run(NETWORKS[network](8), form, shares)  # what libraries load at first use
    setup = NETWORKS[network](side)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    start = status("VmRSS")
    run(setup, form, shares)
    print(status("VmHWM") - start)


def bank(network: str, side: int) -> None:
    """Print what a step's bank keeps as it counts, and the memory that its tensors hold."""
    setup = NETWORKS[network](side)
    sigmas, x = setup.sigmas[:2], setup.x
    used = controlled(setup, "refine", *(window(sigmas, 0, 1),) * 2)
    ledger = Ledger()
    kept = Bank(ledger)
    setup.denoiser.edited(*(t.record(kept) for t in used if t.record))(x, sigmas[0], Cond(setup.prompt(1)))
    storages = {
        t.data_ptr(): t.untyped_storage().nbytes() for name in ledger.sizes for ts in kept.named(name) for t in ts
    }
    counted, held = (sum(sizes.values()) / 1e6 for sizes in (ledger.sizes, storages))
    print(f"  bank         counted {counted:.2f} MB, held {held:.2f} MB")


def row(network: str, side: int, forms: Sequence[str], repeats: int) -> None:
    """Print a network's times and peaks under control, each beside the plain edit's."""
    setup = NETWORKS[network](side)
    shares = CROSS_END, SELF_END
    kinds = [(form, kind) for form in forms for kind in steps_of(shares) if any(kind)]
    plain, *times = medians(
        [partial(run, setup, form, kind) for form, kind in [("plain", (0, 0)), *kinds]], repeats, time.process_time
    )
    spent = dict(zip(kinds, times, strict=True))
    command = [sys.executable, __file__, "--peak", network, str(side)]
    peaks = {
        form: float(subprocess.run([*command, form], capture_output=True, text=True, check=True).stdout)
        for form in ("plain", *forms)
    }
    print(f"{network}, {side} x {side} tokens; plain: {plain:.2f} s a step, {peaks['plain']:.0f} MB")
    bank(network, side)
    for form in forms:
        whole = sum(share * spent.get((form, kind), plain) for kind, share in steps_of(shares).items()) / plain
        step = spent[form, (1, 1)] / plain
        print(
            f"  {form:<12} edit x {whole:.3f}  step x {step:.3f}  peak x {peaks[form] / peaks['plain']:.3f}", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--sides", nargs="+", type=int, default=[64, 128])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--written-out", nargs="*", type=int, default=[64], help="sides at which this is measured too")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.peak:
        peak(chosen.peak[0], int(chosen.peak[1]), chosen.peak[2])
        return
    for side in chosen.sides:
        for network in chosen.networks:
            row(network, side, FORMS if side in chosen.written_out else FORMS[:-1], chosen.repeats)


if __name__ == "__main__":
    main()
