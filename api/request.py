"""What is asked of an edit: what the front door's arguments and the command line's options both fill."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from ..inversion_core.attention.budget import Memory
from ..inversion_core.backends.diffusers.studio import Studio
from ..inversion_core.dial import AS_SET, FEW_STEPS, Turned, turned
from ..inversion_core.methods import EDITORS, USUAL, Editor, Settings, kind_of
from ..inversion_core.prompts.reading import remark
from ..inversion_core.techniques.prompt_to_prompt import CROSS_END, SELF_END, WEIGHTED_CROSS_END
from ..inversion_core.types import Cond
from .checks import DIALLED, check_method, check_together, check_values
from .control import Control, words_in
from .images import ImageLike

PRESET, MIDDLE = "balanced", 0.5
EQUAL = "source and target are the same, so nothing should change; change a word of `target`."


@dataclass(frozen=True)
class EditRequest:
    """An edit as a person asks for it; what is None is as the method, the preset or the model has it."""

    target: str
    method: str = "direct"
    preset: str | None = None
    strength: float | None = None
    guidance: float | None = None
    steps: int | None = None
    negative: str | None = None
    seed: int | None = None
    words: Sequence[str] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    mask: ImageLike | None = None
    find_region: bool = False
    cross: float | None = None
    self_attention: float | None = None
    align: str = "refine"
    share: str | None = None
    kv_edit: bool = False
    plug_and_play: int | None = None
    few_steps: bool = False
    memory: Memory = field(default_factory=Memory)

    @property
    def editor(self) -> Editor:
        return EDITORS[self.method]

    @property
    def dial(self) -> Turned:
        """The preset's dial at the strength that is asked for. Raises ValueError as `turned`."""
        if self.method not in DIALLED:
            return AS_SET
        return turned(self._preset, MIDDLE if self.strength is None else self.strength)

    @property
    def _preset(self) -> str:
        return self.preset or (FEW_STEPS if self.few_steps else PRESET)

    def settings_on(self, studio: Studio) -> Settings:
        """What the method was published with for this kind of model, or else the model's usual numbers; what was given goes first."""
        kind = kind_of(studio.denoiser.path, studio.denoiser.distilled, self.few_steps)
        published, given = self.editor.settings.get(kind), self.guidance
        usual = Settings(studio.guidance, studio.guidance, USUAL[kind].strength, studio.steps)
        settings = published or (usual if given is None else replace(usual, source_guidance=given))
        own = self.method not in DIALLED
        numbers = {"guidance": given, "strength": self.strength if own else None, "steps": self.steps}
        settings = replace(settings, **{name: number for name, number in numbers.items() if number is not None})
        if own:
            return settings
        set_so = studio.denoiser.distilled or (given is not None and self.preset is None)
        held = self._preset == FEW_STEPS and set_so
        guidance = settings.guidance if held else self.dial.guided(settings.guidance)
        return replace(settings, guidance=guidance, source_guidance=guidance, strength=1 - self.dial.start)

    def control(self, mask: Tensor | None) -> Control:
        """How the edit keeps the picture: by its settings, or as is usual; `mask` is of the picture's padded size."""
        return Control(
            cross=self._shared(self.cross, WEIGHTED_CROSS_END if self.weights else CROSS_END),
            self_attention=self._shared(self.self_attention, SELF_END),
            alignment=self.align,
            weights=self.weights,
            words=self.words,
            plug_and_play=self.plug_and_play,
            share=self.share,
            kv_edit=self.kv_edit,
            mask=mask,
        )

    def _shared(self, given: float | None, usual: float) -> float:
        """The share of the steps under Prompt-to-Prompt: what was given, else none beside another way to keep the source."""
        others = self.plug_and_play is not None or self.share is not None or self.kv_edit or self.find_region
        return given if given is not None else 0.0 if others or self.editor.settings else usual

    def remarks(self, studio: Studio, source: str) -> list[str]:
        """What a person should know of the prompts. Raises UserError if a word is in neither, ValueError if a weighted one is absent."""
        lines = [EQUAL] if source == self.target else []
        named = words_in(studio, source, self.target, self.words)
        for text, words in ((self.target, list(self.weights)), *zip((source, self.target), named, strict=True)):
            lines += [remark(studio.prompt_tokens(text), word) for word in words]
        return [line for line in dict.fromkeys(lines) if line]

    def check(self) -> None:
        """Raises UserError at settings that do not go together, before anything is loaded."""
        check_values(self)
        check_together(self)
        check_method(self)

    @property
    def holds_words(self) -> bool:
        """Whether shared words keep their places, so that words have weights."""
        return bool(self._shared(self.cross, usual=1.0))


def prompts_of(
    studio: Studio, texts: tuple[str, str], settings: Settings, negative: str = "", *, few_steps: bool
) -> tuple[Cond, Cond]:
    """Source and target under the guidance of the settings; those of a few-step model by themselves where they are not guided."""
    numbers = settings.source_guidance, settings.guidance
    source, target = (studio.cond(text, number, negative) for text, number in zip(texts, numbers, strict=True))
    if not few_steps:
        return source, target
    return source if source.guided else source.alone(), target if target.guided else target.alone()
