"""The memory of attention banks: how they keep, what they count as they record, and what is done where it does not fit."""

from dataclasses import replace

import pytest
import torch

from harness import tiny_diffusion
from harness.networks import AttentionNetwork
from latent_inversion.inversion_core.applications.video import made
from latent_inversion.inversion_core.attention import budget, free
from latent_inversion.inversion_core.attention.bank import Bank
from latent_inversion.inversion_core.attention.budget import BankTooLarge, Ledger, Memory
from latent_inversion.inversion_core.attention.kept import Storage
from latent_inversion.inversion_core.attention.site import Site, UnmatchedEdit
from latent_inversion.inversion_core.attention.technique import Pass, Technique
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, Prompt, levels_of
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.clip import edit_clip, windows
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import Edit, Target, unanchored
from latent_inversion.inversion_core.methods import EDITORS, EditJob
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, align_refine
from latent_inversion.inversion_core.quality.metrics import Count, Counted
from latent_inversion.inversion_core.schedules import leading, window
from latent_inversion.inversion_core.techniques.injection import inject_keys_values
from latent_inversion.inversion_core.techniques.local_blend import local_blend
from latent_inversion.inversion_core.techniques.masactrl import masactrl
from latent_inversion.inversion_core.techniques.plug_and_play import plug_and_play
from latent_inversion.inversion_core.techniques.prompt_to_prompt import prompt_to_prompt
from latent_inversion.inversion_core.techniques.style_aligned import style_aligned
from latent_inversion.inversion_core.types import Cond

TABLE = levels_of(tiny_diffusion.scheduler().alphas_cumprod)
SIGMAS = leading(TABLE, 4)
SITE = Site("b", "self", "cond", 1.0, (1, 4, 4), range(0))
CPU, OTHER = torch.device("cpu"), torch.device("meta")
WORDS = PromptTokens(tuple(Word(f"w{n}", (n + 1,)) for n in range(4)), 7)


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


SOURCE, TARGET, EMPTY = (Prompt(normal(1, 7, 32, seed=seed)) for seed in (1, 2, 3))
GUIDED = Cond(TARGET, EMPTY, 5.0)


@pytest.fixture(scope="module")
def denoiser():
    return DiffusersDenoiser(tiny_diffusion.tiny_unet(), TABLE, "epsilon")


@pytest.fixture(scope="module")
def paths(denoiser):
    """A picture's trajectories by their inversions."""
    x0 = normal(2, 4, 16, 16)
    return {name: invert(INVERSIONS[name], denoiser, x0, SIGMAS, Cond(SOURCE)) for name in ("ddim", "heun")}


@pytest.fixture
def path(paths):
    return paths["ddim"]


def ptp(part=1.0):
    return prompt_to_prompt(
        align_refine(WORDS, WORDS), cross=window(SIGMAS, 0, part), self_attention=window(SIGMAS, 0, part / 2)
    )


def blend():
    words = {"source_words": ["w1"], "target_words": ["w1"]}
    return local_blend(WORDS, WORDS, **words, active=window(SIGMAS, 0, 1))


def everywhere(site):
    return site.kind == "self"


def techniques(name, of):
    whole = window(SIGMAS, 0.25, 1)
    made = {
        "prompt-to-prompt": lambda: [ptp(), blend()],
        "plug-and-play": lambda: plug_and_play(features=whole, attention=whole, layer=2),
        "masactrl": lambda: [masactrl(where=everywhere, active=whole)],
        "keys and values": lambda: [inject_keys_values(where=everywhere, active=whole), ptp(0.5)],
        "reference": lambda: [style_aligned(of, Cond(SOURCE), active=whole)],
    }
    return made[name]()


NAMES = ["prompt-to-prompt", "plug-and-play", "masactrl", "keys and values", "reference"]
GUIDED_SOURCE = Cond(SOURCE, EMPTY, 5.0)


def run(edit, memory=None):
    """What an edit gives, and the bytes that its banks keep at every step."""
    steps = []
    edited = edit.run(memory, lambda progress: steps.append(sum(progress.banked.values())))
    return edited, steps


def line_of(nbytes):
    return f"attention memory  {budget.size(nbytes)} per step"


@pytest.mark.parametrize(("name", "inversion"), [*((name, "ddim") for name in NAMES), ("prompt-to-prompt", "heun")])
def test_what_is_told_is_what_a_step_keeps_and_nothing_else_is_evaluated(denoiser, paths, name, inversion):
    of, said, counts = paths[inversion], [], (Count(), Count())
    anchor = unanchored if inversion == "heun" else direct
    edits = [
        Edit(of, Counted(denoiser, count), GUIDED_SOURCE, [Target(GUIDED, techniques(name, of))], anchor)
        for count in counts
    ]
    (plain, _), ((told,), steps) = run(edits[0]), run(edits[1], Memory(tell=said.append))
    assert torch.equal(plain[0].target, told.target) and counts[0].evaluations == counts[1].evaluations
    grown = [size for number, size in enumerate(steps) if size > max(steps[:number], default=0)]
    assert grown and [line.split(" (")[0] for line in said] == [line_of(size) for size in grown]


def test_several_targets_count_together(denoiser, path):
    count, said = Count(), []
    one, other = (Target(GUIDED, techniques(name, path)) for name in ("masactrl", "plug-and-play"))
    sizes = [
        max(run(Edit(path, Counted(denoiser, count), Cond(SOURCE), targets, direct))[1])
        for targets in ([one], [other], [one, other])
    ]
    assert sizes[0] + sizes[1] == sizes[2]
    assert count.evaluations == (3 + 3 + 5) * path.steps, "no more than the source and the guided targets"
    both = Edit(path, denoiser, Cond(SOURCE), [one, other], direct)
    with pytest.raises(BankTooLarge):
        both.run(Memory(Storage(budget=sizes[2] - 1)))
    both.run(Memory(Storage(budget=sizes[2]), tell=said.append))
    assert said[-1].startswith(line_of(sizes[2]))


def test_a_bank_keeps_the_bytes_that_it_counts():
    """The storages of the tensors, not of what they were parts of."""
    ledger, whole = Ledger(), normal(4, 2, 16, 8)
    bank = Bank(ledger)
    with ledger.step():
        bank.record("half", SITE, whole[:2], whole[:, :, 4:8])
        kept = [kept.values for calls in ledger.calls.values() for call in calls for kept in call.tensors]
        held = sum(t.untyped_storage().nbytes() for t in kept)
        assert ledger.sizes == {"half": held} == {"half": whole.nbytes // 2 + whole.nbytes // 4}
        bank.record("whole", SITE, whole)
        assert bank.recall("whole", SITE)[0].data_ptr() == whole.data_ptr(), "kept as it was, without a copy"
        bank.record("whole", SITE, whole)
        assert ledger.sizes["whole"] == whole.nbytes, "what is recorded anew takes the place of the old"
        bank.record("whole", replace(SITE, rows=(0, 1)), whole[:2])
        bank.record("whole", replace(SITE, rows=(1, 2, 3)), whole[1:])
        bank.record("whole", replace(SITE, rows=(0, 1)), whole[:2])
        assert ledger.sizes["whole"] == whole.nbytes // 4 * 5 and torch.equal(bank.recall("whole", SITE)[0], whole)
    assert ledger.sizes == {}


@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float16, 6e-4), (torch.bfloat16, 5e-3), (torch.float8_e4m3fn, 0.05)], ids=str
)
@pytest.mark.parametrize("recorded", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("scale", [1.0, 1e5])
def test_a_storage_precision_comes_back_in_the_recorded_one(dtype, error, recorded, scale):
    values = (scale * normal(2, 2, 16, 8)).to(recorded)
    ledger = Ledger(Memory(Storage(dtype)))
    bank = Bank(ledger)
    bank.record("x", replace(SITE, rows=(0, 1)), values)
    bank.record("zero", SITE, 0 * values)
    (back,), (zero,) = bank.recall("x", SITE), bank.recall("zero", SITE)
    assert back.dtype == recorded and ledger.sizes["x"] == values.numel() * min(dtype.itemsize, recorded.itemsize)
    assert (back - values).float().norm() < (
        error + (3e-3 if recorded == torch.bfloat16 else 0)
    ) * values.float().norm()
    assert torch.equal(zero, 0 * values)
    if dtype.itemsize == recorded.itemsize:
        assert torch.equal(back, values), "what is as narrow already stays as it is"


def test_a_storage_device_holds_the_bank():
    ledger = Ledger(Memory(Storage(device=OTHER)))
    Bank(ledger).record("x", SITE, normal(1, 1, 16, 4))
    ((call,),) = ledger.calls.values()
    assert call.tensors[0].values.device == OTHER and call.tensors[0].device == CPU


def test_another_device_is_exact_and_half_precision_is_near(denoiser, path):
    def edited(storage, network=CPU):
        memory = Memory(storage, lambda device: 10**9)
        edit = Edit(path, denoiser, Cond(SOURCE), [Target(GUIDED, [ptp(), blend()])], direct)
        return edit.run_within(Ledger(memory, network))[0].target

    plain = edited(Storage())
    assert torch.equal(edited(Storage(device=CPU)), plain)
    for least in (1, 10**4, 2 * 10**4, 4 * 10**4):
        assert torch.equal(edited(Storage(budget=least), GPU), plain), "moved to the CPU in the midst of a step"
    half = edited(Storage(torch.float16))
    assert not torch.equal(half, plain) and torch.allclose(half, plain, atol=0.02 * float(plain.abs().max()))


GPU = torch.device("cuda:0")
FREE = {GPU: 100, CPU: 100}
PIECES = 5


def recorded(ledger, pieces=PIECES, seed=0):
    """Pieces of 200 bytes under as many keys of a bank."""
    bank, sites = Bank(ledger), [replace(SITE, block=str(number)) for number in range(pieces)]
    for site in sites:
        bank.record("maps", site, normal(50, 1, 1, 1, seed=seed))
    return bank, sites


@pytest.mark.parametrize(
    ("storage", "free", "wanted"),
    [
        (Storage(), {GPU: 2000}, Storage()),
        (Storage(), {GPU: None}, Storage()),
        (Storage(budget=1000), {GPU: 10}, Storage()),
        (Storage(), {GPU: 1249, CPU: 9999}, Storage(device=CPU)),
        (Storage(budget=999), {GPU: 9999, CPU: 9999}, Storage(device=CPU)),
        (Storage(lossy=True), {GPU: 700, CPU: 9999}, Storage(device=CPU)),
        (Storage(lossy=True), {GPU: 700, CPU: 900}, Storage(torch.float16)),
        (Storage(lossy=True), {GPU: 100, CPU: 900}, Storage(torch.float16, CPU)),
        (Storage(torch.bfloat16), {GPU: 2000}, Storage(torch.bfloat16)),
        (Storage(device=CPU), {GPU: 9999, CPU: 2000}, Storage(device=CPU)),
        (Storage(), FREE, None),
        (Storage(lossy=True), FREE, None),
        (Storage(device=GPU), {GPU: 100, CPU: 9999}, None),
        (Storage(torch.bfloat16, lossy=True), {GPU: 300, CPU: 300}, None),
    ],
)
def test_what_does_not_fit_goes_to_the_cpu_then_to_half_precision_then_is_refused(storage, free, wanted):
    said = []
    ledger = Ledger(Memory(storage, free.get, said.append), GPU)
    if storage.device == GPU:
        free = {GPU: 0} | {CPU: free[CPU]}
        ledger = Ledger(Memory(storage, free.get), GPU)
    if wanted is None:
        limits = r"keeps at least .* kB per step.*may use .*fewer blocks, shorter windows"
        with pytest.raises(BankTooLarge, match=limits), ledger.step():
            bank, sites = recorded(ledger)
            size = sum(storage.precision(torch.float32).itemsize * 50 for _ in sites)
            assert sum(ledger.sizes.values()) == size, "counted to the end"
            bank.recall("maps", sites[0])
        assert ledger.sizes == {} and not said
        return
    with ledger.step():
        bank, sites = recorded(ledger)
        back = [bank.recall("maps", site)[0] for site in sites]
    exact = wanted.dtype is None
    assert all(torch.equal(t, normal(50, 1, 1, 1)) == exact for t in back)
    assert said == [
        f"attention memory  {'1' if exact else '0.5'} kB per step"
        + "; stored in half precision" * (wanted.dtype == torch.float16)
        + "; kept on the cpu" * (wanted.device == CPU)
    ]


@pytest.mark.parametrize("lossy", [False, True])
def test_the_budget_is_never_exceeded(lossy):
    generator = torch.Generator().manual_seed(0)
    total = {GPU: 4000, CPU: 6000}
    held = dict.fromkeys(total, 0)

    def free(device):
        return total[device] - held[device]

    for _ in range(20):
        ledger = Ledger(Memory(Storage(lossy=lossy), free), GPU)
        try:
            for _ in range(3):
                with ledger.step():
                    banks = [Bank(ledger), Bank(ledger)]
                    for _ in range(12):
                        number, key = torch.randint(1, 250, (2,), generator=generator).tolist()
                        site = replace(SITE, block=str(key % 5))
                        banks[key % 2].record("maps", site, torch.ones(number, 1, 1, 1))
                        size, device = sum(ledger.sizes.values()), ledger._ways[0].device or GPU
                        held |= {GPU: 0, CPU: 0} | ({} if device == OTHER else {device: size})
                        assert device == OTHER or size <= 0.8 * total[device]
        except BankTooLarge:
            pass
        held = dict.fromkeys(total, 0)


def test_the_network_s_own_memory_goes_before_the_bank():
    """The network takes what it needs in the first pass, after the bank has begun."""
    free, asked = {GPU: 2000, CPU: 9999}, []
    ledger = Ledger(Memory(free=lambda device: asked.append(device) or free[device]), GPU)
    with ledger.step():
        recorded(ledger, 3)
        free[GPU] = 100
        recorded(ledger, 3)
        assert ledger._ways[0].device == CPU
    asks = len(asked)
    for pieces in (6, 2):
        with ledger.step():
            recorded(ledger, pieces)
    assert len(asked) == asks, "asked only where a step keeps more than any before"


def test_a_network_on_the_cpu_has_nowhere_to_go():
    ledger = Ledger(Memory(Storage(budget=999), lambda device: 9999))
    bank, sites = recorded(ledger)
    with pytest.raises(BankTooLarge, match=r"keeps at least 1 kB per step .*may use 0\.999 kB on cpu"):
        bank.recall("maps", sites[-1])


def test_an_edit_beyond_its_budget_is_refused_in_its_first_step(denoiser, path):
    count, said, steps = Count(), [], []
    edit = Edit(path, Counted(denoiser, count), Cond(SOURCE), [Target(GUIDED, [ptp(), blend()])], direct)
    with pytest.raises(
        BankTooLarge, match=r"keeps at least .* per step \(prompt-to-prompt .*, source words .*\) of attention"
    ):
        edit.run(Memory(Storage(budget=10)), steps.append)
    assert not steps and count.evaluations == 1, "the source's pass"
    lossless = edit.run()[0].target
    memory = Memory(Storage(budget=10**9), tell=said.append)
    assert torch.equal(edit.run(memory)[0].target, lossless)
    assert len(said) == 1 and said[0].startswith("attention memory  ") and "per step" in said[0]
    replace(edit, targets=[Target(GUIDED)]).run(memory)
    assert len(said) == 1, "nothing is recorded, so nothing is told"


def test_a_later_step_that_needs_more_is_told_and_may_be_refused(denoiser, path):
    def record(bank, attend, q, k, v, site):
        bank.record("kept", site, q)
        if site.sigma <= float(SIGMAS[2]):
            bank.record("late", site, k)
        return attend(q, k, v)

    edit, said, told = (
        Edit(path, denoiser, Cond(SOURCE), [Target(GUIDED, [Technique(Pass("late", everywhere, record))])], direct),
        [],
        [],
    )
    _, steps = run(edit, Memory(tell=said.append))
    assert steps[0] == steps[1] < steps[2] == steps[3]
    assert [line.split(" (")[0] for line in said] == [line_of(steps[0]), line_of(steps[2])]
    with pytest.raises(BankTooLarge):
        edit.run(Memory(Storage(budget=steps[2] - 1)), lambda progress: told.append(progress.index))
    assert told == [0, 1]


def test_half_precision_where_it_must_be_is_half_of_what_is_recorded(denoiser, path):
    edit, said = Edit(path, denoiser, Cond(SOURCE), [Target(GUIDED, techniques("masactrl", path))], direct), []
    whole = max(run(edit)[1])
    memory = Memory(Storage(budget=whole // 2, lossy=True), tell=said.append)
    assert max(run(edit, memory)[1]) == whole // 2
    assert said == [f"{line_of(whole // 2)}; stored in half precision"]


def test_what_depends_on_what_was_recorded_is_counted_too(denoiser, path):
    """An attention edit that judges by values, and a wrapped network that looks at its own bank."""

    def inject(bank, attend, q, k, v, site):
        bank.record("before", site, q)
        return attend(q, k, v) if q.sum() > 0 else v

    said, target = [], Target(GUIDED, [ptp(), Technique(inject=Pass("judges", everywhere, inject))])
    _, steps = run(Edit(path, denoiser, Cond(SOURCE), [target], direct), Memory(tell=said.append))
    assert line_of(max(steps)) in said[-1] and "before" in said[-1]


def test_an_edit_that_meets_no_site_says_so_in_its_first_step():
    network, steps = AttentionNetwork(), []
    of = invert(INVERSIONS["ddim"], network, normal(1, 4, 8, 8), SIGMAS, Cond(normal(1, 7, 6)))
    whole = window(SIGMAS, 0, 1)
    target = Target(Cond(normal(1, 7, 6)), plug_and_play(features=whole, attention=whole))
    with pytest.raises(UnmatchedEdit):
        Edit(of, network, Cond(normal(1, 7, 6)), [target]).run(on_step=steps.append)
    assert not steps


def test_running_out_of_memory_tells_the_need_and_empties_the_bank(denoiser, path):
    def inject(bank, attend, q, k, v, site):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    greedy, ledger = Technique(inject=Pass("greedy", everywhere, inject)), Ledger()
    edit = Edit(path, denoiser, Cond(SOURCE), [Target(GUIDED, [ptp(), greedy])], direct)
    with pytest.raises(
        torch.OutOfMemoryError, match=r"CUDA out of memory\.\nThe edit's attention bank held .* kB by then"
    ):
        edit.run_within(ledger)
    assert ledger.sizes == {}
    with pytest.raises(torch.OutOfMemoryError, match=r"^CUDA out of memory\.$"):
        replace(edit, targets=[Target(GUIDED, [greedy])]).run()


def test_free_memory_is_read_from_the_system(monkeypatch):
    memory = free.free_memory(CPU)
    assert memory is None or 1e6 < memory < 1e14
    assert free.free_memory(OTHER) is None
    monkeypatch.setattr(free, "_linux", lambda: 7)
    assert free.free_memory(CPU) == 7 or free.os.name == "nt"


@pytest.mark.parametrize("method", ["h-Edit-D", "DirectEdit", "FlowEdit"])
def test_methods_that_ask_in_their_own_way_are_counted_as_well(denoiser, path, method):
    """The first two record the source at the level that the step leads to, and at no other; the last walks no trajectory."""
    said = []
    memory = Memory(tell=said.append)
    job = EditJob(
        denoiser, path.xs[-1], path.sigmas, Cond(SOURCE, EMPTY, 3.0), GUIDED, techniques=(ptp(),), memory=memory
    )
    along = None if method == "FlowEdit" else path
    plain, told = EDITORS[method].edit(replace(job, memory=None), along), EDITORS[method].edit(job, along)
    assert torch.equal(plain.target, told.target)
    assert said and all(line.startswith("attention memory  ") for line in said)
    with pytest.raises(BankTooLarge):
        EDITORS[method].edit(replace(job, memory=Memory(Storage(budget=10))), along)


def test_the_windows_of_a_clip_share_what_is_told_and_the_budget(denoiser, path):
    """The windows are as large as each other; a ledger of their own would tell of each."""
    frames, said = path.rows([0, 1, 0, 1, 0, 1]), []
    edit = Edit(frames, denoiser, Cond(SOURCE), [Target(GUIDED, techniques("masactrl", path))])
    plan, make = windows(6, spacing=1, most=3), made("each frame", lambda window: [], together=2)
    plain, told = edit_clip(edit, plan, make), edit_clip(edit, plan, make, Memory(tell=said.append))
    assert len(plan) > 3 and torch.equal(plain.target, told.target)
    assert 1 <= len(said) <= 2
    with pytest.raises(BankTooLarge):
        edit_clip(edit, plan, make, Memory(Storage(budget=10)))
