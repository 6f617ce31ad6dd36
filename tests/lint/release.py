"""Whether a tag is fit to be released: `python -m tests.lint.release v1.2.3`.

It is fit where it names the version of `pyproject.toml`, and `CHANGELOG.md` says what came with that version and when.
Prints those lines, which are the notes of the release, and exits 0; otherwise says what is wrong and exits 1. Needs
nothing but Python.
"""

import re
import sys
import tomllib
from pathlib import Path

from tests.support import ROOT


class UnfitTagError(Exception):
    """The tag is not to be released; the text says why and what to do."""


def notes(tag: str, root: Path) -> str:
    """The changelog's section on that version. Raises `UnfitTagError`."""
    version = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if tag != f"v{version}":
        raise UnfitTagError(f"the tag {tag} is not v{version}, the version in pyproject.toml.")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    said = re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$(.*?)(?=^## |^\[[^\]]+\]: |\Z)",
        changelog,
        re.DOTALL | re.MULTILINE,
    )
    if said is None or not said[1].strip():
        raise UnfitTagError(
            f"CHANGELOG.md says nothing under `## [{version}] - YYYY-MM-DD`; move *Unreleased* there."
        )
    return said[1].strip() + "\n"


def main() -> int:
    """Prints the notes; the exit status."""
    try:
        sys.stdout.write(notes(sys.argv[1] if len(sys.argv) == 2 else "", ROOT))
    except UnfitTagError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
