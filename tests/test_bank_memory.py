"""The memory of attention banks: how they keep, what an edit will need before it runs, and what is done where it does not fit."""

from dataclasses import replace

import pytest
import torch

from harness import tiny_diffusion
from harness.networks import AttentionNetwork
from latent_inversion.inversion_core.attention import budget
from latent_inversion.inversion_core.attention.bank import Bank, Storage
from latent_inversion.inversion_core.attention.budget import BankTooLarge, Need, fit, free_memory
from latent_inversion.inversion_core.attention.site import AttentionEdit, Site, UnmatchedEdit
from latent_inversion.inversion_core.attention.technique import Technique
from latent_inversion.inversion_core.backends.diffusers.denoiser import DiffusersDenoiser, Prompt, levels_of
from latent_inversion.inversion_core.editors import Job, run_editor
from latent_inversion.inversion_core.inversions import INVERSIONS, invert
from latent_inversion.inversion_core.loops.direct import direct
from latent_inversion.inversion_core.loops.edit import Target, edit, edit_all, unanchored
from latent_inversion.inversion_core.loops.memory import Memory, edit_within
from latent_inversion.inversion_core.loops.rehearsal import bank_need
from latent_inversion.inversion_core.prompts.tokens import PromptTokens, Word, refine
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
        refine(WORDS, WORDS), cross=window(SIGMAS, 0, part), self_attention=window(SIGMAS, 0, part / 2)
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


def banked(denoiser, of, targets, **options):
    """What the banks of a real run keep at most, by name."""
    steps = []
    edit_all(of, denoiser, Cond(SOURCE, EMPTY, 5.0), targets, on_step=lambda p: steps.append(p.banked), **options)
    return max(steps, key=lambda sizes: sum(sizes.values()))


@pytest.mark.parametrize(("name", "inversion"), [*((name, "ddim") for name in NAMES), ("prompt-to-prompt", "heun")])
def test_the_need_is_what_a_run_keeps(denoiser, paths, name, inversion):
    of = paths[inversion]
    anchor = unanchored if inversion == "heun" else direct
    targets = [Target(GUIDED, techniques(name, of))]
    need = bank_need(of, denoiser, Cond(SOURCE, EMPTY, 5.0), targets, anchor=anchor)
    assert need.exact == (name != "reference") and need.nbytes > 0, "StyleAligned looks whether attention has mass"
    assert need.recorded == banked(denoiser, of, targets, anchor=anchor)


def test_the_need_in_half_precision_is_told_where_it_may_be(denoiser, path):
    targets = [Target(GUIDED, techniques("masactrl", path))]
    need = bank_need(path, denoiser, Cond(SOURCE), targets, anchor=direct, storage=Storage(lossy=True))
    half = banked(denoiser, path, targets, anchor=direct, storage=Storage(torch.float16))
    assert need.half == half and 2 * sum(half.values()) == need.nbytes


def test_the_need_of_several_targets_adds_up_at_a_few_evaluations(denoiser, path):
    of, count = path, Count()
    one, other = (Target(GUIDED, techniques(name, of)) for name in ("masactrl", "plug-and-play"))
    needs = [
        bank_need(of, Counted(denoiser, count), Cond(SOURCE), targets, anchor=direct)
        for targets in ([one], [other], [one, other])
    ]
    assert needs[0].nbytes + needs[1].nbytes == needs[2].nbytes
    assert count.evaluations == 3 + 3 + 5, (
        "each pass once: the source, and the guided targets with and without features"
    )


def test_a_bank_keeps_the_bytes_that_it_counts():
    """The storages of the tensors, not of what they were parts of."""
    bank, whole = Bank(), normal(4, 2, 16, 8)
    bank.record("half", SITE, whole[:2], whole[:, :, 4:8])
    kept = [kept.values for slot in bank._kept.values() for tensors in slot.values() for kept in tensors]
    held = sum(t.untyped_storage().nbytes() for t in kept)
    assert bank.nbytes == {"half": held} == {"half": whole.nbytes // 2 + whole.nbytes // 4}
    bank.record("whole", SITE, whole)
    assert bank.recall("whole", SITE)[0].data_ptr() == whole.data_ptr(), "kept as it was, without a copy"
    bank.clear()
    assert bank.nbytes == {}


@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float16, 6e-4), (torch.bfloat16, 5e-3), (torch.float8_e4m3fn, 0.05)], ids=str
)
@pytest.mark.parametrize("recorded", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("scale", [1.0, 1e5])
def test_a_storage_precision_comes_back_in_the_recorded_one(dtype, error, recorded, scale):
    values = (scale * normal(2, 2, 16, 8)).to(recorded)
    bank = Bank(Storage(dtype))
    bank.record("x", replace(SITE, rows=(0, 1)), values)
    bank.record("zero", SITE, 0 * values)
    (back,), (zero,) = bank.recall("x", SITE), bank.recall("zero", SITE)
    assert back.dtype == recorded and bank.nbytes["x"] == values.numel() * min(dtype.itemsize, recorded.itemsize)
    assert (back - values).float().norm() < (
        error + (3e-3 if recorded == torch.bfloat16 else 0)
    ) * values.float().norm()
    assert torch.equal(zero, 0 * values)
    if dtype.itemsize == recorded.itemsize:
        assert torch.equal(back, values), "what is as narrow already stays as it is"


def test_a_storage_device_holds_the_bank():
    bank = Bank(Storage(device=OTHER))
    bank.record("x", SITE, normal(1, 1, 16, 4))
    ((kept,),) = [tensors for slot in bank._kept.values() for tensors in slot.values()]
    assert kept.values.device == OTHER and kept.device == CPU


def test_another_device_is_exact_and_half_precision_is_near(denoiser, path):
    of = path

    def run(storage):
        return edit(of, denoiser, Cond(SOURCE), GUIDED, anchor=direct, techniques=[ptp()], storage=storage).target

    plain = run(None)
    assert torch.equal(run(Storage()), plain) and torch.equal(run(Storage(device=CPU)), plain)
    half = run(Storage(torch.float16))
    assert not torch.equal(half, plain) and torch.allclose(half, plain, atol=0.02 * float(plain.abs().max()))


GPU = torch.device("cuda:0")
NEED = Need({"maps": 1000}, {"maps": 500})
FREE = {GPU: 100, CPU: 100}


@pytest.mark.parametrize(
    ("storage", "free", "wanted"),
    [
        (Storage(), {GPU: 2000}, Storage()),
        (Storage(), {GPU: None}, Storage()),
        (Storage(budget=1000), {GPU: 10}, Storage(budget=1000)),
        (Storage(), {GPU: 1249, CPU: 9999}, Storage(device=CPU)),
        (Storage(budget=999), {GPU: 9999, CPU: 9999}, Storage(device=CPU, budget=999)),
        (Storage(lossy=True), {GPU: 700, CPU: 9999}, Storage(device=CPU, lossy=True)),
        (Storage(lossy=True), {GPU: 700, CPU: 900}, Storage(torch.float16, lossy=True)),
        (Storage(lossy=True), {GPU: 100, CPU: 900}, Storage(torch.float16, CPU, lossy=True)),
        (Storage(torch.bfloat16), {GPU: 2000}, Storage(torch.bfloat16)),
        (Storage(device=CPU), {GPU: 9999, CPU: 2000}, Storage(device=CPU)),
        (Storage(), FREE, None),
        (Storage(lossy=True), FREE, None),
        (Storage(device=GPU), {GPU: 100, CPU: 9999}, None),
        (Storage(torch.bfloat16, lossy=True), {GPU: 700, CPU: 700}, None),
    ],
)
def test_what_does_not_fit_goes_to_the_cpu_then_to_half_precision_then_is_refused(storage, free, wanted):
    if wanted is None:
        with pytest.raises(BankTooLarge, match=r"keeps 1 kB per step.*fewer blocks, shorter windows"):
            fit(NEED, storage, GPU, lambda device: free.get(device))
        return
    fitted = fit(NEED, storage, GPU, lambda device: free.get(device))
    assert fitted.storage == wanted
    assert "1 kB per step" in fitted.words
    assert ("half precision, 0.5 kB" in fitted.words) == (wanted.dtype == torch.float16)
    assert ("on the cpu" in fitted.words) == (wanted.device == CPU)


def test_a_network_on_the_cpu_has_nowhere_to_go():
    with pytest.raises(BankTooLarge, match=r"may use 0\.999 kB on cpu"):
        fit(NEED, Storage(budget=999), CPU, lambda device: 9999)


def test_an_edit_beyond_its_budget_is_refused_before_it_is_sampled(denoiser, path):
    of, count, said = path, Count(), []
    targets = [Target(GUIDED, [ptp()])]
    with pytest.raises(BankTooLarge):
        edit_within(Memory(Storage(budget=10)), of, Counted(denoiser, count), Cond(SOURCE), targets, anchor=direct)
    assert count.evaluations == 3
    lossless = edit_all(of, denoiser, Cond(SOURCE), targets, anchor=direct)[0].target
    memory = Memory(Storage(budget=10**9), tell=said.append)
    assert torch.equal(edit_within(memory, of, denoiser, Cond(SOURCE), targets, anchor=direct)[0].target, lossless)
    assert len(said) == 1 and said[0].startswith("attention bank  ") and "per step" in said[0]
    edit_within(memory, of, denoiser, Cond(SOURCE), [Target(GUIDED)], anchor=direct)
    assert len(said) == 1, "nothing is recorded, so nothing is foreseen"


def test_what_depends_on_values_is_counted_up_to_there(denoiser, path):
    def inject(bank):
        def apply(attend, q, k, v, site):
            bank.record("before", site, q)
            return attend(q, k, v) if q.sum() > 0 else v

        return AttentionEdit("judges", everywhere, apply)

    of = path
    need = bank_need(of, denoiser, Cond(SOURCE), [Target(GUIDED, [Technique(inject=inject)])], anchor=direct)
    assert not need.exact and need.nbytes > 0 and str(need).startswith("at least ")


def test_a_course_that_depends_on_what_was_recorded_is_said_to(denoiser, path):
    of, said = path, []

    def wrap(host):
        bank = Bank()
        record = AttentionEdit(
            "r", everywhere, lambda attend, q, k, v, site: bank.record("r", site, q) or attend(q, k, v)
        )

        class Wrapped(Counted):
            def __call__(self, x, sigma, cond):
                x0 = self.denoiser.edited(record)(x, sigma, cond)
                return x0 if float(bank.named("r")[0][0].sum()) < 1e9 else -x0

        return Wrapped(host)

    target = Target(GUIDED, [ptp()], wrap=wrap)
    edit_within(Memory(tell=said.append), of, denoiser, Cond(SOURCE), [target], anchor=direct)
    assert "unknown before" in said[0]


def test_an_edit_that_meets_no_site_says_so_before_it_is_sampled():
    of = invert(INVERSIONS["ddim"], AttentionNetwork(), normal(1, 4, 8, 8), SIGMAS, Cond(normal(1, 7, 6)))
    target = Target(Cond(normal(1, 7, 6)), plug_and_play(features=window(SIGMAS, 0, 1), attention=window(SIGMAS, 0, 1)))
    with pytest.raises(UnmatchedEdit):
        bank_need(of, AttentionNetwork(), Cond(normal(1, 7, 6)), [target])


def test_running_out_of_memory_tells_the_need_and_empties_the_bank(denoiser, path):
    of, banks = path, []

    def inject(bank):
        banks.append(bank)

        def apply(attend, q, k, v, site):
            raise torch.OutOfMemoryError("CUDA out of memory.")

        return AttentionEdit("greedy", everywhere, apply)

    with pytest.raises(
        torch.OutOfMemoryError, match=r"CUDA out of memory\.\nThe edit's attention bank held .* kB by then"
    ):
        edit(of, denoiser, Cond(SOURCE), GUIDED, anchor=direct, techniques=[ptp(), Technique(inject=inject)])
    assert banks[0].nbytes == {}
    with pytest.raises(torch.OutOfMemoryError, match=r"^CUDA out of memory\.$"):
        edit(of, denoiser, Cond(SOURCE), GUIDED, anchor=direct, techniques=[Technique(inject=inject)])


def test_free_memory_is_read_from_the_system(monkeypatch):
    free = free_memory(CPU)
    assert free is None or 1e6 < free < 1e14
    assert free_memory(OTHER) is None
    monkeypatch.setattr(budget, "_linux", lambda: 7)
    assert free_memory(CPU) == 7 or budget.os.name == "nt"


def test_a_step_of_its_own_is_not_rehearsed(denoiser, path):
    def step(denoise, x, sigma, sigma_next, state):
        raise AssertionError("the need was to be told before anything is sampled")

    need = bank_need(path, denoiser, Cond(SOURCE), [Target(GUIDED, [ptp()], step=step)], anchor=direct)
    assert not need.exact and need.nbytes > 0


@pytest.mark.parametrize("method", ["h-Edit-D", "DirectEdit"])
def test_a_source_that_records_where_another_step_asks_is_told_of(denoiser, path, method):
    """These record the source at the level that the step leads to, and at no other."""
    said = []
    memory = Memory(tell=said.append)
    job = Job(denoiser, path.xs[-1], path.sigmas, Cond(SOURCE, EMPTY, 3.0), GUIDED, techniques=(ptp(),), memory=memory)
    plain, told = run_editor(method, replace(job, memory=None)), run_editor(method, job)
    assert torch.equal(plain.target, told.target)
    assert len(said) == 1 and "at least" in said[0]
