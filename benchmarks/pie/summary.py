"""The means of a run as Markdown tables and JSON, each beside the categories that it was taken over."""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from .metrics import CORRECTED, PUBLISHED, plain, scale_of
from .results import Row

PICTURES = {
    "edited": "edited, as decoded",
    "pasted": "edited inside the mask, source pixels outside",
    "ceiling": "source through the autoencoder, unedited",
}
TITLES = {
    "structure": "structure x1e3",
    "psnr": "PSNR",
    "lpips": "LPIPS x1e3",
    "mse": "MSE x1e4",
    "ssim": "SSIM x1e2",
    "clip_whole": "CLIP whole",
    "clip_edited": "CLIP edited",
    "structure_scaled": "structure, input 0..1, x1e3",
    "psnr_background": "PSNR, background",
    "lpips_background": "LPIPS x1e3, background",
    "mse_background": "MSE x1e4, background",
    "ssim_background": "SSIM x1e2, background",
    "clip_source": "CLIP source",
}
TABLES = {
    "as published: zero-masked, averaged over all pixels": PUBLISHED,
    "corrected: averaged over the true background; structure of a picture in 0..1": CORRECTED,
}
STYLE = 9


def name_of(categories: Collection[int]) -> str:
    """`0..9` for a run of categories, `0, 2, 5` for others."""
    numbers = sorted(categories)
    unbroken = len(numbers) > 1 and numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}..{numbers[-1]}" if unbroken else ", ".join(map(str, numbers))


def sets_of(categories: Collection[int]) -> list[frozenset[int]]:
    """The categories chosen, and without style: most papers on flow models leave category 9 out."""
    whole = frozenset(categories)
    return [whole, whole - {STYLE}] if whole > {STYLE} else [whole]


def summarise(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One record of means per setting, kind of picture and set of the rows' categories, in the units of the tables."""
    records = []
    for setting in dict.fromkeys(row["setting"] for row in rows):
        for picture in PICTURES:
            for chosen in sets_of({row["category"] for row in rows}):
                found = [row for row in rows if row["setting"] == setting and row["category"] in chosen]
                figures = [row[picture] | {"clip_source": row["clip_source"]} for row in found]
                records.append(
                    {
                        "setting": setting,
                        "picture": picture,
                        "categories": name_of(chosen),
                        "pictures": len(found),
                        "means": {name: mean_of(name, (one[name] for one in figures)) for name in TITLES},
                    }
                )
    return records


def mean_of(metric: str, values: Iterable[float | str | None]) -> dict[str, Any] | None:
    """The mean in the table's unit and how many rows it is of, those of nan left out; None if no row has the metric."""
    known = [float(value) for value in values if value is not None]
    counted = [value for value in known if not math.isnan(value)]
    if not known:
        return None
    mean = scale_of(metric) * sum(counted) / len(counted) if counted else math.nan
    return {"mean": plain(mean), "rows": len(counted)}


def markdown(records: Sequence[dict[str, Any]]) -> str:
    """The tables, one of each kind per setting."""
    parts = []
    for setting in dict.fromkeys(record["setting"] for record in records):
        for title, metrics in TABLES.items():
            columns = [*metrics, "clip_source"] if metrics is PUBLISHED else list(metrics)
            lines = [
                f"### {setting} - {title}",
                "",
                "| picture | categories | pictures | " + " | ".join(TITLES[name] for name in columns) + " |",
                "|---|---|---:|" + "---:|" * len(columns),
            ]
            for record in records:
                if record["setting"] == setting:
                    cells = [_cell(record["means"][name], record["pictures"]) for name in columns]
                    head = f"| {PICTURES[record['picture']]} | {record['categories']} | {record['pictures']} | "
                    lines.append(head + " | ".join(cells) + " |")
            parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _cell(mean: dict[str, Any] | None, pictures: int) -> str:
    """The mean; with the number of rows where some had to be left out."""
    if mean is None:
        return "absent"
    left_out = "" if mean["rows"] == pictures else f" (of {mean['rows']})"
    return f"{float(mean['mean']):.2f}{left_out}"
