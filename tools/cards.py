"""Cards of templates: square, as ComfyUI's template browser shows them, with the heading of the template's note."""

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SIZE, EDGE, STRIP = 768, 40, 116
PAPER, INK, FAINT, LINE = (32, 34, 40), (240, 240, 236), (165, 168, 176), (255, 255, 255)

Pictures = Sequence[Image.Image]


def said(workflow: dict[str, Any]) -> str:
    """The heading of a template's note."""
    note = next(node for node in workflow["nodes"] if node["type"] == "MarkdownNote")
    return note["widgets_values"][0].split("\n")[0].lstrip("# ")


def pictures_card(
    workflow: dict[str, Any], before: Pictures, after: Sequence[Pictures], taken: Pictures
) -> Image.Image:
    """Before and after in one picture, side by side under dividers; `taken` is small in a corner, a batch is laid out in rows."""
    most = max(len(one) for one in after)
    if len(before) == most:
        frames = [divided([before[i], *(one[i] for one in after)]) for i in range(most)]
    else:
        frames = [divided([before[0], edit]) for edit in after[0]]
    card = grid(frames)
    for picture in taken:
        small = picture.resize((SIZE // 3, SIZE // 3), Image.Resampling.LANCZOS)
        card.paste(LINE, (SIZE - SIZE // 3 - 24, 18, SIZE - 12, SIZE // 3 + 30))
        card.paste(small, (SIZE - SIZE // 3 - 18, 24))
    shade(card, SIZE - STRIP)
    write_lines(card, SIZE - STRIP + 12, said(workflow), 42, INK, most=2)
    return card


def example_card(title: str, before: Image.Image, after: Image.Image) -> Image.Image:
    """A drawn before and after, and below them the task and the model that a title names: `Edit your photo - SDXL`."""
    card, (task, _, model) = divided([before, after]), title.partition(" - ")
    top = SIZE - 236
    shade(card, top)
    top = write_lines(card, top + 14, task, 56, INK, most=1)
    top = write_lines(card, top + 4, model, 56 if len(model) < 26 else 42, (122, 180, 240), most=1)
    write_lines(card, top + 12, "a drawn example, not this model's work", 30, FAINT, most=1)
    return card


def shade(card: Image.Image, top: int) -> None:
    """Darkens a card from `top` down, for words to be read on it."""
    strip = card.crop((0, top, SIZE, SIZE))
    card.paste(Image.blend(strip, Image.new("RGB", strip.size, PAPER), 0.82), (0, top))


def divided(pictures: Pictures) -> Image.Image:
    """Upright stripes of one place of each picture, the first leftmost, with lines between them."""
    out, wide = Image.new("RGB", (SIZE, SIZE)), SIZE / len(pictures)
    for number, picture in enumerate(pictures):
        left, right = round(number * wide), round((number + 1) * wide)
        whole = picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
        out.paste(whole.crop((left, 0, right, SIZE)), (left, 0))
        if number:
            out.paste(LINE, (left - 3, 0, left + 3, SIZE))
    return out


def grid(pictures: Pictures) -> Image.Image:
    """One picture, or up to nine of them, evenly chosen."""
    side = min(3, math.isqrt(len(pictures)))
    out, small = Image.new("RGB", (SIZE, SIZE), PAPER), SIZE // side
    for number in range(side**2):
        picture = pictures[number * len(pictures) // side**2]
        place = (number % side * small, number // side * small)
        out.paste(picture.resize((small - 4 * (side > 1),) * 2, Image.Resampling.LANCZOS), place)
    return out


def write_lines(card: Image.Image, top: int, text: str, size: int, colour: tuple[int, int, int], most: int = 4) -> int:
    """Writes `text` in lines, at most so many; gives the place below them."""
    face, lines, draw = ImageFont.load_default(size), [""], ImageDraw.Draw(card)
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if face.getlength(longer) <= SIZE - 2 * EDGE:
            lines[-1] = longer
        else:
            lines.append(word)
    for line in lines[:most]:
        draw.text((EDGE, top), line, fill=colour, font=face)
        top += round(size * 1.15)
    return top
