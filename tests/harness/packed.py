"""The archive that users of the registry get, without comfy-cli: git's files less those that .comfyignore names."""

import subprocess
import zipfile
from pathlib import Path

import pathspec

ROOT = Path(__file__).resolve().parents[2]


def tracked_files(root: Path = ROOT) -> list[str]:
    """Git's files, as paths with slashes. Raises RuntimeError where there is no git or no repository."""
    try:
        listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise RuntimeError(f"{root} is no git repository, or git is not installed") from error
    names = sorted(filter(None, listing.decode().split("\0")))
    return [name for name in names if (root / name).is_file()]


def packed_files(root: Path = ROOT) -> list[str]:
    """Those of git's files that the registry's archive holds."""
    lines = (root / ".comfyignore").read_text(encoding="utf-8").splitlines()
    ignored = pathspec.PathSpec.from_lines("gitignore", lines)
    return [name for name in tracked_files(root) if not ignored.match_file(name)]


def pack(archive: Path, root: Path = ROOT) -> Path:
    """Write the archive, as comfy-cli does: compressed, without a folder around it."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in packed_files(root):
            file.write(root / name, name)
    return archive
