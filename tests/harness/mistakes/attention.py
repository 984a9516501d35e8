"""Attention edits and what looks at attention."""

from .bench import Bench, before, late


def flux_preset(bench: Bench) -> str:
    """A preset of KV Injection that was published for one network."""
    options = bench.graph.object_info["InversionKVInjection"]["input"]["required"]["preset"]
    choices = options[0] if isinstance(options[0], list) else options[1]["options"]
    return next(name for name in choices if name not in ("auto", "by depth"))


ATTENTION = [
    before(
        "a word that the prompt has not",
        lambda b: b.edit(source_prompt="a photo of a cat", target_prompt="a photo of a dog", blend_target_words="hat"),
        "'hat'",
        "'target_prompt'",
        "a, photo, of, a, dog",
    ),
    late(
        "a word that a linked prompt has not",
        lambda b: b.edit(blend_source_words="zebra"),
        "'zebra'",
        "Its words are",
    ),
    before(
        "the weight of a word that the prompt has not",
        lambda b: b.edit(source_prompt="a cat", target_prompt="a dog", word_weights="cat: 2"),
        "'cat'",
        "'target_prompt'",
        "a, dog",
    ),
    late(
        "a word that the toybox does not know",
        lambda b: b.edit(source_prompt="a photo of a cat", target_prompt="a photo of a (Tiger:1.2)"),
        "does not know the word 'Tiger'",
        "It knows: cat, dog, rabbit, bear",
        "templates 'Edit your photo'",
    ),
    before("words of an empty prompt", lambda b: b.edit(target_prompt="", blend_target_words="dog"), "'dog'", "empty"),
    before("a weight that is no number", lambda b: b.edit(word_weights="smiling 2.5"), "'smiling 2.5'", "colon"),
    before("a weight of two colons", lambda b: b.edit(word_weights="smiling: 2: x"), "'smiling: 2: x'"),
    before("a weight that is infinite", lambda b: b.edit(word_weights="smiling: inf"), "'smiling: inf'", "number"),
    before("a weight of no word", lambda b: b.edit(word_weights=": 2"), "': 2'"),
    late("nothing to blend by", lambda b: b.edit(mode="blend only"), "'blend only'", "word", "mask"),
    late(
        "windows that end before they start",
        lambda b: b.edit(cross_start=0.8, cross_end=0.2),
        "cross_start",
        "0.8",
        "cross_end",
        "0.2",
    ),
    late("an empty mask of the edit", lambda b: b.edit(mask=b.mask(0.0)), "'mask' is empty"),
    late(
        "another text encoder's words",
        lambda b: b.edited_of("sd3", attention_edit=b.edit(), guidance=2.0),
        "tokens",
        "text encoder",
    ),
    late(
        "attention edits on a network out of reach",
        lambda b: b.edited_of("hunyuan", attention_edit=b.edit(), guidance=1.0),
        "HunyuanVideo",
        "Edit without",
    ),
    late(
        "too little memory",
        lambda b: b.with_edit(
            b.add(
                "InversionAttentionMemory",
                attention_edit=b.edit(cross_end=0.4, self_end=0.6),
                budget_gb=0.00001,
                device="the model's",
            )
        ),
        "10 kB",
        "smaller image",
        "half precision",
    ),
    late(
        "Plug-and-Play on a transformer",
        lambda b: b.edited_of("sd3", attention_edit=b.add("InversionPlugAndPlay")),
        "Plug-and-Play",
        "UNet",
        "KV Injection",
    ),
    late(
        "a layer that the decoder has not",
        lambda b: b.with_edit(b.add("InversionPlugAndPlay", layer=32)),
        "0 to",
        "no layer 32",
    ),
    before("a layer out of range", lambda b: b.add("InversionPlugAndPlay", layer=33), "33", "32"),
    late(
        "a preset of another network",
        lambda b: b.with_edit(b.add("InversionKVInjection", preset=flux_preset(b))),
        "block",
        "auto",
    ),
    late(
        "no depth at all",
        lambda b: b.add("InversionKVInjection", preset="by depth", depth_start=0.9, depth_end=0.1),
        "depth_start",
        "0.9",
        "depth_end",
        "0.1",
    ),
    before(
        "a target mask alone",
        lambda b: b.add("InversionMutualAttention", target_mask=b.mask()),
        "source_mask",
        "target_mask",
    ),
    before(
        "a foreground by words and by masks",
        lambda b: b.add(
            "InversionMutualAttention",
            source_mask=b.mask(),
            clip=b.clip,
            source_prompt="a cat",
            target_prompt="a dog",
            source_words="cat",
            target_words="dog",
        ),
        "masks",
        "words",
        "both",
    ),
    before(
        "words of one prompt only",
        lambda b: b.add(
            "InversionMutualAttention", clip=b.clip, source_prompt="a cat", target_prompt="a dog", source_words="cat"
        ),
        "source_words",
        "target_words",
    ),
    before(
        "words without a text encoder",
        lambda b: b.add(
            "InversionMutualAttention",
            source_prompt="a cat",
            target_prompt="a dog",
            source_words="cat",
            target_words="dog",
        ),
        "text encoder",
        "clip",
    ),
    before(
        "a foreground's word that the prompt has not",
        lambda b: b.add(
            "InversionMutualAttention",
            clip=b.clip,
            source_prompt="a cat",
            target_prompt="a dog",
            source_words="bird",
            target_words="dog",
        ),
        "'bird'",
        "'source_prompt'",
        "a, cat",
    ),
    late(
        "KV-Edit with an empty mask",
        lambda b: b.add("InversionKVEdit", mask=b.mask(0.0)),
        "'mask' is empty",
    ),
    late(
        "KV-Edit with a full mask",
        lambda b: (node := b.add("InversionKVEdit", mask=b.mask(1.0)), b.with_edit(node))[0],
        "whole image",
        "background",
    ),
    late(
        "a mask of another size for KV-Edit",
        lambda b: b.with_edit(b.add("InversionKVEdit", mask=b.mask(0.5, 96, 64))),
        "96 x 64",
        "128 x 128",
    ),
    before("a word to view that the prompt has not", lambda b: b.view(prompt="a cat", words="dog"), "'dog'", "a, cat"),
    before("an empty prompt to view", lambda b: b.view(prompt="  "), "empty", "prompt"),
    late("blocks that do not exist", lambda b: b.view(blocks="attic"), "'attic'", "output", "middle"),
    late("a view of no steps", lambda b: b.view(start=0.9, end=0.1), "start", "0.9", "end", "0.1"),
    late("a view of another picture", lambda b: b.view(image=b.tensor("1,64,96,3")), "96 x 64", "128 x 128"),
    late("a view with another model", lambda b: b.view(model=b.family("sd15")[0]), "another model"),
]
