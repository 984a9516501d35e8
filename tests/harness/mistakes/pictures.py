"""Pictures, masks and latents on their way in and out."""

from .bench import before, late

PICTURES = [
    late("a picture with NaN", lambda b: b.encode(image=b.tensor("1,64,64,3", "nan")), "image", "3 values", "NaN"),
    late("a picture with infinity", lambda b: b.encode(image=b.tensor("1,64,64,3", "infinity")), "image", "3 values"),
    late("no pictures", lambda b: b.encode(image=b.tensor("0,64,64,3")), "no image", "(0, 64, 64, 3)"),
    late("a picture of no height", lambda b: b.encode(image=b.tensor("1,0,64,3")), "no image", "(1, 0, 64, 3)"),
    late(
        "a latent of three dimensions",
        lambda b: b.add("InversionDecode", latent=b.tensor("4,16,16")[2], vae=b.vae),
        "'latent'",
        "(4, 16, 16)",
        "height",
    ),
    late(
        "a latent of no height",
        lambda b: b.add("InversionDecode", latent=b.tensor("1,4,0,16")[2], vae=b.vae),
        "(1, 4, 0, 16)",
        "side of 0",
    ),
    late("a picture of two channels", lambda b: b.encode(image=b.tensor("1,64,64,2")), "2 channels", "3"),
    late(
        "a mask of another size",
        lambda b: b.encode(mask=b.mask(width=30, height=20)),
        "30 x 20",
        "128 x 128",
        "resize",
    ),
    late("an unpainted mask of LoadImage", lambda b: b.encode(mask=b.mask(0.0, 64, 64)), "64 x 64", "empty", "aint"),
    late("three masks for one picture", lambda b: b.encode(mask=b.tensor("3,128,128")[1]), "3 masks", "1 image"),
    late("a mask with NaN", lambda b: b.encode(mask=b.tensor("1,128,128", "nan")[1]), "mask", "3 values", "NaN"),
    late("an empty mask", lambda b: b.encode(mask=b.mask(0.0)), "'mask' is empty", "aint"),
    late("no VAE in the checkpoint", lambda b: b.encode(vae=b.add("TestNothing")[2]), "no VAE", "vae"),
    late("an empty mask at the sampler", lambda b: b.sample(mask=b.mask(0.0)), "'mask' is empty"),
    late("a mask of another size at the sampler", lambda b: b.sample(mask=b.mask(1.0, 64, 96)), "64 x 96", "128 x 128"),
    late("a mask with NaN at the sampler", lambda b: b.sample(mask=b.tensor("1,128,128", "nan")[1]), "mask", "NaN"),
    late("two masks for one picture", lambda b: b.sample(mask=b.tensor("2,128,128")[1]), "2 masks", "1 image"),
    before(
        "an original without a mask",
        lambda b: b.add("InversionDecode", latent=b.latent, vae=b.vae, original=b.scene),
        "original",
        "mask",
        "Connect",
    ),
    late(
        "an original of another size",
        lambda b: b.add(
            "InversionDecode", latent=b.latent, vae=b.vae, original=b.tensor("1,64,96,3"), mask=b.mask(1.0, 96, 64)
        ),
        "original is 96 x 64",
        "128 x 128",
    ),
    late(
        "two originals for three pictures",
        lambda b: b.add(
            "InversionDecode",
            latent=b.tensor("3,16,8,8")[2],
            vae=b.vae,
            original=b.tensor("2,64,64,3"),
            mask=b.mask(1.0, 64, 64),
        ),
        "2 images",
        "3 images",
    ),
    late(
        "the VAE of another kind of model",
        lambda b: b.add("InversionDecode", latent=b.tensor("1,4,8,8")[2], vae=b.vae),
        "4 channels",
        "16",
        "VAE",
    ),
    late(
        "no VAE to decode with",
        lambda b: b.add("InversionDecode", latent=b.latent, vae=b.add("TestNothing")[2]),
        "no VAE",
    ),
    late(
        "a latent with NaN to decode",
        lambda b: b.add("InversionDecode", latent=b.tensor("1,16,8,8", "nan")[2], vae=b.vae),
        "latent",
        "3 values",
        "NaN",
    ),
]
