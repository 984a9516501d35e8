"""The PIE-Bench runner: the published format, metrics against independent computations, runs that are continued."""

import json
import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
import torchmetrics.functional.image.lpips as reference_lpips
from PIL import Image
from torch.nn import functional as F
from torchmetrics.image import PeakSignalNoiseRatio, StructuralSimilarityIndexMeasure
from torchmetrics.regression import MeanSquaredError

from harness import tiny_diffusion
from latent_inversion.api.models import load_studio, load_toybox
from latent_inversion.benchmarks.pie import metrics
from latent_inversion.benchmarks.pie import run as pie_run
from latent_inversion.benchmarks.pie.clip import load_clip
from latent_inversion.benchmarks.pie.data import decode, encode, read_data, with_border
from latent_inversion.benchmarks.pie.edit import Recipe, Setting
from latent_inversion.benchmarks.pie.lpips import load_lpips, squeezenet_features
from latent_inversion.benchmarks.pie.metrics import CORRECTED, PUBLISHED, Reference
from latent_inversion.benchmarks.pie.networks import Networks
from latent_inversion.benchmarks.pie.results import Results
from latent_inversion.benchmarks.pie.structure import CORRECT_SCALE, MEAN, PUBLISHED_SCALE, STD, load_structure
from latent_inversion.benchmarks.pie.summary import mean_of, name_of, sets_of
from latent_inversion.pictures.errors import UserError
from latent_inversion.toybox.weights import WEIGHTS
from latent_inversion.toybox.world import held_out_edits, render

PIXELS, SIDE = 512 * 512, 128
CPU = torch.device("cpu")
needs_toybox = pytest.mark.skipif(not (WEIGHTS / "unet.safetensors").exists(), reason="the toybox has not been trained")


def entry(number: int, category: str, mask: list[int], **fields: object) -> dict[str, object]:
    return {
        "image_path": f"{category}_some_80/{number:012d}.jpg",
        "original_prompt": "a [white] cat",
        "editing_prompt": "a [black] cat",
        "editing_instruction": "make the cat black",
        "editing_type_id": category,
        "blended_word": "",
        "mask": mask,
        **fields,
    }


def write_mapping(folder: Path, mapping: object) -> Path:
    (folder / "mapping_file.json").write_text(json.dumps(mapping))
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four toybox renders in the published format: a run beyond the end, no mask, no background, blended words."""
    folder = tmp_path_factory.mktemp("data")
    edits = held_out_edits(4, kinds=("fur", "time", "shirt", "style"))
    box = [start for row in range(128, 300) for start in (512 * row + 100, 200)]
    masks = [[5, 0, 2000, 700, PIXELS - 300, 9999], [], [0, PIXELS], box]
    mapping = {}
    for number, (edit, mask) in enumerate(zip(edits, masks, strict=True)):
        kind = edit.changed[0]
        old, new = getattr(edit.source, kind), getattr(edit.target, kind)
        prompts = {
            "original_prompt": edit.source_caption,
            "editing_prompt": edit.target_caption.replace(new, f"[{new}]"),
        }
        blended = {"blended_word": f"{old} {new}"} if number != 1 else {}
        fields = entry(number, "0129"[number], mask, **prompts, **blended)
        path = folder / "annotation_images" / str(fields["image_path"])
        path.parent.mkdir(parents=True)
        picture = np.rint(255 * render([edit.source])[0].permute(1, 2, 0).numpy()).astype(np.uint8)
        Image.fromarray(picture).resize((512, 512), Image.Resampling.BICUBIC).save(path, quality=95)
        mapping[f"{number:012d}"] = fields
    return write_mapping(folder, mapping)


@pytest.fixture(scope="module")
def two_pictures() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A picture, one that differs everywhere, and a mask with a hole; the metrics take any size."""
    draw = np.random.default_rng(0)
    smooth = F.interpolate(
        torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(1)), (SIDE, SIDE), mode="bicubic"
    )
    source = np.rint(255 * smooth[0].clamp(0, 1).permute(1, 2, 0).numpy()).astype(np.uint8)
    edited = (source.astype(int) + draw.integers(-20, 21, source.shape)).clip(0, 255).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[10:75, 25:105], mask[25:38, 50:65] = True, False
    return source, edited, with_border(mask)


# The published format


@pytest.mark.parametrize("runs", [(), (0, PIXELS), (0, 1, 2, 3, 511, 514), (PIXELS - 1, 1), (7, 700, 90000, 2)])
def test_runs_come_back_from_their_mask(runs):
    assert encode(decode(runs)) == runs


def test_a_mask_comes_back_from_its_runs():
    mask = np.random.default_rng(0).random((64, 64)) < 0.5
    assert np.array_equal(decode(encode(mask), 64), mask)


def test_runs_are_row_major_cut_at_the_end_and_may_be_empty():
    mask = decode((514, 2, 900, 0, PIXELS - 3, 50, PIXELS + 5, 9))
    assert np.argwhere(mask).tolist() == [[1, 2], [1, 3], [511, 509], [511, 510], [511, 511]]


def test_the_border_counts_as_edited():
    mask = with_border(np.zeros((512, 512), bool))
    assert mask.sum() == 4 * 512 - 4 and not mask[1:-1, 1:-1].any()
    assert np.array_equal(with_border(decode((0, PIXELS))), np.ones((512, 512), bool))


def test_entries_are_read_without_brackets(data):
    found = read_data(data)
    first = found.entries[0]
    assert "[" not in first.source + first.target and first.source != first.target
    assert [one.category for one in found.entries] == [0, 1, 2, 9]
    assert [one.key for one in found.chosen({1, 9}, None)] == ["000000000001", "000000000003"]
    assert len(found.chosen(range(10), 2)) == 2 and len(first.blend) == 2
    assert found.picture(first).shape == (512, 512, 3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mask", ["1", 2]),
        ("mask", [1.5, 2]),
        ("mask", [True, 2]),
        ("mask", [-1, 2]),
        ("mask", [1, 2, 3]),
        ("mask", "1 2"),
        ("image_path", "../secret.jpg"),
        ("image_path", "/secret.jpg"),
        ("editing_type_id", 3),
        ("editing_type_id", "10"),
        ("original_prompt", None),
        ("blended_word", "cat"),
    ],
)
def test_a_malformed_entry_is_named_by_key_and_field(tmp_path, field, value):
    mapping = {"000000000000": entry(0, "0", []), "111000000007": entry(7, "1", []) | {field: value}}
    with pytest.raises(UserError, match=rf"entry '111000000007', {field}.*: wanted .*; got"):
        read_data(write_mapping(tmp_path, mapping))


def test_a_missing_field_file_or_picture_is_named(tmp_path):
    broken = entry(0, "0", [])
    del broken["mask"]
    with pytest.raises(UserError, match=r"entry 'one', mask: .* got 'nothing'"):
        read_data(write_mapping(tmp_path, {"one": broken}))
    for text, message in (("{", "is no JSON"), ("[]", "must hold an object")):
        (tmp_path / "mapping_file.json").write_text(text)
        with pytest.raises(UserError, match=message):
            read_data(tmp_path)
    with pytest.raises(UserError, match=r"There is no .*mapping_file\.json"):
        read_data(tmp_path / "elsewhere")
    found = read_data(write_mapping(tmp_path, {"one": entry(0, "0", [])}))
    with pytest.raises(UserError, match="There is no image"):
        found.picture(found.entries[0])
    path = tmp_path / "annotation_images" / found.entries[0].image_path
    path.parent.mkdir(parents=True)
    Image.new("RGB", (512, 300)).save(path)
    with pytest.raises(UserError, match="512 x 300; the benchmark's pictures are 512 x 512"):
        found.picture(found.entries[0])
    with pytest.raises(UserError, match="categories 4, 5"):
        found.chosen({4, 5}, None)


# Metrics


def test_pixel_metrics_are_the_published_ones(two_pictures):
    source, edited, mask = two_pictures
    ours, theirs = (
        torch.tensor(pixels.astype(np.float32) / 255 * (1 - mask[..., None].astype(np.float32))).permute(2, 0, 1)[None]
        for pixels in (edited, source)
    )
    found = Reference(source, mask, "").measure(edited)
    assert found["psnr"] == pytest.approx(float(PeakSignalNoiseRatio(data_range=1.0)(ours, theirs)), rel=1e-5)
    assert found["mse"] == pytest.approx(float(MeanSquaredError()(ours.contiguous(), theirs.contiguous())), rel=1e-5)
    assert found["ssim"] == pytest.approx(
        float(StructuralSimilarityIndexMeasure(data_range=1.0)(ours, theirs)), rel=1e-5
    )
    assert all(
        found[name] is None for name in ("structure", "structure_scaled", "lpips", "lpips_background", "clip_whole")
    )


def test_corrected_metrics_see_the_background_alone(two_pictures):
    source, edited, mask = two_pictures
    reference = Reference(source, mask, "")
    found, share = reference.measure(edited), (~mask).mean()
    errors = ((source.astype(float) - edited.astype(float)) / 255)[~mask] ** 2
    assert found["mse_background"] == pytest.approx(errors.mean(), rel=1e-6)
    assert found["psnr_background"] == pytest.approx(-10 * math.log10(errors.mean()), rel=1e-6)
    assert reference.share == pytest.approx(share) and 0.6 < share < 0.7
    assert found["psnr"] - found["psnr_background"] == pytest.approx(10 * math.log10(1 / share), abs=1e-6)
    assert found["ssim_background"] < found["ssim"], "zeroed pixels are equal, and so lift the published mean"
    changed = edited.copy()
    changed[mask] = 255 - changed[mask]
    assert reference.measure(changed) == found, "what lies inside the mask does not count"


@pytest.mark.parametrize(("share", "offset"), [(0.9, 0.46), (0.75, 1.25), (0.5, 3.01), (0.25, 6.02)])
def test_the_published_offset_of_psnr(share, offset):
    mask = np.zeros((SIDE, SIDE), bool)
    mask.ravel()[: round((1 - share) * mask.size)] = True
    found = Reference(np.zeros((SIDE, SIDE, 3), np.uint8), mask, "").measure(np.full((SIDE, SIDE, 3), 40, np.uint8))
    assert found["psnr"] - found["psnr_background"] == pytest.approx(offset, abs=0.005)


def test_equal_pictures_and_empty_backgrounds(two_pictures):
    source, edited, mask = two_pictures
    same = Reference(source, mask, "").measure(source)
    assert same["psnr"] == same["psnr_background"] == math.inf
    assert same["mse"] == same["mse_background"] == 0 and same["ssim"] == pytest.approx(1)
    empty = Reference(source, np.ones_like(mask), "").measure(edited)
    pixel_names = [name for name in (*PUBLISHED, *CORRECTED) if name.split("_")[0] in ("psnr", "mse", "ssim")]
    assert len(pixel_names) == 6 and all(math.isnan(empty[name]) for name in pixel_names)
    assert mean_of("mse", [1e-4, "nan", 3e-4]) == {"mean": pytest.approx(2), "rows": 2}
    assert mean_of("psnr", [20.0, "inf"]) == {"mean": "inf", "rows": 2}
    assert mean_of("psnr", ["nan"]) == {"mean": "nan", "rows": 0} and mean_of("psnr", [None]) is None


# Networks


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights in torchvision's layout."""
    path = tmp_path_factory.mktemp("squeezenet") / "squeezenet.pth"
    features = tiny_diffusion.seeded(squeezenet_features)
    torch.save({f"features.{name}": value for name, value in features.state_dict().items()}, path)
    return path


def test_lpips_is_torchmetrics(squeezenet, two_pictures, monkeypatch):
    lpips, name = load_lpips(squeezenet, CPU)
    monkeypatch.setattr(reference_lpips, "_get_tv_model_features", lambda *_: lpips.network)
    source, edited, _ = (torch.tensor(pixels[:128, :96] / 255).float() for pixels in two_pictures)
    source, edited = (picture.permute(2, 0, 1)[None] for picture in (source, edited))
    value, by_pixel = lpips(edited, source)
    for spatial, ours in ((False, torch.tensor(value)), (True, by_pixel)):
        theirs = reference_lpips._LPIPS(net="squeeze", spatial=spatial)(2 * edited - 1, 2 * source - 1)
        torch.testing.assert_close(ours, theirs.reshape(ours.shape), rtol=1e-4, atol=1e-7)
    assert value > 0 and "SqueezeNet" in name


DEPTH, WIDTH, PATCH = 12, 128, 56


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny DINO with random weights, under the names of facebookresearch/dino."""
    draw = torch.Generator().manual_seed(0)
    shapes = {
        "cls_token": (1, 1, WIDTH),
        "pos_embed": (1, 17, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
    }
    layers = {"norm1": (WIDTH,), "norm2": (WIDTH,), "attn.qkv": (3 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH)}
    layers |= {"mlp.fc1": (2 * WIDTH, WIDTH), "mlp.fc2": (WIDTH, 2 * WIDTH)}
    for block in range(DEPTH):
        for name, shape in layers.items():
            shapes |= {f"blocks.{block}.{name}.weight": shape, f"blocks.{block}.{name}.bias": shape[:1]}
    path = tmp_path_factory.mktemp("dino") / "dino.pth"
    torch.save({name: torch.randn(shape, generator=draw) / shape[-1] ** 0.5 for name, shape in shapes.items()}, path)
    return path


def keys_by_hand(weights: dict[str, torch.Tensor], pixels: np.ndarray, scale: float) -> torch.Tensor:
    """The published steps written out: the keys of block 11 [tokens, heads x channels]."""

    def linear(x: torch.Tensor, name: str) -> torch.Tensor:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        return F.layer_norm(x, (WIDTH,), weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)

    picture = torch.tensor(pixels).permute(2, 0, 1)[None].float() / 255 * scale
    picture = F.interpolate(picture, (224, 224), mode="bilinear")
    picture = (picture - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
    patches = F.conv2d(picture, weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"], stride=PATCH)
    x = torch.cat([weights["cls_token"], patches.flatten(2).mT], 1) + weights["pos_embed"]
    for block in range(DEPTH):
        qkv = linear(norm(x, f"blocks.{block}.norm1"), f"blocks.{block}.attn.qkv")
        q, k, v = qkv.reshape(17, 3, WIDTH // 64, 64).permute(1, 2, 0, 3)
        attended = (q @ k.mT / 8).softmax(-1) @ v
        x = x + linear(attended.permute(1, 0, 2).reshape(1, 17, WIDTH), f"blocks.{block}.attn.proj")
        hidden = F.gelu(linear(norm(x, f"blocks.{block}.norm2"), f"blocks.{block}.mlp.fc1"))
        x = x + linear(hidden, f"blocks.{block}.mlp.fc2")
    return k.transpose(0, 1).reshape(17, WIDTH)


@pytest.mark.parametrize("scale", [PUBLISHED_SCALE, CORRECT_SCALE])
def test_structure_is_the_self_similarity_of_the_last_keys(dino, two_pictures, tmp_path, scale):
    structure, name = load_structure(dino, CPU)
    assert "not the published network" in name
    structure.network.save_pretrained(tmp_path / "folder")
    again, _ = load_structure(tmp_path / "folder", CPU)
    picture = torch.tensor(two_pictures[1]).permute(2, 0, 1)[None].float() / 255
    keys = keys_by_hand(torch.load(dino, weights_only=True), two_pictures[1], scale)
    norms = keys.norm(dim=1, keepdim=True)
    for network in (structure, again):
        torch.testing.assert_close(network(picture, scale), keys @ keys.T / (norms @ norms.T), rtol=0, atol=2e-5)


def test_structure_distance_as_published_and_as_meant(dino, two_pictures):
    source, edited, mask = two_pictures
    found = Reference(source, mask, "", Networks(dino=load_structure(dino, CPU)[0])).measure(edited)
    weights = torch.load(dino, weights_only=True)
    for name, scale in (("structure", PUBLISHED_SCALE), ("structure_scaled", CORRECT_SCALE)):
        ours, theirs = (F.normalize(keys_by_hand(weights, pixels, scale), dim=1) for pixels in (source, edited))
        assert found[name] == pytest.approx(float(F.mse_loss(ours @ ours.T, theirs @ theirs.T)), rel=1e-2)
    assert found["structure"] != pytest.approx(found["structure_scaled"], rel=0.1)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny CLIP with random weights, in transformers' layout."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    folder = tmp_path_factory.mktemp("clip")
    words = tiny_diffusion.tokenizer(folder / "words")
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ids = {"bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id, "pad_token_id": words.eos_token_id}
    text = {**small, "vocab_size": len(words), "max_position_embeddings": 77, **ids}
    vision = {**small, "image_size": 32, "patch_size": 8}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    tiny_diffusion.seeded(lambda: CLIPModel(config)).save_pretrained(folder)
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(processor, words).save_pretrained(folder)
    return folder


def test_clip_score_is_a_hundred_cosines_and_no_less_than_0(clip, two_pictures):
    score, name = load_clip(clip, CPU)
    pixels, text = two_pictures[0], "a photo of the red cat"
    inputs = score.processor(text=[text], images=Image.fromarray(pixels), return_tensors="pt")
    with torch.no_grad():
        out = score.network(**inputs)
    cosine = float((out.image_embeds * out.text_embeds).sum())
    values = [score(pixels, text)]
    with torch.no_grad():
        score.network.text_projection.weight.neg_()
    values.append(score(pixels, text))
    assert values == pytest.approx([max(100 * cosine, 0), max(-100 * cosine, 0)], abs=1e-3)
    assert max(values) > 0.1 and "not the published network" in name
    long = [score(pixels, "cat " * 75 + "dog " * more) for more in (0, 30)]
    assert all(map(math.isfinite, long))


def test_clip_columns_are_of_the_whole_and_of_the_edited_region(clip, two_pictures):
    source, edited, mask = two_pictures
    score, _ = load_clip(clip, CPU)
    with torch.no_grad():
        score.network.text_projection.weight.copy_(score.network.text_projection.weight.abs())
        score.network.visual_projection.weight.copy_(score.network.visual_projection.weight.abs())
    found = Reference(source, mask, "a red hat", Networks(clip=score)).measure(edited)
    assert found["clip_whole"] == score(edited, "a red hat")
    assert found["clip_edited"] == score(np.uint8(edited * mask[..., None].astype(float)), "a red hat")


def test_a_wrong_network_file_is_refused(tmp_path, squeezenet, dino):
    for load, path in (
        (load_lpips, dino),
        (load_structure, squeezenet),
        (load_clip, tmp_path),
        (load_structure, tmp_path),
    ):
        with pytest.raises(UserError, match=str(path)):
            load(path, CPU)
    with pytest.raises(UserError, match="There is no file"):
        load_structure(tmp_path / "nothing.pth", CPU)
    (tmp_path / "text.pth").write_text("weights?")
    with pytest.raises(UserError, match="cannot be read as weights"):
        load_lpips(tmp_path / "text.pth", CPU)


# Runs


@pytest.fixture(scope="module")
def studio():
    return load_toybox()


@pytest.fixture
def bench(data, studio, monkeypatch, tmp_path, capsys):
    """Runs the command on the data with few steps, and returns its code, output and errors."""
    monkeypatch.setattr(pie_run, "load_studio", lambda *_, **__: studio)

    def call(*arguments: object, steps: int = 2, out: str = "out") -> tuple[int, str, str]:
        given = ["--data", data, "--out", tmp_path / out, "--steps", steps, "--device", "cpu", *arguments]
        try:
            code = pie_run.main("", [str(argument) for argument in given])
        except SystemExit as exit:
            code = int(exit.code or 0)
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def quick(monkeypatch):
    """SSIM, which takes most of a row's time, without its windows."""

    def ssim(picture: torch.Tensor, other: torch.Tensor, **_: object) -> tuple[torch.Tensor, torch.Tensor]:
        by_pixel = 1 - (picture - other).abs()
        return by_pixel.mean(), by_pixel

    monkeypatch.setattr(metrics, "structural_similarity_index_measure", ssim)


def rows_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()[1:]]


@needs_toybox
def test_a_run_with_all_networks(bench, tmp_path, data, dino, squeezenet, clip):
    sweep = ["--strength", 0.5, "--vary", "both", "--categories", 0, 2]
    code, out, err = bench(*sweep, "--dino", dino, "--lpips", squeezenet, "--clip", clip, "--use-mask")
    assert code == 0, err
    rows, entries = rows_of(tmp_path / "out"), read_data(data).entries
    assert [(row["key"], row["setting"]) for row in rows] == [(entries[n].key, "both 0.5") for n in (0, 2)]
    first, whole = rows
    assert (first["strength"], first["cross"], first["self_attention"]) == (0.5, 0.5, 0.5)
    assert first["evaluations"] == 2 + 3, "two steps of inversion; one edited step of direct + Prompt-to-Prompt"
    assert first["mask_used"] and first["resized"] == [512, 128] and len(first["blended"]) == 2
    for kind in ("edited", "pasted", "ceiling"):
        assert set(first[kind]) == {*PUBLISHED, *CORRECTED} and None not in first[kind].values()
    assert first["pasted"]["psnr"] == "inf" and first["pasted"]["mse"] == 0
    assert first["edited"]["psnr"] < 60 and 20 < first["ceiling"]["psnr"] < 60
    assert whole["background_share"] == 0 and whole["edited"]["lpips"] == whole["edited"]["psnr"] == "nan"
    edited = np.asarray(Image.open(tmp_path / "out" / first["picture"]))
    found = Reference(read_data(data).picture(entries[0]), with_border(decode(entries[0].runs)), "").measure(edited)
    assert found["psnr"] == first["edited"]["psnr"], "the figures are of the picture that was written"
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert "with the benchmark's mask" in summary["title"] and "absent" not in out and summary["strength"]
    means = summary["means"][0]["means"]["psnr"]
    assert means == {"mean": first["edited"]["psnr"], "rows": 1} and "(of 1)" in out
    assert "| 0, 2 | 2 |" in out


@needs_toybox
def test_an_interrupted_run_ends_as_an_uninterrupted_one(bench, quick, tmp_path, monkeypatch):
    sweep = ["--categories", 0, 9, "--strength", 0.5, 1, "--attention", "none"]
    code, out, _ = bench(*sweep)
    assert code == 0 and len(rows_of(tmp_path / "out")) == 4
    keep = Results.add

    def stop_at_the_fourth(results: Results, row: dict) -> None:
        if len(results.rows) == 3:
            with results.path.open("ab") as file:
                file.write(json.dumps(row).encode()[:99])
            raise KeyboardInterrupt
        keep(results, row)

    monkeypatch.setattr(Results, "add", stop_at_the_fourth)
    code, _, err = bench(*sweep, out="again")
    assert code == 130 and "goes on" in err
    monkeypatch.setattr(Results, "add", keep)
    code, continued, err = bench(*sweep, out="again")
    assert code == 0 and "cut off" in err and continued == out
    for name in ("results.jsonl", "summary.json"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    monkeypatch.setattr(pie_run, "edit_and_measure", None)
    assert bench(*sweep, out="again")[0] == 0, "nothing is left to do"
    code, fewer, _ = bench(*sweep, "--categories", 9, out="again")
    assert code == 0 and "| 9 | 1 |" in fewer and "| 0 | 1 |" in out and "| 0 | 1 |" not in fewer


@needs_toybox
def test_other_settings_are_refused_and_missing_networks_named(bench, quick, tmp_path):
    code, out, _ = bench("--limit", 1, "--attention", "none")
    assert code == 0 and "first 1 pictures" in out and "without any mask" in out
    for option in ("--dino", "--lpips", "--clip"):
        assert option in out
    assert "absent |" in out and rows_of(tmp_path / "out")[0]["edited"]["structure"] is None
    assert not rows_of(tmp_path / "out")[0]["mask_used"]
    assert set(json.loads((tmp_path / "out" / "summary.json").read_text())["absent"]) == {"dino", "lpips", "clip"}
    before = (tmp_path / "out" / "results.jsonl").read_bytes()
    for other, told in ((["--guidance", 5], "guidance: 7.5 there, 5.0 now"), (["--use-mask"], "use_mask: False there")):
        code, _, err = bench("--limit", 1, "--attention", "none", *other)
        assert code == 2 and "other settings" in err and told in err
    assert (tmp_path / "out" / "results.jsonl").read_bytes() == before
    (tmp_path / "out" / "results.jsonl").write_text("hello\n")
    code, _, err = bench("--limit", 1, "--attention", "none")
    assert code == 2 and "no file of this benchmark's rows" in err


def test_a_folder_in_diffusers_format_is_edited(bench, quick, tmp_path, monkeypatch):
    folder = tiny_diffusion.write_pipeline(tmp_path / "model")
    monkeypatch.setattr(pie_run, "load_studio", load_studio)
    code, out, err = bench("--model", folder, "--method", "null-text", "--limit", 1, steps=1)
    assert code == 0 and "null-text with Prompt-to-Prompt without any mask" in out, err
    row = rows_of(tmp_path / "out")[0]
    assert row["setting"] == "as set" and (row["strength"], row["cross"], row["self_attention"]) == (1, 0.4, 0.6)


@needs_toybox
def test_the_mask_keeps_the_edit_inside_when_it_is_used(bench, quick, tmp_path):
    keys = ["--categories", 9, "--attention", "none", "--method", "direct"]
    for out, options in (("free", []), ("held", ["--use-mask"])):
        assert bench(*keys, *options, out=out)[0] == 0
    free, held = (rows_of(tmp_path / out)[0] for out in ("free", "held"))
    assert held["edited"]["psnr_background"] > free["edited"]["psnr_background"] + 1
    assert held["ceiling"] == free["ceiling"]


def test_faulty_requests_cost_one_sentence(bench):
    assert bench("--vary", "attention", "--strength", 0.5, "--attention", "none")[2].count("\n") == 1
    assert bench("--strength", 1.5)[0] == bench("--limit", 0)[0] == bench("--method", "magic")[0] == 2


def test_what_a_sweep_moves():
    recipe = Recipe("direct", 512, strength=0.9)

    def moved(*setting: object) -> tuple[float, float, float]:
        there = recipe.at(Setting(*setting))
        return there.strength, there.cross, there.self_attention

    assert moved() == (0.9, 0.4, 0.6) and moved("start", 0.25) == (0.25, 0.4, 0.6)
    assert moved("attention", 0.25) == (0.9, 0.75, 0.75) and moved("both", 0.25) == (0.25, 0.75, 0.75)


def test_sets_of_categories_are_named():
    assert [name_of(one) for one in sets_of(range(10))] == ["0..9", "0..8"]
    assert [name_of(one) for one in sets_of({0, 2, 9})] == ["0, 2, 9", "0, 2"]
    assert [name_of(one) for one in sets_of({9})] == ["9"] and name_of({3, 4, 5}) == "3..5"


def test_the_script_explains_itself(capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["pie_bench", "--help"])
    with pytest.raises(SystemExit) as exit:
        runpy.run_path(str(Path(pie_run.__file__).parent.parent / "pie_bench.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert exit.value.code == 0 and "results.jsonl" in out and "round((1 - s) N)" in out
