"""Edit all images of a folder with one model: python edit_a_folder.py FOLDER "a photo" "a painting" [MODEL]

Results go to FOLDER/edited; those that are there already are left alone, so that a run can be taken up again.
"""

import sys
from pathlib import Path

import latent_inversion as li

ENDINGS = {".png", ".jpg", ".jpeg", ".webp"}


def main(folder: str, source: str, target: str, name: str = "toybox") -> None:
    model = li.load(name)
    out = Path(folder, "edited")
    out.mkdir(exist_ok=True)
    for path in sorted(path for path in Path(folder).iterdir() if path.suffix.lower() in ENDINGS):
        edited = out / f"{path.stem}.png"
        if edited.exists():
            continue
        try:
            result = model.invert(path, source).edit(target)
        except li.UserError as error:
            print(f"{path}: {error}")
            continue
        result.image.save(edited)
        print(f"{edited}: {result.verdict.outcome}, {result.verdict.changed:.0%} changed")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
