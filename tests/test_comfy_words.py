"""Words of every script in a real ComfyUI: found by their nodes, shown, and refused once, with CLIP's, T5's and Qwen's tokenizers."""

from typing import Any

import pytest

from harness.graph import Graph, Node
from harness.server import ComfyServer, PromptRejected
from harness.studio import Studio, error_of
from harness.tiny_comfy import FAMILIES

NEWEST = pytest.mark.newest_only("tokenizers of every version are read in comfy_inprocess/test_prompt_words.py")

WORDS = {
    "German": ("ein Mädchen im Schnee", "ein Mädchen im Regen", "Mädchen"),
    "French": ("un garçon en pull", "un garçon en veste", "garçon"),
    "Russian": ("рыжий кот на снегу", "белый кот на снегу", "кот"),
    "Arabic": ("قطة في الثلج", "كلب في الثلج", "الثلج"),
    "Hindi": ("एक बिल्ली बर्फ में", "एक कुत्ता बर्फ में", "बर्फ"),
    "Thai": ("แมวในหิมะ", "หมาในหิมะ", "หิมะ"),
    "Chinese": ("一只猫在雪里", "一只狗在雪里", "雪"),
    "Japanese": ("雪の中の猫", "雪の中の犬", "雪"),
    "Korean": ("눈 속의 고양이가", "눈 속의 강아지가", "눈"),
    "hyphen": ("a bear in a t-shirt", "a fox in a t-shirt", "t-shirt"),
    "apostrophe": ("the dog's bowl", "the dog's bed", "dog's"),
    "number": ("a 2.5 m wall", "a 2.5 m hedge", "2.5"),
}
EDIT = {"mode": "refine", "blend_start": 0.0}


def prompts(case: str, **settings: Any) -> dict[str, Any]:
    source, target, word = WORDS[case]
    given = {"source_prompt": source, "target_prompt": target, "word_weights": f"{word}: 1.5"}
    return EDIT | given | {"blend_source_words": word, "blend_target_words": word} | settings


def edited(graph: Graph, model: Any, latent: Any, edit: Node, negative: Any, steps: int = 3) -> Node:
    trajectory = graph.add("InversionDDIMInvert", model=model, latent=latent, source=edit[1], steps=steps)
    given = {"model": model, "trajectory": trajectory, "source": edit[1], "target": edit[2], "negative": negative}
    return graph.add("InversionEditSampler", **given, attention_edit=edit, guidance=2.0)


@pytest.fixture
def toybox(graph: Graph) -> Studio:
    """The toybox with a text encoder that takes any word, as real ones do."""
    studio = Studio(graph)
    studio.clip = graph.add("TestSpelling", clip=studio.clip)
    return studio


def test_the_toybox_edits_and_shows_words_of_every_script(comfy_server: ComfyServer, toybox: Studio) -> None:
    graph, seen, changes = toybox.graph, {}, []
    for case, (source, _, word) in WORDS.items():
        edit = toybox.edit(**prompts(case))
        latent = edited(graph, toybox.model, toybox.latent, edit, toybox.negative)
        changes.append(toybox.compare(latent, toybox.latent))
        given = {"model": toybox.model, "trajectory": toybox.inverted, "clip": toybox.clip, "image": toybox.scene}
        words = {"prompt": source, "words": f"{word}, {source.split()[-1]}", "mask_words": word, "looks": 1}
        seen[case] = graph.add("InversionAttentionView", **given, **words)
    result = comfy_server.run(graph.prompt)
    assert all(0 < error_of(result, change) < 2 for change in changes)
    for case, node in seen.items():
        (page,) = result.outputs[node.id]["attention_view"]
        source, _, word = WORDS[case]
        assert [entry["word"] for entry in page["words"]] == [word, source.split()[-1]]
        assert len(comfy_server.images(result, node.id)) == 1


@NEWEST
def test_without_words_every_word_is_shown_as_it_is_written(comfy_server: ComfyServer, toybox: Studio) -> None:
    given = {
        "model": toybox.model,
        "trajectory": toybox.inverted,
        "clip": toybox.clip,
        "image": toybox.scene,
        "looks": 1,
    }
    prompt = "Ein Mädchen im T-Shirt, кот (雪:1.2)"
    seen = toybox.graph.add("InversionAttentionView", prompt=prompt, **given)
    result = comfy_server.run(toybox.graph.prompt)
    (page,) = result.outputs[seen.id]["attention_view"]
    assert [entry["word"] for entry in page["words"]] == ["Ein", "Mädchen", "im", "T-Shirt", "кот", "雪"]


@NEWEST
@pytest.mark.parametrize("family", ["flux", "qwen"])
def test_transformers_edit_words_of_every_script(comfy_server: ComfyServer, graph: Graph, family: str) -> None:
    made, clip = graph.add("TestFamily", family=family), graph.add("TestClip", family=family)
    changes = []
    for case in WORDS:
        edit = graph.add("InversionAttentionEdit", clip=clip, **prompts(case))
        given = {"model": made, "latent": made[3], "source": edit[1], "steps": 3}
        trajectory = graph.add("InversionDDIMInvert", scheduler=FAMILIES[family].scheduler, **given)
        walk = {"model": made, "trajectory": trajectory, "source": edit[1], "target": edit[2], "negative": edit[1]}
        latent = graph.add("InversionEditSampler", attention_edit=edit, guidance=1.0, **walk)
        changes.append(graph.add("TestCompare", a=latent, b=made[3]))
    result = comfy_server.run(graph.prompt)
    assert all(result.outputs[change.id]["finite"] == [True] for change in changes)


@NEWEST
def test_what_is_read_together_with_a_word_is_said_at_its_node(comfy_server: ComfyServer, graph: Graph) -> None:
    made, clip = graph.add("TestFamily", family="qwen"), graph.add("TestClip", family="qwen")
    edit = graph.add("InversionAttentionEdit", clip=clip, **prompts("Chinese", blend_source_words="只"))
    latent = edited(graph, made, made[3], edit, edit[1])
    graph.add("TestCompare", a=latent, b=made[3])
    result = comfy_server.run(graph.prompt)
    assert result.words(edit.id) == ["'只' is read together with its neighbours, as '一只'"]


@NEWEST
@pytest.mark.parametrize("case", ["German", "Chinese", "hyphen"])
def test_a_word_that_is_not_there_is_refused_once_before_the_run(
    comfy_server: ComfyServer, toybox: Studio, case: str
) -> None:
    edit = toybox.edit(**prompts(case, blend_target_words="собака"))
    toybox.compare(toybox.sample(attention_edit=edit), toybox.latent)
    with pytest.raises(PromptRejected) as refused:
        comfy_server.run(toybox.graph.prompt)
    (message,) = refused.value.messages
    assert "does not contain the word 'собака'" in message and WORDS[case][1].split()[0] in message


def test_words_outside_the_toyboxs_world_are_named_at_the_node_that_reads_them(
    comfy_server: ComfyServer, graph: Graph
) -> None:
    studio = Studio(graph)
    prompt = graph.add("CLIPTextEncode", clip=studio.clip, text="(a Tiger:1.3), in the snow")
    studio.compare(studio.sample(target=prompt), studio.latent)
    (said,) = comfy_server.run(graph.prompt).words(prompt.id)
    assert said.startswith("The toybox does not know the word 'Tiger'. It knows: cat, dog, rabbit,")
