"""What the denoisers of diffusers' networks have in common: prompts, guided batches, gradients."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, TypeAlias, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from ...attention.edited_call import EditedCall
from ...attention.site import AttentionEdit
from ...fingerprint import fingerprint, identity
from ...paths import NoisePath
from ...shapes import Embedding, Latent, Sigma
from ...types import Cond
from ...wording import quoted
from .control import Control, batch_of, control_of_rows

Branch: TypeAlias = Literal["cond", "uncond"]
Same = TypeVar("Same", bound="NetworkDenoiser")


@dataclass(frozen=True)
class Prompt:
    """An encoded prompt for one picture or one per picture, and what else the network is conditioned on.

    That is `text_embeds` and `time_ids` for SDXL, `pooled` for SD3 and Flux, `guidance` for what was distilled;
    and the `control` of a ControlNet, of UNets only.
    """

    embedding: Embedding
    added: Mapping[str, Float[Tensor, "_ _"]] = field(default_factory=dict)
    control: Control | None = None


@dataclass(frozen=True)
class NetworkDenoiser(ABC):
    """`D(x, sigma)` from a network of diffusers; a guided call is one batch, unconditional rows first, or two if the prompts' lengths differ."""

    path: ClassVar[NoisePath]
    controllable: ClassVar[bool] = False
    """Whether a prompt may carry a control."""

    network: Any
    edits: tuple[AttentionEdit, ...] = field(default=(), kw_only=True)
    grad: bool = field(default=False, kw_only=True)

    @property
    @abstractmethod
    def features(self) -> int:
        """The features of the text embeddings that the network reads."""

    @property
    @abstractmethod
    def blocks(self) -> Sequence[str]:
        """The blocks in which image tokens attend to each other, by their names in `Site`, in the order in which they run."""

    @property
    def needs(self) -> tuple[str, ...]:
        """What a prompt must carry beside its embedding."""
        return ()

    @property
    def distilled(self) -> bool:
        return False

    @property
    def most(self) -> int | None:
        """How many tokens the network knows places for in height and in width; None if there is no such limit."""
        return None

    @property
    def device(self) -> torch.device:
        return self.network.device

    @property
    def fingerprint(self) -> str:
        """Tells this network's weights from others', in any layout or precision."""
        return fingerprint(self.weights())

    @property
    def identity(self) -> str:
        """The same, such that casts of one network are known as such."""
        return identity(self.weights())

    def weights(self) -> Iterable[Tensor]:
        """The network's weights as its own files hold them."""
        return self.network.parameters()

    def __call__(self, x: Latent, sigma: Sigma, cond: Cond) -> Latent:
        """The clean latent, in the precision of `x`. Raises ValueError if `x` or a prompt does not fit the network."""
        self.check_latent(x)
        branches: dict[Branch, Prompt] = (
            {"uncond": cond.uncond, "cond": cond.cond} if cond.guided else {"cond": cond.cond}
        )
        _check_encoded(branches.values())
        together = len({(p.embedding.shape[1], batch_of(p.control)) for p in branches.values()}) == 1
        call = EditedCall(self.edits)
        with nullcontext() if self.grad else torch.no_grad():
            batches = [branches] if together else [{name: prompt} for name, prompt in branches.items()]
            x0, *guided = (row for batch in batches for row in self._cleaned(x, sigma, batch, call))
        call.check()
        return x0 + cond.guidance * (guided[0] - x0) if guided else x0

    def _cleaned(
        self, x: Latent, sigma: Sigma, branches: Mapping[Branch, Prompt], call: EditedCall
    ) -> tuple[Latent, ...]:
        """The clean latents of each branch, from one batch."""
        rows = x.repeat(len(branches), *[1] * (x.ndim - 1))
        prompt = self._together(list(branches.values()), len(x))
        return self.clean(rows, sigma, prompt, list(branches), call).chunk(len(branches))

    @abstractmethod
    def check_latent(self, x: Latent) -> None:
        """Raises ValueError if `x` does not fit the network."""

    @abstractmethod
    def clean(self, x: Latent, sigma: Sigma, prompt: Prompt, branches: Sequence[Branch], call: EditedCall) -> Latent:
        """The clean latents of rows with a prompt each; `branches` are equal chunks of the rows, in order. Attention goes through `call`."""

    def edited(self: Same, *edits: AttentionEdit) -> Same:
        """A denoiser that also runs `edits`, outside those that it has already."""
        return replace(self, edits=(*edits, *self.edits))

    def absent(self, prompt: Prompt, sigma: Sigma) -> tuple[int, ...]:
        return ()

    def embedding(self, prompt: Prompt) -> Embedding:
        return prompt.embedding.float()

    def with_embedding(self, prompt: Prompt, embedding: Embedding) -> Prompt:
        return replace(prompt, embedding=embedding)

    @contextmanager
    def differentiable(self: Same) -> Iterator[Same]:
        """A context, free of inference mode, whose denoiser passes gradients on; the weights ask for none meanwhile."""
        asked = [p for p in self.network.parameters() if p.requires_grad]
        with torch.inference_mode(False), torch.enable_grad():
            try:
                for parameter in asked:
                    parameter.requires_grad_(False)
                yield replace(self, grad=True)
            finally:
                for parameter in asked:
                    parameter.requires_grad_(True)

    def _together(self, prompts: Sequence[Prompt], pictures: int) -> Prompt:
        """The branches' prompts as one with a row for each of their pictures, as the network takes it."""
        shapes = {(p.embedding.shape[1:], tuple(sorted(p.added))) for p in prompts}
        if len(shapes) > 1 or any(p.embedding.shape[2] != self.features for p in prompts):
            raise ValueError(
                f"Prompts of one call must have one shape with {self.features} features; got "
                f"{sorted(tuple(p.embedding.shape) for p in prompts)}. Encode them with this model's text encoder."
            )
        if missing := set(self.needs) - set(prompts[0].added):
            raise ValueError(f"Prompts for this network must also carry {', '.join(sorted(missing))}, in `added`.")

        def rows(tensors: Sequence[Tensor]) -> Tensor:
            return torch.cat([_rows(tensor, pictures) for tensor in tensors]).to(self.device, self.network.dtype)

        added = {name: rows([p.added[name] for p in prompts]) for name in prompts[0].added}
        control = control_of_rows([p.control for p in prompts], pictures)
        if control is not None and not self.controllable:
            raise ValueError("A prompt carries a control, but ControlNets steer only UNets, which this model is not.")
        return Prompt(rows([p.embedding for p in prompts]), added, control)


def _check_encoded(prompts: Iterable[Any]) -> None:
    """Raises ValueError at prompts that no text encoder has read."""
    for prompt in prompts:
        if not isinstance(prompt, Prompt):
            said = f"the text {quoted(prompt)}" if isinstance(prompt, str) else f"a {type(prompt).__name__}"
            raise ValueError(
                f"A prompt for this network is an encoded one; got {said}. Encode it: Studio.encode_prompt(text)."
            )


def _rows(tensor: Tensor, count: int) -> Tensor:
    """One row per picture from a tensor that has as many, or one for all."""
    if len(tensor) not in (1, count):
        raise ValueError(f"A prompt has {len(tensor)} rows for {count} images. Give one row, or one per image.")
    return tensor.expand(count, *tensor.shape[1:])
