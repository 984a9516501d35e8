"""What the library costs beside the network: ratios of times and memories, measured side by side in one run.

    python benchmarks/overhead.py [--device cpu|cuda]

Loops against the bare network evaluations that they need; the fused kernel on changed values against attention maps
that are written out. What a whole edit with Prompt-to-Prompt costs is `attention_cost.py`'s.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from cost import medians, status

from latent_inversion.api.models import load_toybox
from latent_inversion.inversion_core.backends.diffusers.studio import Studio
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.integrate import replay
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_replace
from latent_inversion.inversion_core.techniques.prompt_to_prompt import mix
from latent_inversion.inversion_core.types import Cond

SOURCE = "a photo of a white cat in a red plain shirt"
STEPS, REPEATS = 20, 7


def seconds(*runs: Callable[[], object], device: str) -> list[float]:
    """The median time of each run on the device, after one that does not count."""

    def clock() -> float:
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    for run in runs:
        run()
    return medians(runs, REPEATS, clock)


def loops(studio: Studio, device: str) -> None:
    """Inversion, replay and guided edit, against calls of the UNet alone on the same inputs."""
    x0 = torch.randn(1, studio.denoiser.network.config.in_channels, 16, 16)
    sigmas, cond = studio.grid(STEPS), studio.encode_prompt(SOURCE)
    guided = Cond(cond, studio.encode_prompt(""), 7.5)
    x, rows = x0.to(device), torch.cat([x0, x0]).to(device)
    text, pair = cond.embedding, torch.cat([cond.embedding, cond.embedding])
    level = torch.tensor(500, device=device)

    @torch.no_grad()
    def bare(sample: torch.Tensor, context: torch.Tensor) -> None:
        for _ in range(STEPS):
            studio.denoiser.network(sample, level, encoder_hidden_states=context, return_dict=False)

    trajectory = invert(INVERSIONS["ddim"], studio.denoiser, x0, sigmas, Cond(cond))
    up, plain, down, twice = seconds(
        lambda: invert(INVERSIONS["ddim"], studio.denoiser, x0, sigmas, Cond(cond)),
        lambda: bare(x, text),
        lambda: replay(trajectory, studio.denoiser, guided),
        lambda: bare(rows, pair),
        device=device,
    )
    for name, whole, network, rows in (("inversion", up, plain, ""), ("guided replay", down, twice, " of two rows")):
        each = f"{1000 * network / STEPS:.1f} ms an evaluation{rows}"
        print(f"{name + ' / bare network evaluations':<43} {whole / network:.3f}   ({each})")


def explicit_mix(q_s, k_s, q, k, v, alignment, scale, on):
    """The edited attention with both maps written out."""
    source, own = ((a @ b.transpose(-1, -2) / a.shape[-1] ** 0.5).softmax(-1) for a, b in ((q_s, k_s), (q, k)))
    edited = (source @ alignment.matrix + own * (1 - alignment.taken)) * scale
    return (edited * on + own * (1 - on)) @ v


def fused_against_explicit(tokens: int, kind: str, form: str) -> None:
    """One attention call of 8 heads of 40 channels (SD1.5) in this process: milliseconds and peak memory above the start."""
    generator = torch.Generator().manual_seed(0)
    keys = 77 if kind == "cross" else tokens
    q_s, q = (torch.randn(1, 8, tokens, 40, generator=generator) for _ in range(2))
    k_s, k, v = (torch.randn(1, 8, keys, 40, generator=generator) for _ in range(3))
    words = PromptTokens(tuple(Word(str(i), (i,)) for i in range(1, 9)), 77)
    other = PromptTokens(tuple(Word(str(i + (i == 5) * 100), (i,)) for i in range(1, 9)), 77)
    alignment, ones = align_replace(words, other), torch.ones(77)
    fused = torch.nn.functional.scaled_dot_product_attention
    run = {
        ("cross", "fused"): lambda: mix(fused, q_s, k_s, q, k, v, alignment, ones, ones),
        ("cross", "explicit"): lambda: explicit_mix(q_s, k_s, q, k, v, alignment, ones, ones),
        ("self", "fused"): lambda: fused(q_s, k_s, v),
        ("self", "explicit"): lambda: (q_s @ k_s.transpose(-1, -2) / 40**0.5).softmax(-1) @ v,
    }[kind, form]
    fused(q[:, :, :64], k[:, :, :64], v[:, :, :64])
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew (Linux)
    start = status("VmRSS")
    times = []
    for _ in range(3):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    print(1000 * min(times), status("VmHWM") - start)


def fused_table() -> None:
    """Both forms, each in a process of its own so that its peak memory is its own."""
    for side, kind in ((64, "cross"), (128, "cross"), (64, "self")):
        ms, mb = {}, {}
        for form in ("fused", "explicit"):
            command = [sys.executable, __file__, "--attention", str(side * side), kind, form]
            told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            ms[form], mb[form] = map(float, told.split())
        print(
            f"{kind}-attention edit, {side} x {side} tokens: explicit / fused time {ms['explicit'] / ms['fused']:.2f}, "
            f"peak memory {mb['explicit']:.0f} MB against {mb['fused']:.0f} MB"
        )


def main() -> None:
    """Run all, or one attention call for `fused_table`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--attention", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    if chosen.attention:
        fused_against_explicit(int(chosen.attention[0]), *chosen.attention[1:])
        return
    studio = load_toybox(chosen.device)
    loops(studio, chosen.device)
    fused_table()


if __name__ == "__main__":
    main()
