"""Every family of models in a real ComfyUI, plain and with a LoRA; `comfy_inprocess/test_families.py` has the details."""

import itertools
from dataclasses import dataclass
from typing import Any

import pytest

from harness.events import Event, ExecutionFailed, Result
from harness.graph import Graph, Node
from harness.server import ComfyServer
from harness.studio import Studio
from harness.tiny_comfy import FAMILIES

STEPS = 3
NONCE = itertools.count(1000)


@dataclass
class Bench:
    """A model of a family, plain or with a LoRA, in an API prompt."""

    graph: Graph
    name: str
    lora: bool = False

    def __post_init__(self) -> None:
        self.made = self.graph.add("TestFamily", family=self.name)
        self.source, self.target, self.latent = (self.made[i] for i in (1, 2, 3))
        self.model: Any = self.graph.add("TestLora", model=self.made) if self.lora else self.made

    def with_lora(self) -> "Bench":
        return Bench(self.graph, self.name, lora=True)

    def invert(self, **settings: Any) -> Node:
        given = {"model": self.model, "latent": self.latent, "source": self.source, "steps": STEPS}
        known = {"scheduler": FAMILIES[self.name].scheduler, "method": "fixed point"}
        return self.graph.add("InversionDDIMInvert", **given | known | settings)

    def sample(self, trajectory: Any, **settings: Any) -> Node:
        given = {"model": self.model, "trajectory": trajectory, "source": self.source, "target": self.source}
        known = {"negative": self.target, "guidance": 1.0, "anchor": "none"}
        return self.graph.add("InversionEditSampler", **given | known | settings)

    def stock(self, inverted: Node) -> Node:
        """The replay by ComfyUI's own nodes."""
        guider = self.graph.add("BasicGuider", model=self.model, conditioning=self.source)
        given = {"guider": guider, "sampler": self.graph.add("KSamplerSelect", sampler_name="euler")}
        walk = {"noise": inverted[3], "sigmas": inverted[2], "latent_image": self.latent}
        return self.graph.add("SamplerCustomAdvanced", **given | walk)

    def compare(self, a: Any, b: Any) -> Node:
        return self.graph.add("TestCompare", a=a, b=b)

    def leftovers(self) -> Node:
        return self.graph.add("TestLeftovers", model=self.made, nonce=next(NONCE))


def errors(result: Result, nodes: list[Node]) -> list[float]:
    assert all(result.outputs[node.id]["finite"] == [True] for node in nodes)
    return [result.outputs[node.id]["error"][0] for node in nodes]


def failure(server: ComfyServer, bench: Bench, latent: Any) -> str:
    bench.compare(latent, latent)
    with pytest.raises(ExecutionFailed) as failed:
        server.run(bench.graph.prompt)
    return failed.value.result.error["exception_message"]


@pytest.mark.parametrize("name", FAMILIES)
def test_it_inverts_replays_edits_and_is_kept(comfy_server: ComfyServer, graph: Graph, name: str) -> None:
    plain = Bench(graph, name)
    first, compared = plain.leftovers(), []
    noises, files = [], []
    for bench in (plain, plain.with_lora()):
        inverted = bench.invert()
        replayed = bench.sample(inverted)
        edited = bench.sample(inverted, target=bench.target, anchor="direct")
        pairs = [(replayed, bench.latent), (bench.stock(inverted), replayed), (replayed[1], replayed)]
        pairs += [(edited[1], bench.latent), (edited, bench.latent)]
        compared.append([bench.compare(*pair) for pair in pairs])
        noises.append(inverted[1])
        files.append(graph.add("InversionSaveTrajectory", trajectory=inverted, filename_prefix=f"{name}/kept"))
    moved = plain.compare(*noises)
    result = comfy_server.run(graph.prompt)
    for nodes in compared:
        comes_back, stock, neutral, anchored, changed = errors(result, nodes)
        assert comes_back < 1e-4 and stock < 1e-4 and neutral == 0
        assert anchored < 1e-6 < 1e-4 < changed
    assert errors(result, [moved])[0] > 1e-4, "the LoRA changed nothing"

    later = Bench(Graph(graph.object_info), name)
    stored = [
        later.graph.add(
            "InversionLoadTrajectory", file=f"{result.outputs[node.id]['text'][0].removeprefix('saved ')} [output]"
        )
        for node in files
    ]
    same, last = later.compare(later.sample(stored[0]), later.sample(later.invert())), later.leftovers()
    after = comfy_server.run(later.graph.prompt)
    assert errors(after, [same]) == [0]
    assert after.outputs[last.id] == result.outputs[first.id]
    for trajectory, user in ((stored[0], later.with_lora()), (stored[1], later)):
        assert "made with another model" in failure(comfy_server, user, user.sample(trajectory))


@pytest.mark.parametrize(
    ("name", "lora", "where"), [("sdxl", True, "invert"), ("flux", False, "edit"), ("wan", True, "edit")]
)
def test_a_cancel_leaves_nothing_behind(
    comfy_server: ComfyServer, graph: Graph, name: str, lora: bool, where: str
) -> None:
    bench = Bench(graph, name, lora=lora)
    before = bench.leftovers()
    seen = comfy_server.run(graph.prompt).outputs[before.id]
    inverted = bench.invert(steps=100, method="ddim")
    edited = bench.sample(inverted, target=bench.target)
    bench.compare(edited, bench.latent)
    node, values = inverted if where == "invert" else edited, []

    def cancel(event: Event) -> None:
        if event.type == "progress" and event.data["node"] == node.id:
            values.append(event.data["value"])
            if len(values) == 2:
                comfy_server.interrupt()

    stopped = comfy_server.run(graph.prompt, check=False, on_event=cancel)
    assert stopped.interrupted and not stopped.error and max(values) < 100
    after = Bench(Graph(graph.object_info), name, lora=lora)
    left, back = after.leftovers(), after.compare(after.sample(after.invert()), after.latent)
    result = comfy_server.run(after.graph.prompt)
    assert result.outputs[left.id] == seen
    assert errors(result, [back])[0] < 1e-4


def test_the_report_on_a_video(comfy_server: ComfyServer, graph: Graph) -> None:
    bench, vae = Bench(graph, "wan"), graph.add("TestVae")
    inverted = bench.invert()
    replayed = bench.sample(inverted)
    shown = [graph.add("InversionDecode", latent=latent, vae=vae) for latent in (bench.latent, replayed[1])]
    preview = graph.add("PreviewImage", images=shown[1])
    given = {"trajectory": inverted, "vae": vae, "reconstructed": replayed[1]}
    report = graph.add("InversionReport", original=shown[0], reconstruction=shown[1], **given)
    result = comfy_server.run(graph.prompt)
    assert [image.size for image in comfy_server.images(result, preview.id)] == [(96, 64)] * 9
    (text,) = result.outputs[report.id]["text"]
    for part in ("PSNR", "autoencoder ceiling", "drift at the end", "worst fixed point", "inverted noise"):
        assert part in text, text
    assert len(comfy_server.images(result, report.id)) == 1


def test_what_a_family_cannot_do_is_refused_with_the_reason(comfy_server: ComfyServer, graph: Graph) -> None:
    def bench(name: str) -> Bench:
        return Bench(Graph(graph.object_info), name)

    flux, hunyuan = bench("flux"), bench("hunyuan")
    inverted = flux.invert()
    given = {"model": flux.model, "trajectory": inverted, "source": flux.source, "empty": flux.target}
    null_text = flux.graph.add("InversionNullTextOptimize", inner_steps=1, **given)
    message = failure(comfy_server, flux, flux.sample(inverted, null_text=null_text))
    assert "Null-text optimisation changes the unconditional branch" in message and "'direct'" in message
    message = failure(comfy_server, hunyuan, hunyuan.sample(hunyuan.invert(), unconditional="source prompt"))
    assert "negative-prompt inversion" in message and "this model does not have" in message and "'direct'" in message
    other = bench("hunyuan")
    clip = other.graph.add("InversionToyboxLoader")[1]
    prompts = {"source_prompt": "a white cat", "target_prompt": "a white dog"}
    words = other.graph.add("InversionAttentionEdit", clip=clip, **prompts)
    message = failure(comfy_server, other, other.sample(other.invert(), attention_edit=words))
    assert "this network is HunyuanVideo" in message and "mask" in message


def test_prompt_to_prompt_holds_the_picture_on_a_transformer(comfy_server: ComfyServer, graph: Graph) -> None:
    """The toybox's: under the source's attention the target keeps more of the picture than by its prompt alone."""
    studio = Studio(graph, model="DiT (rectified flow)")
    edits = ({}, {"attention_edit": studio.edit(cross_end=0.2, self_end=0.6)})
    latents = [studio.sample(guidance=4.0, **edit) for edit in edits]
    changes = [studio.compare(latent[0], studio.latent) for latent in latents]
    free, held = errors(comfy_server.run(graph.prompt), changes)
    assert 0.05 < held < 0.9 * free
