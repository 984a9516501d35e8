"""The toybox tokenizer, in the files of CLIP's: every word of the world is one token, any other word its letters."""

import itertools
import json
from pathlib import Path

from .models import TEXT_LENGTH
from .world.captions import world_words

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"


def byte_letters() -> list[str]:
    """Return the 256 letters that CLIP writes for the 256 bytes, printable ones for themselves (GPT-2's table)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def word_merges(words: list[str]) -> list[tuple[str, str]]:
    """Return byte pair merges, in order, that make each word one token.

    Byte pair encoding on the words themselves: merge the most frequent pair (the first in the alphabet among equals)
    until every word is whole.
    """
    split = [[*word[:-1], word[-1] + WORD_END] for word in words]
    merges = []
    while any(len(parts) > 1 for parts in split):
        counts: dict[tuple[str, str], int] = {}
        for parts in split:
            for pair in itertools.pairwise(parts):
                counts[pair] = counts.get(pair, 0) + 1
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        split = [_merged(parts, best) for parts in split]
        merges.append(best)
    return merges


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    index = 0
    while index < len(parts):
        if tuple(parts[index : index + 2]) == pair:
            merged.append("".join(pair))
            index += 2
        else:
            merged.append(parts[index])
            index += 1
    return merged


def vocabulary() -> dict[str, int]:
    """Return token -> id: byte letters, the same at a word's end, merged pieces, start and end."""
    letters = byte_letters()
    pieces = list(dict.fromkeys("".join(pair) for pair in word_merges(world_words())))
    tokens = letters + [letter + WORD_END for letter in letters] + pieces + [START, END]
    return {token: index for index, token in enumerate(tokens)}


def write_tokenizer(folder: Path) -> None:
    """Write vocab.json, merges.txt and the settings that transformers' CLIPTokenizer reads."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = [" ".join(pair) for pair in word_merges(world_words())]
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": TEXT_LENGTH, "do_lower_case": True, **special}
    (folder / "vocab.json").write_text(json.dumps(vocabulary(), ensure_ascii=False, indent=0), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n", encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def load_tokenizer(folder: Path):
    """Return transformers' CLIPTokenizer of a folder; prompts are cut and padded to 32 tokens."""
    from transformers import CLIPTokenizer

    return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)


def token_ids(tokenizer, captions: list[str]):
    """Return the token ids of captions: int64 [n, 32], start first, padded with end."""
    encoded = tokenizer(captions, padding="max_length", max_length=TEXT_LENGTH, truncation=True, return_tensors="pt")
    return encoded.input_ids
