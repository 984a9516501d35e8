"""The words of prompts as ComfyUI's tokenizers of each family cut them, against the order in which its encoders lay them out."""

import io
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from comfy import sd1_clip
from comfy.text_encoders import flux, qwen_image, sd3_clip, wan

from latent_inversion.nodes.prompt_words import prompt_tokens

TEXT = "A photo of a porcupine, red hat"


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
