"""CLIP score (arXiv:2104.08718) as torchmetrics defines it, from a local folder: 100 x cosine, no less than 0."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from latent_inversion.pictures.errors import UserError
from latent_inversion.pictures.files import Pixels

SCALE = 100


@dataclass(frozen=True)
class Clip:
    """How well a picture fits a text."""

    network: Any
    processor: Any

    @torch.no_grad()
    def __call__(self, pixels: Pixels, text: str) -> float:
        """`max(100 cos(E_picture, E_text), 0)`; of a longer text the first tokens that fit count, as in torchmetrics."""
        device, room = self.network.device, self.network.config.text_config.max_position_embeddings
        shown = self.processor(images=torch.from_numpy(pixels.copy()).movedim(-1, 0), return_tensors="pt")
        said = self.processor(text=[text], return_tensors="pt", padding=True)
        ids, attention = (said[name][:, :room].to(device) for name in ("input_ids", "attention_mask"))
        ours = _features(self.network.get_image_features(pixel_values=shown["pixel_values"].to(device)))
        theirs = _features(self.network.get_text_features(input_ids=ids, attention_mask=attention))
        return SCALE * max(float(cosine_similarity(ours, theirs)), 0.0)


def load_clip(path: Path, device: torch.device) -> tuple[Clip, str]:
    """CLIP from a folder in transformers' format, and what to call it. Raises UserError if it is none."""
    from transformers import CLIPModel, CLIPProcessor

    try:
        model = CLIPModel.from_pretrained(str(path), local_files_only=True, trust_remote_code=False)
        processor = CLIPProcessor.from_pretrained(str(path), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(f"{path} holds no CLIP in transformers' format: {str(error).splitlines()[0]}") from error
    vision = model.config.vision_config
    width, patch, side = vision.hidden_size, vision.patch_size, vision.image_size
    known = "the published network" if (width, patch, side) == (1024, 14, 224) else "not the published network"
    name = f"CLIP of width {width}, patches of {patch}, pictures of {side}: {known}"
    return Clip(model.eval().to(device), processor), name


def _features(found: Any) -> Tensor:
    """The embedding; newer versions of transformers wrap it."""
    return found if isinstance(found, Tensor) else found.pooler_output
