"""What the nodes are made of, without a server: pictures, masks, words, files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from latent_inversion.nodes import sockets
from latent_inversion.nodes.files import cards
from latent_inversion.nodes.files import save_and_load as files
from latent_inversion.nodes.files import trajectory_folder as saved
from latent_inversion.nodes.inverting import decode, encode
from latent_inversion.nodes.kit import common, prompt_text
from latent_inversion.nodes.looking import report_figures
from latent_inversion.nodes.run import prompt_tokens
from latent_inversion.toybox.text import vocabulary


class Halves:
    """A VAE that halves twice and loses nothing: 4 pixels of 3 colours to one latent of 48 channels."""

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pixel_unshuffle(pixels.movedim(-1, 1), 4)

    def decode(self, samples: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.pixel_shuffle(samples, 4).movedim(1, -1)


def picture(height: int, width: int, channels: int = 3, batch: int = 1) -> torch.Tensor:
    return torch.rand(batch, height, width, channels, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [(1, 1), (1, 130), (7, 5), (64, 64), (65, 200)])
@pytest.mark.parametrize("channels", [3, 4])
def test_pictures_of_any_size_come_back_bit_for_bit(size: tuple[int, int], channels: int) -> None:
    image = picture(*size, channels, batch=2)
    latent = encode.encode(Halves(), image, None, 64)
    height, width = (4 * n for n in latent["samples"].shape[-2:])
    assert height % 64 == width % 64 == 0 and height - size[0] < 64 and width - size[1] < 64
    assert torch.equal(decode.decode(Halves(), latent, None, None), image[..., :3])


def test_padding_is_by_reflection() -> None:
    row = torch.arange(5.0).reshape(1, 1, 5, 1).expand(1, 5, 5, 3)
    assert common.padded(row, 5, 12)[0, 0, :, 0].tolist() == [0, 1, 2, 3, 4, 3, 2, 1, 0, 1, 2, 3]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_pictures_that_are_no_numbers_are_refused(value: float) -> None:
    image = picture(8, 8)
    image[0, 3, 3, 1] = value
    with pytest.raises(ValueError, match="1 values that are not finite"):
        encode.encode(Halves(), image, None, 64)


def test_the_mask_travels_at_the_padded_size() -> None:
    mask = torch.zeros(1, 10, 20)
    mask[:, :, :4] = 1
    latent = encode.encode(Halves(), picture(10, 20), mask, 64)
    assert latent["noise_mask"].shape == (1, 1, 64, 64)
    assert torch.equal(latent["noise_mask"][0, 0, :10, :20], mask[0])


@pytest.mark.parametrize(("shape", "message"), [((1, 9, 20), "mask is 20 x 9"), ((3, 10, 20), "3 masks for 2 images")])
def test_masks_that_do_not_fit_are_refused(shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode.encode(Halves(), picture(10, 20, batch=2), torch.zeros(shape), 64)


def test_a_latent_cut_since_is_that_part_of_the_picture() -> None:
    image = picture(60, 60)
    latent = encode.encode(Halves(), image, None, 64)
    latent["samples"] = latent["samples"][..., :10]
    assert torch.equal(decode.decode(Halves(), latent, None, None), image[:, :, :40])


def test_outside_the_mask_the_original_is_exact() -> None:
    original, mask = picture(10, 20), torch.zeros(1, 10, 20)
    mask[:, 2:5, 3:9] = 1
    latent = encode.encode(Halves(), 1 - original, None, 64)
    out = decode.decode(Halves(), latent, original, mask)
    inside = mask[0].bool()
    assert torch.equal(out[0][~inside], original[0][~inside])
    torch.testing.assert_close(out[0][inside], (1 - original)[0][inside])
    with pytest.raises(ValueError, match="both the original image and the mask"):
        decode.decode(Halves(), latent, original, None)
    with pytest.raises(ValueError, match="original is 20 x 9"):
        decode.decode(Halves(), latent, original[:, :9], mask)


class Words:
    """A CLIP of ComfyUI as far as its tokens go."""

    def __init__(self, **names: Any) -> None:
        self.names = names

    @classmethod
    def toybox(cls) -> Any:
        from functools import partial

        from comfy.sd1_clip import SD1Tokenizer, SDTokenizer

        from latent_inversion.toybox.weights import TOKENIZER

        one = partial(SDTokenizer, str(TOKENIZER), max_length=32, embedding_size=128)
        clip = cls()
        clip.tokenizer = SD1Tokenizer(tokenizer=one)
        return clip

    def tokenize(self, text: str, return_word_ids: bool = False) -> Any:
        return self.tokenizer.tokenize_with_weights(text, return_word_ids)


def test_words_are_found_with_weights_and_in_later_chunks() -> None:
    clip = Words.toybox()
    tokens = prompt_tokens.prompt_tokens(clip, "a (white:1.3) cat in a zebra shirt, " + "a dog, " * 12 + "a red hat")
    assert tokens.length == 64
    assert tokens.columns_of("white") == (2,)
    assert len(tokens.columns_of("zebra")) > 1, "an unknown word is cut into pieces"
    assert min(tokens.columns_of("red hat")) > 32
    assert len(vocabulary()) > 256


def test_other_text_encoders_and_none_are_refused() -> None:
    with pytest.raises(ValueError, match="no text encoder"):
        prompt_tokens.prompt_tokens(None, "a cat")
    clip = Words.toybox()
    clip.tokenizer = type("T5", (), {"tokenize_with_weights": lambda self, text, ids: {"t5xxl": []}})()
    with pytest.raises(ValueError, match="gives t5xxl"):
        prompt_tokens.prompt_tokens(clip, "a cat")


def test_word_weights() -> None:
    assert prompt_text.weights_of("smiling: 2.5\n\n red hat = -1 ") == {"smiling": 2.5, "red hat": -1.0}
    assert prompt_text.word_list(" hat, red shirt\nsky,") == ("hat", "red shirt", "sky")
    for line in ("smiling", "smiling: much", ": 2", "smiling: nan", "smiling: inf", "smiling: 1e38", "smiling: -101"):
        with pytest.raises(ValueError, match="colon and a number"):
            prompt_text.weights_of(line)


def figures(**changes: Any) -> report_figures.Figures:
    from latent_inversion.inversion_core.quality.metrics import Whiteness

    known = {"psnr": 30.0, "ssim": 0.9, "ceiling": 33.0, "drift": (0.0, 0.1), "noise": Whiteness(1.0, 0.0)}
    known |= {"residual": None, "steps": 50, "method": "ddim", "guidance": 1.0}
    return report_figures.Figures(**known | changes)


def test_advice_says_what_is_wrong() -> None:
    from latent_inversion.inversion_core.quality.metrics import Whiteness

    assert "loses 3.0 dB" in report_figures.advice(figures())[0]
    assert report_figures.advice(figures(psnr=32.8)) == ["The reconstruction is as good as the autoencoder allows."]
    assert any("not white" in line for line in report_figures.advice(figures(noise=Whiteness(0.7, 0.0))))
    assert any("where inversions drift" in line for line in report_figures.advice(figures(guidance=7.5)))
    assert any("fixed point" in line for line in report_figures.advice(figures(residual=0.5)))
    assert any("autoencoder itself" in line for line in report_figures.advice(figures(ceiling=20.0)))
    assert report_figures.advice(figures(ceiling=None)) == ["Nothing is wrong."]


def test_files_lie_in_the_output_and_input_folders_only(folders: Path) -> None:
    suffix = saved.SUFFIX
    assert saved.path_of(f"a/b{suffix} [output]") == folders.resolve() / "output" / f"a/b{suffix}"
    assert saved.path_of(f"b{suffix}") == folders.resolve() / "input" / f"b{suffix}"
    (folders / "output" / "link").symlink_to(folders)
    for name in (f"../x{suffix} [output]", f"/etc/x{suffix}", f"link/x{suffix} [output]", f"x{suffix} [temp]"):
        with pytest.raises(ValueError, match=r"leads out|not in ComfyUI's"):
            saved.path_of(name)
    with pytest.raises(ValueError, match="not a trajectory file"):
        saved.path_of("x.safetensors [output]")


def test_what_cannot_be_loaded_is_not_offered(folders: Path) -> None:
    """A link out of the folders, a name that no system takes, and a folder that is called like a file."""
    (folders / f"kept{saved.SUFFIX}").write_bytes(b"")
    (folders / "output" / f"link{saved.SUFFIX}").symlink_to(folders / f"kept{saved.SUFFIX}")
    (folders / "output" / f"two\nlines{saved.SUFFIX}").write_bytes(b"")
    (folders / "output" / f"folder{saved.SUFFIX}").mkdir()
    (folders / "input" / f"torn{saved.SUFFIX}").write_bytes(b"")
    assert saved.saved_files() == [f"torn{saved.SUFFIX} [input]"]
    (card,) = cards.cards()
    assert card["file"] == f"torn{saved.SUFFIX} [input]" and "truncated" in card["error"]


def test_a_linked_name_is_judged_when_it_runs() -> None:
    assert files.InversionLoadTrajectory.validate_inputs() is True
    assert "not a trajectory file" in files.InversionLoadTrajectory.validate_inputs("x.safetensors [output]")


def test_saving_and_loading_is_bit_for_bit_and_numbered(folders: Path) -> None:
    from latent_inversion.inversion_core.paths import VE
    from latent_inversion.inversion_core.trajectory import Trajectory

    xs = tuple(torch.randn(1, 4, 3, 5) for _ in range(3))
    trajectory = Trajectory(VE, torch.tensor([2.0, 0.5, 0.0], dtype=torch.float64), xs)
    frame = sockets.Frame(20, 30, 24, 40)
    record = sockets.LatentTrajectory(trajectory, sockets.Scale((5.0, 1.0, 2.0, 3.0), (0.1, 0.2, 0.3, 0.4), frame))
    names = [saved.save_files(record, "some/kept", None, picture(8, 8)) for _ in range(2)]
    assert names == [f"some/kept_0000{n}_{saved.SUFFIX}" for n in (1, 2)]
    assert sorted(saved.saved_files()) == [f"{name} [output]" for name in names]
    loaded, nothing = saved.load_files(saved.path_of(f"{names[0]} [output]"))
    assert nothing is None and loaded.frame == frame and loaded.scale == record.scale
    assert all(np.array_equal(a, b) for a, b in zip(loaded.trajectory.xs, xs, strict=True))
    with pytest.raises(Exception, match="leads out"):
        saved.save_files(record, "../../kept", None, None)


def test_a_file_of_the_library_says_that_it_lacks_the_scale(folders: Path) -> None:
    from latent_inversion.inversion_core.files.file_head import StorageError
    from latent_inversion.inversion_core.files.trajectory_file import save
    from latent_inversion.inversion_core.paths import VE
    from latent_inversion.inversion_core.trajectory import Trajectory

    path = folders / "input" / f"x{saved.SUFFIX}"
    save(Trajectory(VE, torch.tensor([2.0, 0.0], dtype=torch.float64), (torch.randn(1, 4, 2, 2),) * 2), path)
    with pytest.raises(StorageError, match="was not saved by Save Trajectory"):
        saved.load_files(path)
