"""Inversions."""

from .bench import before, choice, late

INVERSIONS = [
    late("a latent with NaN", lambda b: b.invert(latent=b.tensor("1,16,8,8", "nan")[2]), "latent", "3 values"),
    late("a latent with infinity", lambda b: b.invert(latent=b.tensor("1,16,8,8", "infinity")[2]), "3 values"),
    late("a latent of four channels", lambda b: b.invert(latent=b.tensor("1,4,8,8")[2]), "4 channels", "16", "VAE"),
    late("a latent of video", lambda b: b.invert(latent=b.tensor("1,16,3,8,8")[2]), "(1, 16, 3, 8, 8)", "VAE"),
    late("no latent", lambda b: b.invert(latent=b.add("TestNothing")[4]), "no latent"),
    late(
        "a latent that was turned after encoding",
        lambda b: b.invert(
            latent=b.add("LatentRotate", samples=b.encode(image=b.tensor("1,100,72,3")), rotation="90 degrees")
        ),
        "16 x 16",
        "rotated",
        "before encoding",
    ),
    late(
        "a latent of three dimensions to invert",
        lambda b: b.invert(latent=b.tensor("16,16,16")[2]),
        "'latent'",
        "(16, 16, 16)",
        "batch",
    ),
    late("no model", lambda b: b.invert(model=b.add("TestNothing")[0]), "no model", "'model'"),
    late(
        "no model for a clip",
        lambda b: b.add("InversionVideoInvert", model=b.add("TestNothing")[0], latent=b.latent, source=b.source),
        "no model",
    ),
    late("no model for null text", lambda b: b.null_text(model=b.add("TestNothing")[0]), "no model"),
    late(
        "an area outside the latent",
        lambda b: b.invert(
            source=b.add("ConditioningSetArea", conditioning=b.source, width=64, height=64, x=128, y=0, strength=1.0)
        ),
        "'source'",
        "column 16",
        "outside",
    ),
    late(
        "a prompt without pooled output",
        lambda b: b.inverted_of("sd3", source=b.family("qwen")[1]),
        "'source'",
        "pooled output",
        "CLIP",
    ),
    late(
        "a picture that is too large for the model",
        lambda b: b.invert(
            model=b.add("InversionToyboxLoader", model="DiT (rectified flow)")[0],
            latent=b.encode(image=b.tensor("1,129,100,3")),
        ),
        "128 x 192",
        "at most 128 x 128",
        "Scale the image down",
    ),
    late("no prompt", lambda b: b.invert(source=b.add("TestNothing")[3]), "'source'", "conditioning", "empty"),
    late("an empty prompt list", lambda b: b.invert(source=b.odd_prompt()), "'source'", "conditioning", "empty"),
    late(
        "the prompt of another text encoder",
        lambda b: b.invert(source=b.odd_prompt("1,77,768")),
        "'source'",
        "768",
        "text encoder",
    ),
    late(
        "three prompts for one picture",
        lambda b: b.invert(source=b.odd_prompt("3,32,128")),
        "'source'",
        "3",
        "1 image",
    ),
    late(
        "the prompt of another family",
        lambda b: b.inverted_of("wan", source=b.source),
        "'source'",
        "text encoder",
    ),
    before("guidance without a negative prompt", lambda b: b.invert(guidance=4.0), "4", "negative"),
    before("too much guidance", lambda b: b.invert(guidance=31.0, negative=b.negative), "31", "30"),
    before("no steps", lambda b: b.invert(steps=0), "0", "min", "1"),
    before("too many steps", lambda b: b.invert(steps=1001), "1001", "1000"),
    choice("a method that does not exist", lambda b: b.invert(method="magic"), "'magic'", "method"),
    choice("a scheduler that does not exist", lambda b: b.invert(scheduler="fast"), "'fast'"),
    before("a seed out of range", lambda b: b.other_inversion("InversionRFInvert", seed=-1), "-1", "0"),
    late(
        "a scheduler that does not fall at every step",
        lambda b: b.invert(scheduler="kl_optimal", steps=1),
        "'kl_optimal'",
        "1 step",
        "another scheduler",
    ),
    late(
        "a model that samples otherwise",
        lambda b: b.invert(model=b.add("ModelSamplingContinuousEDM", model=b.model, sampling="edm")),
        "EDM",
        "inversion supports only",
    ),
    late(
        "the inverted noise for a latent of another size",
        lambda b: b.add(
            "SamplerCustomAdvanced",
            noise=b.inverted[3],
            guider=b.add("BasicGuider", model=b.model, conditioning=b.source),
            sampler=b.add("KSamplerSelect", sampler_name="euler"),
            sigmas=b.inverted[2],
            latent_image=b.tensor("1,16,8,8")[2],
        ),
        "(1, 16, 16, 16)",
        "(1, 16, 8, 8)",
    ),
    late(
        "null text on a distilled model",
        lambda b: b.add(
            "InversionNullTextOptimize",
            model=b.family("flux")[0],
            trajectory=b.inverted_of("flux"),
            source=b.family("flux")[1],
            empty=b.family("flux")[2],
        ),
        "unconditional",
        "direct",
    ),
    late(
        "null text on a trajectory of Heun's",
        lambda b: b.null_text(trajectory=b.invert(method="heun")),
        "'heun'",
        "'ddim'",
    ),
    before("null text without guidance", lambda b: b.null_text(guidance=1.0), "1.0", "1.1"),
    late(
        "null text of combined prompts",
        lambda b: b.null_text(empty=b.add("ConditioningCombine", conditioning_1=b.negative, conditioning_2=b.source)),
        "2 parts",
        "plain text prompt",
    ),
    late("no text encoder", lambda b: b.edit(clip=b.add("TestNothing")[1]), "no text encoder"),
]
