"""Cards of templates: square, as ComfyUI's template browser shows them, with the heading of the template's note."""

import math
from collections.abc import Sequence
from typing import Any

from PIL import Image, ImageDraw, ImageFont

SIZE, EDGE, STRIP = 768, 40, 116
PAPER, INK, FAINT, LINE = (32, 34, 40), (240, 240, 236), (165, 168, 176), (255, 255, 255)

Pictures = Sequence[Image.Image]


def said(workflow: dict[str, Any]) -> tuple[str, str]:
    """The heading and the first paragraph of a template's note."""
    note = next(node for node in workflow["nodes"] if node["type"] == "MarkdownNote")
    heading, text = note["widgets_values"][0].replace("*", "").split("\n\n")[:2]
    return heading.removeprefix("## "), text


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
    shade = Image.new("RGB", (SIZE, STRIP), PAPER)
    place = (0, SIZE - STRIP)
    card.paste(Image.blend(card.crop((*place, SIZE, SIZE)), shade, 0.82), place)
    write_lines(card, SIZE - STRIP + 12, said(workflow)[0], 42, INK, most=2)
    return card


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


def words_card(workflow: dict[str, Any]) -> Image.Image:
    """A template's heading and its first sentences, with no picture."""
    card, (heading, text) = Image.new("RGB", (SIZE, SIZE), PAPER), said(workflow)
    task, _, model = heading.partition(": ")
    top = write_lines(card, 110, task, 84, INK)
    top = write_lines(card, top + 20, model, 66, (122, 180, 240))
    write_lines(card, top + 50, text, 34, FAINT, most=6)
    return card


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
