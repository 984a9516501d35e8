"""Typefaces in which a text can be drawn: Pillow's own has hardly more than English, others lie in the system's folders."""

from functools import cache

from PIL import ImageFont

Face = ImageFont.FreeTypeFont | ImageFont.ImageFont
NAMES = (
    "DejaVuSans.ttf, NotoSans-Regular.ttf, DroidSansFallbackFull.ttf, NotoSansCJK-Regular.ttc, wqy-zenhei.ttc, "
    "NotoSansArabic-Regular.ttf, NotoSansDevanagari-Regular.ttf, NotoSansThai-Regular.ttf, FreeSans.ttf, "
    "arial.ttf, msyh.ttc, meiryo.ttc, malgun.ttf, Nirmala.ttc, Nirmala.ttf, LeelawUI.ttf, seguiemj.ttf, "
    "Arial Unicode.ttf, Hiragino Sans GB.ttc, PingFang.ttc, AppleSDGothicNeo.ttc, Thonburi.ttc, Kohinoor.ttc"
)
"""Files of typefaces that come with Linux, Windows and macOS; Pillow looks for them where the system keeps them."""
TRIED, NOWHERE = 16, "\U0010fffd"
"""The size at which letters are looked for, and a character that no typeface has."""


def face(size: int, text: str = "") -> Face:
    """Pillow's own typeface, or the system's that has the most of the text's characters that it lacks."""
    letters = sorted({character for character in text if not character.isspace()})
    if all(character.isascii() for character in letters):
        return _face("", size)
    names = ("", *(name for name in NAMES.split(", ") if _face(name, TRIED) is not None))
    if len(names) == 1:
        return _face("", size)
    return _face(max(names, key=lambda name: sum(_has(name, character) for character in letters)), size)


@cache
def _face(name: str, size: int) -> Face | None:
    """A typeface by its file's name, without a name Pillow's own; None if there is no such file."""
    try:
        return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except (OSError, ImportError, TypeError):  # no such file, or a Pillow that is old or has no FreeType
        return None if name else ImageFont.load_default()


@cache
def _has(name: str, character: str) -> bool:
    masks = [_face(name, TRIED).getmask(letter) for letter in (character, NOWHERE)]
    return bytes(masks[0]) != bytes(masks[1])
