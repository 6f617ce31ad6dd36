"""Lays the pages out for the site: `python -m tests.site.stage`, which `make docs` calls.

The README is the site's first page, and pages beside the code are pages of the site as well. A link from one page to
another goes on leading there. A link to any other file of the repository leads to its source, and a picture is copied.
A link that leads nowhere ends with exit status 1 and one line that names the page and the link. What builds the site
checks whether each anchor is there.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from tests.support import ROOT

STAGED: Final = ROOT / "build/pages"
SOURCE: Final = "https://github.com/countersign/countersign/blob/main/"
# The package index shows the README too, so the README names its picture by this address.
RAW: Final = "https://raw.githubusercontent.com/countersign/countersign/main/"
PICTURES: Final = ".github/pictures/"
# Pages that are not under docs, or stand elsewhere on the site.
PLACES: Final = {
    "README.md": "index.md",
    "docs/README.md": "all-pages.md",
    "docs/CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    ".github/SECURITY.md": "security-policy.md",
    "orchestration/hub/README.md": "explanation/hub.md",
}
FENCED = re.compile(r"(^ *```.*?^ *```$)", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
# No script of another host may run in the pages, so Mermaid is served with them. It is large, so only pages with a
# diagram load it.
MERMAID: Final = ROOT / "tests/mermaid/node_modules/mermaid/dist/mermaid.min.js"
STYLE: Final = Path(__file__).with_name("style.css")


class DeadLinkError(Exception):
    """A link leads to no file of the repository."""


def places() -> dict[str, str]:
    """Where each page of the repository stands on the site, both as paths with slashes."""
    pages = (page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md"))
    return {page: page.removeprefix("docs/") for page in pages} | PLACES


def relink(page: str, text: str) -> str:
    """The text of a page with its links as the site needs them. Raises DeadLinkError."""
    placed = places()
    folder = os.path.dirname(placed[page])  # noqa: PTH120 - a path of the site, not of this machine

    def linked(found: re.Match[str]) -> str:
        target = found[2].replace(RAW, "/") if found[2].startswith(RAW) else found[2]
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        path, hash_, anchor = target.partition("#")
        at = ROOT / path[1:] if path.startswith("/") else (ROOT / page).parent / unquote(path)
        file = at.resolve()
        if not file.exists() or not file.is_relative_to(ROOT):
            raise DeadLinkError(f"{page}: the link {found[2]} leads to no file")
        name = file.relative_to(ROOT).as_posix()
        if name.startswith(PICTURES):
            to = os.path.relpath(name.removeprefix(".github/"), folder or ".")
        elif name in placed:
            to = os.path.relpath(placed[name], folder or ".")
        else:
            to = SOURCE + name
        return f"{found[1]}{to}{hash_}{anchor}{found[3]}"

    parts = FENCED.split(text)
    return "".join(part if at % 2 else LINK.sub(linked, part) for at, part in enumerate(parts))


def stage(into: Path) -> Iterator[Path]:
    """Write every page and its pictures into an emptied folder; yields the pages. Raises DeadLinkError."""
    shutil.rmtree(into, ignore_errors=True)
    for page, place in places().items():
        written = into / place
        written.parent.mkdir(parents=True, exist_ok=True)
        text = relink(page, (ROOT / page).read_text(encoding="utf-8"))
        if "\n```mermaid\n" in text:
            # A page is served from a folder of its own name.
            up = "../" * len(Path(place).with_suffix("").parts)
            text += f'\n<script src="{up}assets/{MERMAID.name}"></script>\n'
        written.write_text(text, encoding="utf-8")
        yield written
    shutil.copytree(ROOT / PICTURES, into / "pictures")
    (into / "assets").mkdir()
    for file in (MERMAID, STYLE):
        shutil.copy(file, into / "assets")


def main() -> int:
    try:
        pages = list(stage(STAGED))
    except DeadLinkError as dead:
        sys.stderr.write(f"{dead}\n")
        return 1
    sys.stdout.write(f"{len(pages)} pages in {STAGED.relative_to(ROOT)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
