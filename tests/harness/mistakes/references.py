"""References, reports, views and the toybox."""

from .bench import Bench, before, choice, late


def shown_already(bench: Bench) -> str:
    """A change that the portrait of seed 23 has without it: it is by day or by night."""
    return "time: day"


REFERENCES = [
    late(
        "a style on another grid",
        lambda b: b.with_edit(b.style(style=b.portrait(steps=1))),
        "1 step from",
        "2 steps from",
        "same noise levels",
    ),
    late(
        "a style of another model",
        lambda b: b.with_edit(b.style(style=b.inverted_of("sd15"))),
        "style",
        "another model",
    ),
    late("an empty garment", lambda b: b.garment(garment_mask=b.mask(0.0)), "garment_mask", "empty"),
    late("an empty region", lambda b: b.garment(region=b.mask(0.0)), "region", "empty"),
    late("a region of another size", lambda b: b.with_edit(b.garment(region=b.mask(1.0, 96, 64))), "96 x 64", "128"),
    late(
        "a garment on another grid",
        lambda b: b.with_edit(b.garment(garment=b.portrait(steps=1))),
        "1 step from",
        "same noise levels",
    ),
    late(
        "an empty garment to place",
        lambda b: b.add("InversionGarmentPlace", garment=b.scene, garment_mask=b.mask(0.0), region=b.mask()),
        "garment_mask",
        "empty",
    ),
    late(
        "a garment's mask of another size",
        lambda b: b.add("InversionGarmentPlace", garment=b.scene, garment_mask=b.mask(1.0, 64, 64), region=b.mask()),
        "64 x 64",
        "128 x 128",
    ),
    late(
        "two garments and three regions",
        lambda b: b.add(
            "InversionGarmentPlace",
            garment=b.tensor("2,64,64,3"),
            garment_mask=b.mask(1.0, 64, 64),
            region=b.tensor("3,64,64")[1],
        ),
        "2 garments",
        "3 regions",
    ),
    late(
        "a garment with NaN",
        lambda b: b.add(
            "InversionGarmentPlace", garment=b.tensor("1,128,128,3", "nan"), garment_mask=b.mask(), region=b.mask()
        ),
        "3 values",
        "NaN",
    ),
    late(
        "a video model's trajectory for Video Edit",
        lambda b: b.edited_of("wan", "InversionVideoEdit"),
        "video model",
        "Inversion Edit Sampler",
    ),
    before(
        "windows that hold no key frames",
        lambda b: b.by("InversionVideoEdit", spacing=8, window=4),
        "spacing",
        "8",
        "window",
        "4",
    ),
    late(
        "a clip with prompts for its frames",
        lambda b: b.by("InversionVideoEdit", target=b.odd_prompt("3,32,128")),
        "one prompt",
        "3",
    ),
    late(
        "masks for another number of frames",
        lambda b: b.by(
            "InversionVideoEdit",
            trajectory=b.invert(latent=b.encode(image=b.clip_of(3))),
            mask=b.tensor("2,128,128")[1],
        ),
        "2 masks",
        "3 images",
    ),
    late(
        "a clip of another length to report on",
        lambda b: b.add(
            "InversionReport",
            original=b.clip_of(3),
            reconstruction=b.clip_of(2),
            trajectory=b.inverted,
        ),
        "3 of 128 x 128",
        "2 of 128 x 128",
    ),
    late(
        "a portrait that shows the change already",
        lambda b: b.add("InversionToyboxScene", seed=23, change=shown_already(b)),
        "already shows",
        "seed 23",
    ),
    choice(
        "a change that the toybox has not", lambda b: b.add("InversionToyboxScene", change="hat: top"), "'hat: top'"
    ),
    before("a negative seed", lambda b: b.add("InversionToyboxScene", seed=-1), "-1", "0"),
    late(
        "an edit mask of another model",
        lambda b: b.add(
            "InversionEditMask",
            model=b.family("sd15")[0],
            trajectory=b.inverted,
            source=b.source,
            target=b.target,
        ),
        "another model",
    ),
    late(
        "an edit mask of one prompt",
        lambda b: b.add(
            "InversionEditMask",
            model=b.model,
            trajectory=b.inverted,
            source=b.source,
            target=b.source,
            method="Uni-Edit",
        ),
        "source",
        "target",
        "no difference",
    ),
    late("edges of a picture with NaN", lambda b: b.add("InversionEdges", image=b.tensor("1,64,64,3", "nan")), "NaN"),
    late("no VAE to view a trajectory with", lambda b: b.strip(vae=b.add("TestNothing")[2]), "no VAE"),
    late(
        "a trajectory viewed with another VAE",
        lambda b: b.strip(trajectory=b.inverted_of("sd15")),
        "4 channels",
        "Connect the VAE",
    ),
    late("a level that the trajectory has not", lambda b: b.strip(index=7), "1 image", "7"),
    late(
        "pictures of other shapes before and after",
        lambda b: b.before_after(after=b.tensor("1,64,192,3")),
        "128 x 128",
        "192 x 64",
    ),
    late(
        "two pictures before and three after",
        lambda b: b.before_after(before=b.tensor("2,64,64,3"), after=b.tensor("3,64,64,3")),
        "2 images",
        "3 after",
    ),
    late("an edit with NaN", lambda b: b.before_after(after=b.tensor("1,128,128,3", "nan")), "3 values", "NaN"),
    late(
        "a mask of another size before and after",
        lambda b: b.before_after(mask=b.mask(1.0, 96, 64)),
        "96 x 64",
        "128 x 128",
    ),
    late("an empty foreground", lambda b: b.add("InversionMutualAttention", source_mask=b.mask(0.0)), "'source_mask'"),
]
