"""What `--help` teaches."""

INTRODUCTION = """\
Invert a real image into the noise that a diffusion model would have made it from, check the reconstruction,
and edit the image by changing the prompt.

  demo     edit six images of the embedded toybox world and compare with the truth; needs nothing
  invert   image -> trajectory file (.safetensors), and the reconstructed image
  edit     image + old and new prompt -> edited image
  style    image + the name or an image of a style -> restyled image
  try-on   person + garment -> the person in the garment
  video    clip + old and new prompt -> edited clip
  look     where in the image each word of the prompt draws attention, and masks of words
  compare  every method that fits the model on one image, side by side
  report   how well the model can represent and retrace the image, and what to try if it cannot
"""
EXAMPLES = """\
examples:
  latent-inversion demo
  latent-inversion report cat.jpg --model ~/models/stable-diffusion-v1-5 --prompt "a cat on a sofa"
  latent-inversion edit cat.jpg --model ~/models/stable-diffusion-v1-5 \\
      --source "a cat on a sofa" --target "a dog on a sofa" --words cat dog
"""
MODEL = """\
'toybox' (the tiny embedded model, which knows 128 x 128 portraits of cartoon animals), 'toybox-flow' (a rectified-flow
transformer of that world), or the folder of a Stable Diffusion 1, 2, XL or 3 or Flux model in diffusers' format, the
one with model_index.json (default: %(default)s)"""
GUIDANCE = "7.5; 7 for Stable Diffusion 3, 3.5 for Flux, 1 with --few-steps except for FLUX.1-dev"
STEPS = "50; with --few-steps 4, 8 on transformers"
EDIT = """\
Edit an image by changing the prompt. Words that both prompts share keep their places in the image;
new words take effect. --words or --mask keep the edit to a region.

methods:
  direct           the source stays on the recorded trajectory: exact, fast, the best default
  null-text        optimises the empty prompt so that guidance retraces the source: slow, the classic
  negative-prompt  the source prompt as negative prompt: fast, close to null-text
  ddim             no repair: shows what the other methods are for
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
Edit an image with every method that fits the model, each with its published settings for this kind of
model. Leaves one image per method, one sheet of them all, and the figures: network evaluations, seconds, how well the
method kept the source (PSNR of the source branch), and how far the edit went from the image.
"""
COMPARE_EXAMPLES = """\
example:
  latent-inversion compare cat.jpg --model DIR --source "a cat on a sofa" --target "a dog on a sofa"
"""
LOOK = """\
Show where in an image each word of the prompt draws attention: the image is inverted, and attention is read along
the trajectory. Leaves words.png, every word's map over the image, and one mask per word for `edit --mask` or any other
program, white in the region of the word.
"""
LOOK_EXAMPLES = """\
examples:
  latent-inversion look cat.jpg --model DIR --prompt "a cat on a sofa"
  a mask of the cat, then another animal inside it:
    latent-inversion look cat.jpg --model DIR --prompt "a cat on a sofa" --words cat --softness 0.3 --out masks
    latent-inversion edit cat.jpg --model DIR --source "a cat on a sofa" --target "a dog on a sofa" --mask masks/01-cat.png
"""
