"""The words of prompts as ComfyUI's tokenizers of each family cut them, against the order in which its encoders lay them out."""

import io
import re
import unicodedata
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from comfy import sd1_clip
from comfy.text_encoders import flux, qwen_image, sd3_clip, wan
from safetensors.torch import save_file

from latent_inversion.nodes.kit.checks import require_words
from latent_inversion.nodes.kit.prompt_text import unweighted
from latent_inversion.nodes.run.prompt_tokens import prompt_tokens

TEXT = "A photo of a porcupine, red hat"
WORDS = {
    "German": ("ein Mädchen im Schnee", "Mädchen"),
    "Spanish": ("un niño en la nieve", "niño"),
    "French": ("un garçon sur l'herbe", "garçon"),
    "Russian": ("кот на снегу", "снегу"),
    "Greek": ("η γάτα στο χιόνι", "γάτα"),
    "Arabic": ("قطة في الثلج", "قطة"),
    "Hindi": ("एक बिल्ली बर्फ में", "बिल्ली"),
    "Thai": ("แมวในหิมะ", "แมว"),
    "Chinese": ("一只猫在雪里", "猫"),
    "Japanese": ("雪の中の猫", "猫"),
    "Korean": ("눈 속의 고양이가", "고양이"),
    "hyphen": ("a man in a t-shirt, smiling", "t-shirt"),
    "apostrophe": ("the dog's bowl", "dog's"),
    "x-ray": ("an x-ray of a hand", "x-ray"),
    "two apostrophes": ("a rock'n'roll band", "rock'n'roll"),
    "number": ("2.5 metres of snow", "2.5"),
    "decomposed": ("un nin\u0303o en la nieve", "niño"),
    "composed": ("un niño en la nieve", "nin\u0303o"),
    "capitals": ("EIN MÄDCHEN IM SCHNEE", "mädchen"),
    "repeated": ("a cat, a dog and a cat", "cat"),
    "curly": ("the dog’s bowl", "dog's"),
    "emoji": ("a 🐱 and a dog", "🐱"),
    "hyphenated part": ("a man in a t-shirt", "shirt"),
}


class Clip:
    """A text encoder without weights: it cuts texts."""

    def __init__(self, tokenizer: Any, **loaded: Any) -> None:
        self.tokenizer, self.cond_stage_model = tokenizer, SimpleNamespace(**loaded)

    def tokenize(self, text: str, **options: Any) -> Any:
        return self.tokenizer.tokenize_with_weights(text, **options)


class Numbered:
    """An encoder whose embedding of a token is its number, in the token's own place."""

    def __init__(self, features: int) -> None:
        self.features = features

    def encode_token_weights(self, chunks: Any) -> Any:
        return numbered(chunks, self.features), torch.zeros(1, self.features)


def numbered(chunks: Any, features: int = 1) -> torch.Tensor:
    ids = torch.tensor([token for chunk in chunks for token, *_ in chunk]).float()
    return ids[None, :, None].expand(1, -1, features)


def spelt(tokenizer: Any, embedding: torch.Tensor, columns: tuple[int, ...]) -> list[str]:
    """What the tokens are that lie at `columns` of what the network gets."""
    return [tokenizer.inv_vocab[int(embedding[0, column, 0])] for column in columns]


@pytest.mark.parametrize("parts", [("clip_l", "clip_g", "t5xxl"), ("clip_l", "clip_g"), ("t5xxl",)], ids=str)
def test_sd3s_words_have_columns_in_the_clips_and_in_t5_as_far_as_they_are_loaded(parts: tuple[str, ...]) -> None:
    sizes = {"clip_l": 768, "clip_g": 1280, "t5xxl": 4096}
    loaded = {name: Numbered(size) if name in parts else None for name, size in sizes.items()}
    clip = Clip(sd3_clip.SD3Tokenizer(), **loaded)
    model = SimpleNamespace(**loaded, t5_attention_mask=False)
    out, _, _ = sd3_clip.SD3ClipModel.encode_token_weights(model, clip.tokenize(TEXT))
    tokens = prompt_tokens(clip, TEXT)
    assert tokens.length == out.shape[1]
    behind = out.shape[1] - 77 if len(parts) == 3 else 0
    clips = [c for c in tokens.columns_of("porcupine") if "clip_l" in parts and c < 77]
    others = [c for c in tokens.columns_of("porcupine") if c not in clips]
    if "clip_l" in parts:
        assert "".join(spelt(clip.tokenizer.clip_l, out, tuple(clips))) == "porcupine</w>"
        assert spelt(clip.tokenizer.clip_l, out, tokens.columns_of("red")[:1]) == ["red</w>"]
    if "t5xxl" in parts:
        assert "".join(spelt(clip.tokenizer.t5xxl, out, tuple(others))).strip("▁") == "porcupine"
        assert spelt(clip.tokenizer.t5xxl, out, tokens.columns_of("red")[-1:]) == ["▁red"]
    assert tokens.starts == ((0, 77) if behind else (0,))


def test_a_prompt_of_two_of_clips_chunks_pushes_sd3s_t5_back() -> None:
    text = TEXT + ", a cat" * 40
    clip = Clip(sd3_clip.SD3Tokenizer(), clip_l=Numbered(768), clip_g=Numbered(1280), t5xxl=Numbered(4096))
    out, *_ = sd3_clip.SD3ClipModel.encode_token_weights(
        SimpleNamespace(**vars(clip.cond_stage_model), t5_attention_mask=False), clip.tokenize(text)
    )
    tokens = prompt_tokens(clip, text)
    assert tokens.length == out.shape[1] and tokens.starts == (0, 154)
    assert spelt(clip.tokenizer.t5xxl, out, tokens.columns_of("red")[-1:]) == ["▁red"]


def test_flux_reads_t5s_words_alone() -> None:
    clip = Clip(flux.FluxTokenizer())
    out, _ = flux.FluxClipModel.encode_token_weights(
        SimpleNamespace(clip_l=Numbered(768), t5xxl=Numbered(4096)), clip.tokenize(TEXT)
    )
    tokens = prompt_tokens(clip, TEXT)
    assert tokens.length == out.shape[1] >= 256
    assert "".join(spelt(clip.tokenizer.t5xxl, out, tokens.columns_of("red hat"))) == "▁red▁hat"
    assert "".join(spelt(clip.tokenizer.t5xxl, out, tokens.columns_of("porcupine"))).strip("▁") == "porcupine"


def test_qwens_words_are_the_users_without_the_template(monkeypatch: pytest.MonkeyPatch) -> None:
    """As ComfyUI cuts its own template off."""

    def whole(self: Any, tokens: Any) -> Any:
        out = numbered(tokens["qwen25_7b"])
        return out, None, {"attention_mask": torch.ones(out.shape[:2])}

    monkeypatch.setattr(sd1_clip.SD1ClipModel, "encode_token_weights", whole)
    clip = Clip(qwen_image.QwenImageTokenizer())
    model = torch.nn.Module.__new__(qwen_image.QwenImageTEModel)
    out, _, extra = qwen_image.QwenImageTEModel.encode_token_weights(model, clip.tokenize(TEXT))
    tokens = prompt_tokens(clip, TEXT)
    assert "attention_mask" not in extra and tokens.length == out.shape[1]
    assert [word.text for word in tokens.words] == ["A", "photo", "of", "a", "porcupine", ",", "red", "hat"]
    assert tokens.words[0].columns == (0,)
    assert spelt(clip.tokenizer.qwen25_7b, out, tokens.columns_of("red hat")) == ["Ġred", "Ġhat"]
    assert spelt(clip.tokenizer.qwen25_7b, out, (tokens.columns_of("hat")[0] + 1,)) == ["<|im_end|>"]
    assert prompt_tokens(clip, "").words == ()


def test_wan_reads_umt5s_words() -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    model = io.BytesIO()
    lines = iter([TEXT.lower(), "a cat in the rain", "the dog on a red sofa"] * 20)
    options = {"vocab_size": 24, "pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=lines, model_writer=model, **options)
    data = {"spiece_model": torch.frombuffer(bytearray(model.getvalue()), dtype=torch.uint8)}
    clip = Clip(wan.WanT5Tokenizer(tokenizer_data=data))
    out, tokens = numbered(clip.tokenize("a red hat")["umt5xxl"]), prompt_tokens(clip, "a red hat")
    assert tokens.length == out.shape[1] == 512
    assert [word.text for word in tokens.words] == ["a", "red", "hat"]
    red = spelt(clip.tokenizer.clip_umt5xxl, out, tokens.columns_of("red"))
    assert "".join(red) == "▁red"


def spans(text: str, word: str) -> list[tuple[int, int]]:
    """Where the word stands, by hand: both writings of letters with accents, and of apostrophes."""
    forms = {word, word.upper(), unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)}
    forms |= {form.replace("'", "’") for form in forms}
    return [found.span() for form in forms for found in re.finditer(re.escape(form), text)]


def oracle(tokenizer: Any, text: str, word: str) -> set[int]:
    """The tokens of a text that share characters with the word, by the offsets of the `tokenizers` library, bare spaces left out."""
    offsets = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
    here = {at for span in spans(text, word) for at in range(*span) if not text[at].isspace()}
    return {n for n, (start, end) in enumerate(offsets) if here & set(range(start, end))}


CUTTERS = {
    "CLIP": (lambda: Clip(sd1_clip.SD1Tokenizer()), lambda clip: clip.tokenizer.clip_l, 1),
    "T5": (lambda: Clip(flux.FluxTokenizer()), lambda clip: clip.tokenizer.t5xxl, 0),
    "Qwen": (lambda: Clip(qwen_image.QwenImageTokenizer()), lambda clip: clip.tokenizer.qwen25_7b, 0),
}


@pytest.fixture(scope="module")
def cutters() -> dict[str, Any]:
    return {name: make() for name, (make, _, _) in CUTTERS.items()}


@pytest.mark.parametrize("name", CUTTERS)
@pytest.mark.parametrize("case", WORDS)
def test_words_of_every_script_lie_where_the_tokenizers_own_offsets_say(
    cutters: dict[str, Any], case: str, name: str
) -> None:
    (text, word), clip = WORDS[case], cutters[name]
    _, tokenizer, first = CUTTERS[name]
    expected = {n + first for n in oracle(tokenizer(clip).tokenizer, text, word)}
    tokens = prompt_tokens(clip, text)
    bare = {p.column for p in tokens.pieces if p.known} & set(tokens.columns_of(word)) - expected
    assert expected and expected <= set(tokens.columns_of(word))
    ids = [
        token
        for chunk in clip.tokenize(text)[tokenizer(clip).embedding_key.removeprefix("clip_")]
        for token, _ in chunk
    ]
    shift = len(ids) - tokens.length if name == "Qwen" else 0
    assert {tokenizer(clip).inv_vocab[ids[column + shift]] for column in bare} <= {"▁", "Ġ"}
    assert not refusal(text, word)


def refusal(text: str, word: str) -> str:
    """What is said of a word before the run; nothing if it passes."""
    try:
        require_words(text, [word], "prompt")
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", CUTTERS)
@pytest.mark.parametrize("case", WORDS)
def test_what_passes_before_the_run_passes_in_it(cutters: dict[str, Any], case: str, name: str) -> None:
    """Words of other texts, and halves of words, too."""
    text, own = WORDS[case]
    tokens = prompt_tokens(cutters[name], text)
    for word in {w for _, w in WORDS.values()} | {own[:2], own[1:], own[:-1], f"{own} {own}", "-", "'"}:
        said = refusal(text, word)
        try:
            assert tokens.columns_of(word) and not said, (word, said)
        except ValueError as error:
            assert said and "has no word" in str(error), (word, error)


def test_a_word_that_two_of_clips_chunks_share_has_columns_in_both() -> None:
    tokens = prompt_tokens(Clip(sd1_clip.SD1Tokenizer()), "a " * 73 + "Mädchen im Schnee")
    assert tokens.length == 154 and tokens.columns_of("Mädchen") == (74, 75, 78, 79)


@pytest.mark.parametrize(
    "text",
    [
        "a (cat:1.3) 1.3 cats",
        "((snow)) (a (red:1.2) hat:0.8), (b:c) (:1.2) (x:) ()",
        r"a \(big\) cat\\(s) (t\(1\):1.1)",
        "a) cat (in (the) snow",
        "(a:1.1)(b:1e-1)(c:nan)(d: 2 )",
        "((((a:1.1):1.2)b:1.3)c",
    ],
)
def test_the_marks_of_weights_are_blank_and_all_else_is_in_its_place(text: str) -> None:
    read = unweighted(text)
    parts = sd1_clip.token_weights(sd1_clip.escape_important(text), 1.0)
    assert "".join(read.split()) == "".join("".join(sd1_clip.unescape_important(part) for part, _ in parts).split())
    assert all(a == b or a == " " for a, b in zip(read, text, strict=True))


def test_weights_are_no_words() -> None:
    clip = Clip(sd1_clip.SD1Tokenizer())
    tokens = prompt_tokens(clip, "a (Mädchen:1.3) of 1.3 m, (red) hat")
    assert tokens.columns_of("Mädchen") == (2, 3, 4, 5)
    assert tokens.columns_of("1.3") == (7, 8, 9) and tokens.columns_of("red hat") == (12, 13)
    assert tokens.named == ("a", "Mädchen", "of", "1.3", "m", "red", "hat")


def test_an_embedding_is_the_word_that_names_it(tmp_path: Any) -> None:
    save_file({"emb_params": torch.zeros(3, 768)}, tmp_path / "cat.safetensors")
    clip = Clip(sd1_clip.SD1Tokenizer(embedding_directory=str(tmp_path)))
    tokens = prompt_tokens(clip, "a cat, (embedding:cat:1.2), embedding:none cat embedding:cat")
    assert tokens.columns_of("cat") == (2, 8)
    assert tokens.columns_of("embedding:cat") == (4, 5, 6, 9, 10, 11)
    assert [word.text for word in tokens.words] == ["a", "cat", ",", "embedding:cat", ",", "cat", "embedding:cat"]


def test_the_tokens_around_a_word_are_told() -> None:
    qwen, t5 = (prompt_tokens(CUTTERS[name][0](), "一只猫在雪里") for name in ("Qwen", "T5"))
    assert qwen.around("只") == "一只" and not qwen.around("猫")
    assert t5.around("猫") == "一只猫在雪里" and not t5.knows("猫") and qwen.knows("猫")


def test_words_in_other_scripts_are_in_both_kinds_of_sd3s_encoders() -> None:
    loaded = {name: Numbered(1) for name in ("clip_l", "clip_g", "t5xxl")}
    clip = Clip(sd3_clip.SD3Tokenizer(), **loaded)
    for case, (text, word) in WORDS.items():
        tokens = prompt_tokens(clip, text)
        columns = tokens.columns_of(word)
        clips = {n + 1 for n in oracle(clip.tokenizer.clip_l.tokenizer, text, word)}
        t5 = {n + 77 for n in oracle(clip.tokenizer.t5xxl.tokenizer, text, word)}
        assert clips == {c for c in columns if c < 77} and t5 <= {c for c in columns if c >= 77}, case
