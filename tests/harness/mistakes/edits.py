"""Edits of a trajectory."""

from .bench import before, late

EDITS = [
    late(
        "another checkpoint than the trajectory's",
        lambda b: b.sample(model=b.family("sd15")[0]),
        "another model",
        "fingerprint",
        "invert the image again",
    ),
    late(
        "another LoRA than the trajectory's",
        lambda b: b.edited_of("sd15", model=b.add("TestLora", model=b.family("sd15")[0])),
        "another model",
        "LoRAs",
    ),
    late(
        "the source prompt as unconditional on a distilled model",
        lambda b: b.edited_of("flux", unconditional="source prompt", guidance=1.0),
        "negative-prompt inversion",
        "direct",
    ),
    late(
        "a method of unconditional prompts on a distilled model",
        lambda b: b.edited_of("flux", "InversionGuidanceEdit", method="negative-prompt"),
        "unconditional",
        "direct",
    ),
    late(
        "a UNet's method on a transformer",
        lambda b: b.edited_of("sd3", "InversionExactEdit", method="EDICT"),
        "EDICT",
        "Exact Invert",
    ),
    late(
        "a DDIM trajectory for a stochastic edit",
        lambda b: b.by("InversionStochasticEdit"),
        "edit-friendly DDPM",
        "Stochastic Invert",
        "ddim",
    ),
    late(
        "a DDIM trajectory for an exact edit",
        lambda b: b.by("InversionExactEdit"),
        "Exact Invert",
        "ddim",
    ),
    late(
        "another exact method's trajectory",
        lambda b: b.by("InversionExactEdit", method="BDIA", trajectory=b.other_inversion("InversionExactInvert")),
        "BDIA",
        "EDICT",
        "Exact Invert",
    ),
    late(
        "an exact edit under other guidance",
        lambda b: b.by(
            "InversionExactEdit",
            settings="as set below",
            source_guidance=3.0,
            trajectory=b.other_inversion("InversionExactInvert"),
        ),
        "EDICT",
        "guidance",
        "3",
        "1",
    ),
    late(
        "null text for another guidance",
        lambda b: b.sample(null_text=b.null_text(guidance=5.0), guidance=7.5),
        "guidance 5",
        "7.5",
    ),
    late(
        "null text of another grid",
        lambda b: b.sample(null_text=b.null_text(trajectory=b.invert(steps=1)), guidance=7.5),
        "1 step",
        "trajectory has 2",
    ),
    late(
        "null text and the source prompt as unconditional",
        lambda b: b.sample(null_text=b.null_text(), unconditional="source prompt", guidance=7.5),
        "negative prompt",
        "unconditional",
    ),
    before("guidance below one", lambda b: b.sample(guidance=0.5), "0.5", "1"),
    late("no target prompt", lambda b: b.sample(target=b.odd_prompt()), "'target'", "empty"),
    late(
        "a target prompt of another text encoder",
        lambda b: b.sample(target=b.odd_prompt("1,77,768")),
        "'target'",
        "768",
    ),
    late(
        "three prompts for a trajectory of two",
        lambda b: b.edited_of("sd3", target=b.odd_prompt("3,6,32")),
        "'target'",
        "3",
        "2 images",
    ),
    late(
        "a latent with NaN to edit",
        lambda b: b.add(
            "InversionFreeEdit",
            model=b.family("sd3")[0],
            latent=b.tensor("1,16,8,12", "nan")[2],
            source=b.family("sd3")[1],
            target=b.family("sd3")[2],
            negative=b.family("sd3")[2],
            steps=2,
        ),
        "latent",
        "3 values",
    ),
    before(
        "a method to compare that does not exist",
        lambda b: b.add(
            "InversionCompare", model=b.model, vae=b.vae, image=b.scene, methods="direct, magic", **b.words
        ),
        "'magic'",
        "direct",
    ),
    late(
        "pictures of other sizes to report on",
        lambda b: b.add(
            "InversionReport", original=b.scene, reconstruction=b.tensor("1,64,96,3"), trajectory=b.inverted
        ),
        "128 x 128",
        "96 x 64",
    ),
    before(
        "half a pair to report on",
        lambda b: b.add(
            "InversionReport",
            original=b.scene,
            reconstruction=b.scene,
            trajectory=b.inverted,
            reconstruction_3=b.scene,
        ),
        "reconstruction_3",
        "trajectory_3",
    ),
    late(
        "another picture than the trajectory's to report on",
        lambda b: b.add(
            "InversionReport",
            original=b.tensor("1,64,96,3"),
            reconstruction=b.tensor("1,64,96,3"),
            trajectory=b.inverted,
            vae=b.vae,
        ),
        "96 x 64",
        "128 x 128",
    ),
]
