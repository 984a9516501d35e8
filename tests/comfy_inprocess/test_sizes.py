"""A latent between Inversion Encode and Inversion Decode, in other nodes' hands: resized, cropped, turned, masked."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from harness import tiny_comfy
from latent_inversion.nodes.inverting import decode, encode
from latent_inversion.nodes.kit import latents, vaes
from latent_inversion.nodes.kit.common import latent_mask, padded
from latent_inversion.nodes.sockets import Frame

HEIGHT, WIDTH = 120, 200


class Blocks:
    """A VAE of averages: `ratio` x `ratio` pixels are one place of the latent."""

    latent_dim = 2

    def __init__(self, ratio: int = 8) -> None:
        self.downscale_ratio = self.ratio = ratio

    def encode(self, pixels: torch.Tensor) -> torch.Tensor:
        return avg_pool2d(pixels.movedim(-1, 1), self.ratio)

    def decode(self, samples: torch.Tensor) -> torch.Tensor:
        return interpolate(samples, scale_factor=self.ratio).movedim(1, -1)


def picture(height: int = HEIGHT, width: int = WIDTH, batch: int = 1) -> torch.Tensor:
    return torch.rand(batch, height, width, 3, generator=torch.Generator().manual_seed(0))


def encoded(batch: int = 1, mask: torch.Tensor | None = None, height: int = HEIGHT, width: int = WIDTH) -> Any:
    return encode.encode(Blocks(), picture(height, width, batch), mask, 64)


def shown(latent: Any) -> torch.Tensor:
    return decode.decode(Blocks(), latent, None, None)


def stock(name: str, **inputs: Any) -> Any:
    import nodes

    kind = nodes.NODE_CLASS_MAPPINGS[name]
    return getattr(kind(), kind.FUNCTION)(**inputs)[0]


def resized(latent: Any, width: int, height: int, crop: str = "disabled", method: str = "nearest-exact") -> Any:
    return stock("LatentUpscale", samples=latent, upscale_method=method, width=width, height=height, crop=crop)


def scaled(latent: Any, by: float, method: str = "nearest-exact") -> Any:
    return stock("LatentUpscaleBy", samples=latent, upscale_method=method, scale_by=by)


def cropped(latent: Any, width: int, height: int, x: int, y: int) -> Any:
    return stock("LatentCrop", samples=latent, width=width, height=height, x=x, y=y)


@pytest.mark.parametrize("method", ["nearest-exact", "bilinear", "bicubic", "area", "bislerp"])
@pytest.mark.parametrize("by", [0.5, 1.5, 2.0, 4.0])
def test_a_latent_resized_after_encoding_is_decoded_in_its_own_size(by: float, method: str) -> None:
    latent = scaled(encoded(batch=2), by, method)
    whole = Blocks().decode(latent["samples"])
    assert torch.equal(shown(latent), whole[:, : round(by * HEIGHT), : round(by * WIDTH)])
    assert latents.frame_of(latent) == Frame(round(by * HEIGHT), round(by * WIDTH), *whole.shape[1:3])


@pytest.mark.parametrize(("width", "height"), [(512, 128), (256, 256), (384, 320), (72, 128), (1024, 512)])
@pytest.mark.parametrize("method", ["nearest-exact", "bilinear"])
def test_a_latent_stretched_to_any_size_holds_the_stretched_picture(width: int, height: int, method: str) -> None:
    latent = resized(encoded(), width, height, method=method)
    pixels = shown(latent)
    assert pixels.shape[1:3] == (round(HEIGHT * height / 128), round(WIDTH * width / 256))


def test_a_latent_cropped_in_the_middle_to_other_proportions_keeps_what_is_left_of_the_picture() -> None:
    latent = resized(encoded(), 256, 256, crop="center", method="bilinear")
    assert shown(latent).shape[1:3] == (240, 256), "places 8 to 24 of 32, all of them picture; 120 of 128 rows"


@pytest.mark.parametrize(
    ("x", "y", "size"), [(0, 0, (64, 128)), (64, 0, (64, 128)), (128, 64, (56, 72)), (0, 64, (56, 128))]
)
def test_a_cropped_latent_holds_that_part_of_the_picture(x: int, y: int, size: tuple[int, int]) -> None:
    latent = encoded()
    pixels = shown(cropped(latent, 128, 64, x, y))
    assert pixels.shape[1:3] == size
    assert torch.equal(pixels, shown(latent)[:, y : y + size[0], x : x + size[1]])


def test_a_part_without_picture_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing of the image"):
        latents.frame_of(cropped(encode.encode(Blocks(), picture(60, 60), None, 128), 64, 64, 64, 0))


TURNS: dict[str, Callable[[Any], Any]] = {
    "flipped": lambda latent: stock("LatentFlip", samples=latent, flip_method="y-axis: horizontally"),
    "upside down": lambda latent: stock("LatentFlip", samples=latent, flip_method="x-axis: vertically"),
    "half a turn": lambda latent: stock("LatentRotate", samples=latent, rotation="180 degrees"),
    "a quarter": lambda latent: stock("LatentRotate", samples=latent, rotation="90 degrees"),
    "flipped and enlarged": lambda latent: scaled(TURNS["flipped"](latent), 2.0, "bilinear"),
}


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_latent_of_a_padded_picture_is_refused_with_that_reason(turn: str) -> None:
    with pytest.raises(ValueError, match=r"rotated, flipped or cropped .* before encoding"):
        shown(TURNS[turn](encoded()))


@pytest.mark.parametrize("turn", TURNS)
def test_a_turned_latent_of_a_picture_that_needed_no_padding_is_decoded_whole(turn: str) -> None:
    latent = TURNS[turn](encoded(height=128, width=256))
    assert torch.equal(shown(latent), Blocks().decode(latent["samples"]))


def test_what_is_sampled_anew_or_pasted_over_stays_in_its_place() -> None:
    latent, other = encoded(), encoded(height=64, width=64)
    noisy = latent | {"samples": torch.randn_like(latent["samples"])}
    pasted = stock("LatentComposite", samples_to=latent, samples_from=other, x=64, y=0, feather=0)
    for one, by in ((noisy, 1), (pasted, 1), (scaled(noisy, 2.0), 2)):
        assert torch.equal(shown(one), Blocks().decode(one["samples"])[:, : by * HEIGHT, : by * WIDTH])


def test_rows_of_a_batch_are_followed_too() -> None:
    latent = stock("LatentFromBatch", samples=encoded(batch=3), batch_index=2, length=1)
    part = cropped(latent, 128, 64, 128, 64)
    assert shown(latent).shape == (1, HEIGHT, WIDTH, 3)
    assert torch.equal(shown(part), shown(latent)[:, 64:, 128:])


# Masks


def half() -> torch.Tensor:
    """Of the picture its right half."""
    return torch.cat([torch.zeros(1, HEIGHT, WIDTH // 2), torch.ones(1, HEIGHT, WIDTH // 2)], -1)


def test_a_mask_of_the_picture_set_by_a_stock_node_is_the_one_given_to_encode() -> None:
    ours, theirs = encoded(mask=half()), stock("SetLatentNoiseMask", samples=encoded(), mask=half())
    assert theirs["noise_mask"].shape[-2:] == (HEIGHT, WIDTH)
    assert torch.equal(latents.mask_of(theirs), latents.mask_of(ours))
    assert torch.equal(latents.mask_of(ours), ours["noise_mask"])


def test_a_mask_of_another_size_means_the_picture_and_not_its_padding() -> None:
    small = torch.zeros(1, 12, 20)
    small[..., 10:] = 1
    mask = latents.mask_of(stock("SetLatentNoiseMask", samples=encoded(), mask=small))
    assert mask.shape[-2:] == (128, 256)
    assert mask[0, 0, 60, 94].item() < 0.5 < mask[0, 0, 60, 106].item()


def test_the_mask_goes_with_a_latent_that_is_resized_or_cropped() -> None:
    latent = encoded(mask=half())
    large, part = latents.mask_of(scaled(latent, 2.0)), latents.mask_of(cropped(latent, 128, 64, 64, 0))
    assert large.shape[-2:] == (256, 512) and large[0, 0, 9, 190].item() < 0.5 < large[0, 0, 9, 210].item()
    assert torch.equal(part, latent["noise_mask"][..., :64, 64:192])


def test_the_mask_of_a_latent_that_was_turned_is_refused() -> None:
    mask = torch.ones(1, 128, 256)
    with pytest.raises(ValueError, match="its mask was not"):
        latents.mask_of(TURNS["flipped"](encode.encode(Blocks(), picture(128, 256), mask, 64)))


def test_a_latent_of_stock_nodes_keeps_its_mask() -> None:
    mask = torch.rand(1, 1, 30, 50)
    assert torch.equal(latents.mask_of({"samples": torch.zeros(1, 4, 16, 32), "noise_mask": mask}), mask)


@pytest.mark.parametrize("shape", [(2, 1, 3, 4, 6), (2, 1, 3, 1, 1), (1, 1, 3, 4, 6)])
def test_a_mask_with_a_frame_axis_is_one_mask_for_each_frame(shape: tuple[int, ...]) -> None:
    mask = torch.rand(shape)
    got = latents.mask_of({"samples": torch.zeros(shape[0], 16, 3, 4, 6), "noise_mask": mask})
    assert torch.equal(got.unflatten(0, (shape[0], 3))[:, :, 0], mask[:, 0])


# What the VAE takes


@pytest.mark.parametrize("ratio", [1, 4, 8, 16, 32])
@pytest.mark.parametrize("multiple", [8, 12, 37, 64, 511, 512])
def test_whatever_is_encoded_can_be_decoded(ratio: int, multiple: int) -> None:
    latent = encode.encode(Blocks(ratio), picture(65, 2), None, multiple)
    frame = latent["inversion_frame"]
    assert frame.padded_height % ratio == frame.padded_width % ratio == 0
    assert -(-65 // multiple) * multiple <= frame.padded_height < 65 + multiple + ratio
    assert decode.decode(Blocks(ratio), latent, None, None).shape == (1, 65, 2, 3)


def wan_vae() -> Any:
    """ComfyUI's VAE of Wan and Qwen-Image with a network in miniature: one frame, then four to a latent's."""
    import comfy.model_patcher
    import comfy.sd
    from comfy.ldm.wan.vae import WanVAE

    sizes = {"dim": 4, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 1, "attn_scales": []}
    more = {"temperal_downsample": [False, True, True], "dropout": 0.0}
    try:
        network = WanVAE(**sizes, **more, image_channels=3).eval()
    except TypeError:  # ComfyUI 0.3.64
        network = WanVAE(**sizes, **more).eval()
    tiny_comfy.fill(network, 0)
    cpu = torch.device("cpu")
    vae = comfy.sd.VAE.__new__(comfy.sd.VAE)
    facts = {"latent_dim": 3, "latent_channels": 16, "output_channels": 3, "pad_channel_value": None}
    facts |= {"not_video": False, "crop_input": True, "size": None, "extra_1d_channel": None, "disable_offload": False}
    facts |= {"handles_tiling": False, "format_encoded": None, "vae_dtype": torch.float32}
    facts |= {"downscale_ratio": (lambda a: max(0, (a + 3) // 4), 8, 8), "downscale_index_formula": (4, 8, 8)}
    facts |= {"upscale_ratio": (lambda a: max(0, a * 4 - 3), 8, 8), "upscale_index_formula": (4, 8, 8)}
    facts |= {
        "process_input": lambda image: image * 2 - 1,
        "process_output": lambda image: (image / 2 + 0.5).clamp_(0, 1),
    }
    facts |= {"memory_used_encode": lambda *a: 1, "memory_used_decode": lambda *a: 1, "working_dtypes": [torch.float32]}
    facts |= {"first_stage_model": network, "device": cpu, "output_device": cpu}
    vae.__dict__ |= facts | {"patcher": comfy.model_patcher.ModelPatcher(network, cpu, cpu)}
    return vae


@pytest.fixture(scope="module")
def vae(in_a_node: None) -> Any:
    return wan_vae()


@pytest.mark.parametrize("frames", [1, 2, 4, 5, 9, 10, 12])
def test_a_clip_comes_back_with_all_its_frames(vae: Any, frames: int) -> None:
    clip = picture(64, 40, frames)
    latent = encode.encode(vae, clip, None, 64)
    assert latent["samples"].shape == (1, 16, 1 + -(-(frames - 1) // 4), 8, 8)
    assert decode.decode(vae, latent, None, None).shape == (frames, 64, 40, 3)


def test_a_clip_is_continued_by_its_last_frame(vae: Any) -> None:
    clip = picture(64, 64, 10)
    longer = torch.cat([clip, *[clip[-1:]] * 3])
    ours = encode.encode(vae, clip, None, 64)["samples"]
    assert torch.equal(ours, encode.encode(vae, longer, None, 64)["samples"])


@pytest.mark.parametrize("count", [1, 2, 4, 11])
def test_a_batch_of_pictures_stays_a_batch_with_a_vae_of_videos(vae: Any, count: int) -> None:
    batch = picture(64, 40, count)
    latent = encode.encode(vae, batch, None, 64, batch=vaes.PICTURES)
    assert latent["samples"].shape == (count, 16, 1, 8, 8)
    alone = encode.encode(vae, batch[-1:], None, 64)
    assert torch.equal(latent["samples"][-1:], alone["samples"])
    assert decode.decode(vae, latent, None, None).shape == (count, 64, 40, 3)


def test_a_clip_can_be_asked_of_a_vae_that_takes_pictures_by_default(vae: Any) -> None:
    vae = wan_vae()
    vae.not_video = True
    pictures, clip = (encode.encode(vae, picture(64, 64, 5), None, 64, batch=b) for b in (vaes.AUTOMATIC, vaes.CLIP))
    assert pictures["samples"].shape[:3] == (5, 16, 1) and clip["samples"].shape[:3] == (1, 16, 2)
    assert vae.not_video


@pytest.mark.parametrize("frames", [9, 10])
def test_one_mask_for_each_frame_of_a_clip(vae: Any, frames: int) -> None:
    mask = torch.zeros(frames, 64, 64)
    mask[-1] = 1
    latent = encode.encode(vae, picture(64, 64, frames), mask, 64)
    got = latent_mask(latents.mask_of(latent), tuple(latent["samples"].shape))
    assert got.amax((1, 2, 3)).tolist() == [0.0] * (len(got) - 1) + [1.0]


def test_a_clip_cut_in_time_gives_the_frames_that_are_left(vae: Any) -> None:
    latent = encode.encode(vae, picture(64, 40, 10), None, 64)
    cut = latent | {"samples": latent["samples"][:, :, :2]}
    assert decode.decode(vae, cut, None, None).shape == (5, 64, 40, 3)


def test_a_picture_s_latent_without_frames_is_decoded_by_a_vae_of_videos(vae: Any) -> None:
    samples = torch.randn(2, 16, 8, 8)
    assert decode.decode(vae, {"samples": samples}, None, None).shape == (2, 64, 64, 3)


def test_a_video_of_one_frame_is_decoded_by_a_vae_of_pictures() -> None:
    samples = torch.rand(2, 3, 1, 8, 8)
    pixels = decode.decode(Blocks(), {"samples": samples}, None, None)
    assert torch.equal(pixels, Blocks().decode(samples[:, :, 0]))


def test_a_clip_is_not_decoded_as_its_first_picture() -> None:
    with pytest.raises(ValueError, match=r"clip of 3 frames, but this VAE decodes single images"):
        decode.decode(Blocks(), {"samples": torch.zeros(1, 3, 3, 8, 8)}, None, None)


def test_a_clip_for_a_model_of_pictures_is_refused_and_a_batch_is_taken(vae: Any) -> None:
    model = tiny_comfy.FAMILIES["qwen"].model()
    clip, batch = (encode.encode(vae, picture(64, 64, 3), None, 64, batch=b) for b in (vaes.AUTOMATIC, vaes.PICTURES))
    with pytest.raises(ValueError, match=r"one clip of 3 frames.*'batch' to 'pictures'"):
        latents.taken(model, clip)
    assert latents.taken(model, batch)[1].shape == (3, 16, 1, 8, 8)
    assert latents.taken(tiny_comfy.FAMILIES["wan"].model(), clip)[1].shape == (1, 16, 2, 8, 8)


def test_padding_is_what_the_mask_is_continued_by() -> None:
    assert torch.equal(encoded(mask=half())["noise_mask"][:, 0], padded(half(), 128, 256))


# Videos of models


@pytest.mark.parametrize("shape", [(1, 1, 3, 8, 12), (1, 1, 3, 1, 1), (1, 1, 1, 8, 12)])
def test_the_masks_of_image_to_video_nodes_hold_the_frames_that_they_mean(
    in_a_node: None, shape: tuple[int, ...]
) -> None:
    """Wan22ImageToVideoLatent and LTXVImgToVideo put 0 where the first frame is given."""
    from latent_inversion.nodes.editing import edit_setup, run_edit
    from latent_inversion.nodes.inverting import invert_latent as invert

    family = tiny_comfy.FAMILIES["wan"]
    model, mask = family.model(), torch.ones(shape)
    mask[:, :, 0] = 0
    latent = family.latent() | {"noise_mask": mask}
    prompts = {name: family.conditioning(seed) for seed, name in enumerate(("source", "target", "negative"))}
    record = invert.invert_latent(model, latent, prompts["source"], None, 2, "simple", 1.0, "ddim")
    setup = edit_setup.Setup(4.0, "none", edit_setup.NEGATIVE, 0.0)
    edited = run_edit.edit_along(model, record, prompts, setup.on)
    moved = (edited.target - edited.source[-1]).abs().amax((0, 1, 3, 4))
    assert moved.shape == (3,) and moved[0] == 0
    assert bool((moved[1:] > 0).all()) is (shape[2] == 3)


@pytest.mark.parametrize("way", ["each frame", "token flow", "key frames", "first and previous"])
def test_a_batch_of_a_model_of_pictures_with_a_frame_axis_is_a_clip_for_video_edit(in_a_node: None, way: str) -> None:
    from latent_inversion.nodes.attention.attention_edits import Plans
    from latent_inversion.nodes.editing import video

    family = tiny_comfy.FAMILIES["qwen"]
    model, prompts = family.model(), {n: family.conditioning(s) for s, n in enumerate(("source", "target", "negative"))}
    record = video.invert_frames(model, family.latent(), prompts["source"], 2, "simple", 1)
    settings = video.ClipSettings(4.0, way, 1, 3, 1)
    if way != "each frame":
        with pytest.raises(ValueError, match=f"'{way}' .* UNet .* 'each frame'"):
            video.edit_frames(model, record, prompts, Plans(), None, settings)
        return
    edited = video.edit_frames(model, record, prompts, Plans(), None, settings)
    assert edited.target.shape == family.shape
    assert float((edited.target - edited.source[-1]).abs().max()) > 1e-3


@pytest.mark.parametrize(("height", "width", "megapixels"), [(3000, 4000, 0.25), (4000, 3000, 1.0), (1600, 900, 0.5)])
def test_a_photo_is_scaled_to_what_the_model_likes_and_comes_back_in_its_own_size(
    height: int, width: int, megapixels: float
) -> None:
    smooth = picture(30, 40)
    photo = interpolate(smooth.movedim(-1, 1), (height, width), mode="bicubic").clamp(0, 1).movedim(1, -1)
    latent = encode.encode(Blocks(), photo, None, 64, max_megapixels=megapixels)
    rows, columns = latent["samples"].shape[-2:]
    assert abs(rows * columns * 64 / (megapixels * 1024**2) - 1) < 0.3, "about so many, and the padding"
    frame = latents.frame_of(latent)
    assert frame is not None and (frame.height, frame.width) == (height, width)
    by = frame.padded_height / (8 * rows), frame.padded_width / (8 * columns)
    assert by[0] == pytest.approx(by[1], rel=0.01), "its shape is kept"
    back = shown(latent)
    assert back.shape == photo.shape
    assert (back - photo).abs().mean() < 0.12, "the same image, not stretched and not moved"
    assert shown(encode.encode(Blocks(), photo, None, 64)).shape == photo.shape


def test_an_image_that_is_small_enough_stays_as_it_is() -> None:
    for most in (0.0, 128**2 / 1024**2, 1.0):
        same = encode.encode(Blocks(), picture(128, 128), None, 64, max_megapixels=most)
        assert same["inversion_frame"] == Frame(128, 128, 128, 128)


def test_a_mask_of_a_scaled_photo_is_painted_on_the_photo() -> None:
    photo, mask = picture(1200, 2000), torch.zeros(1, 1200, 2000)
    mask[:, :, 1000:] = 1
    latent = encode.encode(Blocks(), photo, mask, 64, max_megapixels=0.0225)  # 120 x 197, hence 128 x 256
    laid = latents.mask_of(latent)
    assert laid is not None
    small = interpolate(laid, latent["samples"].shape[-2:], mode="area")[0, 0]
    assert small.shape == (16, 32) and (small[:, :12] < 0.5).all() and (small[:, 13:24] > 0.5).all()
    kept = decode.decode(Blocks(), latent, photo, mask)
    assert torch.equal(kept[:, :, :1000], photo[:, :, :1000]) and not torch.equal(kept, photo)
    with pytest.raises(ValueError, match="The mask is 200 x 120, but the image is 2000 x 1200"):
        encode.encode(Blocks(), photo, torch.ones(1, 120, 200), 64, max_megapixels=0.0225)
