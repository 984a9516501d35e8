"""Text encoders of the tiny models that cut texts with ComfyUI's own tokenizers, and know nothing."""

from types import SimpleNamespace
from typing import Any

import torch
from comfy.text_encoders import flux, qwen_image

START, TURN = 151644, 3
"""Where Qwen's speakers begin, and the tokens that say who speaks: ComfyUI cuts off what stands before the user's text."""


class Clip:
    """A CLIP whose embedding of a token is drawn from the token's number."""

    def __init__(self, tokenizer: Any, name: str, made: Any) -> None:
        self.tokenizer, self.name, self.made = tokenizer, name, made
        self.cond_stage_model = SimpleNamespace()

    def tokenize(self, text: str, **options: Any) -> Any:
        return self.tokenizer.tokenize_with_weights(text, **options)

    def encode_from_tokens_scheduled(self, tokens: Any) -> list[Any]:
        ids = [token for chunk in tokens[self.name] for token, *_ in chunk]
        starts = [at for at, token in enumerate(ids) if token == START][:2]
        rows = [drawn(token, self.made.text) for token in (ids[starts[-1] + TURN :] if starts else ids)]
        ((_, extra),) = self.made.conditioning(0)
        return [[torch.stack(rows)[None], dict(extra)]]


def drawn(token: int, width: int) -> torch.Tensor:
    return torch.randn(width, generator=torch.Generator().manual_seed(token))


CLIPS = {
    "flux": lambda made: Clip(flux.FluxTokenizer(), "t5xxl", made),
    "qwen": lambda made: Clip(qwen_image.QwenImageTokenizer(), "qwen25_7b", made),
}
