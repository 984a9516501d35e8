"""What `--help` teaches."""

INTRODUCTION = """\
Invert a real picture into the noise that a diffusion model would have made it from, check that it comes back,
and edit it by changing its description.

  demo     edit six pictures of the embedded toybox world and compare with the truth; needs nothing
  invert   picture -> trajectory file (.safetensors), and the picture that it gives back
  edit     picture + old and new description -> edited picture
  style    picture + the name or a picture of a style -> restyled picture
  try-on   person + garment -> the person in the garment
  video    clip + old and new description -> edited clip
  look     where in the picture each word of its description draws attention, and masks of words
  compare  every method that fits the model on one picture, side by side
  report   how well the model can hold and retrace the picture, and what to try if it cannot
"""
EXAMPLES = """\
examples:
  latent-inversion demo
  latent-inversion report cat.jpg --model ~/models/stable-diffusion-v1-5 --prompt "a cat on a sofa"
  latent-inversion edit cat.jpg --model ~/models/stable-diffusion-v1-5 \\
      --source "a cat on a sofa" --target "a dog on a sofa" --words cat dog
"""
MODEL = """\
'toybox' (the tiny embedded model, which knows 128 x 128 portraits of cartoon animals), 'toybox-flow' (the same as a
rectified-flow transformer), or the folder of a Stable Diffusion 1, 2, XL or 3 or Flux model in diffusers' format, the
one with model_index.json (default: %(default)s)"""
GUIDANCE = "7.5; 7 for Stable Diffusion 3, 3.5 for Flux, 1 with --few-steps except for FLUX.1-dev"
STEPS = "50; with --few-steps 4, 8 on transformers"
EDIT = """\
Edit a picture by changing its description. Words that both descriptions share keep their places in the picture;
the new words take effect. --words or --mask keep the edit to a region.

methods:
  direct           the source stays on the recorded trajectory: exact, fast, the best default
  null-text        optimises the empty prompt so that guidance retraces the source: slow, the classic
  negative-prompt  the source description as negative prompt: fast, close to null-text
  ddim             no repair: shows what the others are for
"""
EDIT_EXAMPLES = """\
examples:
  put on glasses, and change nothing else (the toybox model):
    latent-inversion edit cat.png --source "a photo of a white cat in a plain red shirt, in the snow at day" \\
        --target "a photo of a white cat wearing blue glasses in a plain red shirt, in the snow at day" --words glasses
  a stronger new word, more freedom for the shape:
    latent-inversion edit room.jpg --model DIR --source "a wooden chair" --target "a glass chair" \\
        --weights glass=2 --cross 0.3 --self 0.3
  only inside a mask (white = may change); outside it every pixel stays as it was:
    latent-inversion edit face.png --model DIR --source "black hair" --target "red hair" --mask hair.png
  invert once, edit often:
    latent-inversion invert room.jpg --model DIR --prompt "a wooden chair" -o room.safetensors
    latent-inversion edit room.jpg --model DIR --trajectory room.safetensors --target "a glass chair"
"""
COMPARE = """\
Edit a picture with every method that fits the model, each with the settings that it was published with for this kind of
model. Leaves a picture per method, one sheet of them all, and the figures: network evaluations, seconds, how well the
method kept the source (PSNR of its source branch), and how far its edit went from the picture.
"""
COMPARE_EXAMPLES = """\
example:
  latent-inversion compare cat.jpg --model DIR --source "a cat on a sofa" --target "a dog on a sofa"
"""
LOOK = """\
Show where in a picture each word of its description draws attention: the picture is inverted, and attention is read along
its own trajectory. Leaves words.png, every word's map over the picture, and a mask a word for `edit --mask` or any other
program, white where the word's region is.
"""
LOOK_EXAMPLES = """\
examples:
  latent-inversion look cat.jpg --model DIR --prompt "a cat on a sofa"
  a mask of the cat, then another animal inside it:
    latent-inversion look cat.jpg --model DIR --prompt "a cat on a sofa" --words cat --softness 0.3 --out masks
    latent-inversion edit cat.jpg --model DIR --source "a cat on a sofa" --target "a dog on a sofa" --mask masks/01-cat.png
"""
