"""The words of a prompt as a text encoder of ComfyUI cuts it."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...inversion_core.prompts.reading import remark
from ...inversion_core.prompts.tokens import PromptTokens, joined, words_of_pieces
from ..kit.prompt_text import check_clip, unweighted
from .progress import say
from .progress_texts import word

Chunks = Mapping[str, Sequence[Sequence[tuple[Any, float, int]]]]
"""What ComfyUI's tokenizers give, by their names: chunks of `(token, weight, word)`; word 0 is start, end or padding."""
Reader = Callable[[Any, Chunks, str], PromptTokens]
"""From a text encoder, what its tokenizers make of a text, and the text, to its words."""
EMBEDDING = re.compile(r"(?<!\S)embedding:[^\s,<\[]+")
"""The name of an embedding, as ComfyUI's tokenizers look for it; a part of the text before or behind it is of no name."""
QWEN_START, QWEN_END, QWEN_USER = 151644, 151645, (872, 198)
"""Qwen's tokens around each speaker's text, and those that name the user: the template that ComfyUI cuts off before it."""


def prompt_tokens(clip: Any, text: str) -> PromptTokens:
    """The words and their key columns. Raises ValueError if there is no text encoder, one of a kind whose order is unknown,
    or the toybox's and a word that it does not know."""
    check_clip(clip)
    if said := getattr(clip.tokenizer, "about_words", lambda text: "")(text):
        raise ValueError(said)
    tokens = clip.tokenize(text, return_word_ids=True)
    read = READERS.get(frozenset(tokens))
    if read is None or any(_tokenizer(clip, name) is None or len(tokens[name][0][0]) != 3 for name in tokens):
        raise ValueError(
            "Attention Edit reads the words of Stable Diffusion 1, 2, XL and 3, Flux, Qwen-Image and Wan; this text encoder "
            f"gives {', '.join(tokens)}."
        )
    return read(clip, tokens, text)


def _tokenizer(clip: Any, name: str) -> Any:
    """ComfyUI's tokenizer of that name; None if it tells no vocabulary."""
    found = getattr(clip.tokenizer, f"clip_{name}", None) or getattr(clip.tokenizer, name, None)
    return found if hasattr(found, "inv_vocab") else None


def _pieces(clip: Any, tokens: Chunks, name: str, text: str) -> tuple[dict[int, str | bytes | None], int]:
    """The vocabulary's pieces at their columns, and the number of columns. An embedding's first vector stands for its name."""
    vocabulary, chunks = _tokenizer(clip, name).inv_vocab, tokens[name]
    names, pieces, last = _embeddings(clip, name, text), dict[int, str | bytes | None](), None
    for number, chunk in enumerate(chunks):
        for position, (token, _, group) in enumerate(chunk):
            if not group:
                continue
            vector = not isinstance(token, int)
            read = (b"" if group == last else next(names, None)) if vector else vocabulary[token]
            pieces[number * len(chunk) + position] = read
            last = group if vector else None
    return pieces, sum(len(chunk) for chunk in chunks)


def _embeddings(clip: Any, name: str, text: str) -> Iterator[bytes]:
    """The names of the embeddings in a text that the encoder has, in order."""
    for found in EMBEDDING.findall(text):
        (alone,) = clip.tokenize(found, return_word_ids=True)[name]
        if any(not isinstance(token, int) for token, *_ in alone):
            yield found.encode(errors="replace")


def _first(clip: Any, tokens: Chunks, text: str) -> PromptTokens:
    """CLIP's, which cut a text alike: Stable Diffusion 1, 2 and XL."""
    return _read(clip, tokens, next(name for name in ("l", "g", "h") if name in tokens), text)


def _read(clip: Any, tokens: Chunks, name: str, text: str) -> PromptTokens:
    text = unweighted(text)
    return words_of_pieces(*_pieces(clip, tokens, name, text), text)


def _only(name: str) -> Reader:
    """Of several encoders one whose tokens the network attends to."""
    return lambda clip, tokens, text: _read(clip, tokens, name, text)


def _sd3(clip: Any, tokens: Chunks, text: str) -> PromptTokens:
    """Both CLIPs side by side, then T5; those that were not loaded are left out."""
    loaded = [getattr(clip.cond_stage_model, name, None) is not None for name in ("clip_l", "clip_g", "t5xxl")]
    if not loaded[2]:
        return _first(clip, tokens, text)
    if not any(loaded[:2]):
        return _read(clip, tokens, "t5xxl", text)
    return joined(_first(clip, tokens, text), *_pieces(clip, tokens, "t5xxl", unweighted(text)))


def _qwen(clip: Any, tokens: Chunks, text: str) -> PromptTokens:
    """What the user says, without what the template says before; its end and the next speaker's beginning are of no word.

    Qwen knows no weights.
    """
    pieces, length = _pieces(clip, tokens, "qwen25_7b", "")
    ids = [token for token, _, _ in tokens["qwen25_7b"][0]]
    starts = [at for at, token in enumerate(ids) if token == QWEN_START][:2]
    first = starts[-1] if starts else 0
    first += 3 if starts and tuple(ids[first + 1 : first + 3]) == QWEN_USER else 0
    last = ids.index(QWEN_END, first) if QWEN_END in ids[first:] else length
    said = {at - first: pieces[at] for at in range(first, last) if at in pieces}
    return words_of_pieces(said, length - first, text)


READERS: dict[frozenset[str], Reader] = {
    **{frozenset(names): _first for names in (("l",), ("g",), ("h",), ("l", "g"))},
    frozenset(("l", "g", "t5xxl")): _sd3,
    frozenset(("l", "t5xxl")): _only("t5xxl"),
    frozenset(("umt5xxl",)): _only("umt5xxl"),
    frozenset(("qwen25_7b",)): _qwen,
}
"""By the names of the tokenizers: Stable Diffusion 1, 2 and XL; 3; Flux; Wan; Qwen-Image."""


def look_up(*prompts: tuple[PromptTokens, Iterable[str]]) -> None:
    """Finds words in their prompts, and says on the node what else is read together with them. Raises ValueError if one is absent."""
    remarks = [remark(tokens, one, word("around"), word("unknown")) for tokens, words in prompts for one in words]
    if told := ". ".join(dict.fromkeys(filter(None, remarks))):
        say(told)
