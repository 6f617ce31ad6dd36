"""Every package that an installation brings has a licence that we take: `python -m tests.lint.licences`.

Prints the list in Markdown: each package of `requirements-stores.lock` with its version and its licence, as its own
metadata has it. Exits 1 with one line for each package whose licence is unknown or not on the list. The packages have
to be installed, which `make lint` sees to.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Final, cast

from packaging.markers import Marker

from tests.support import ROOT

# Licences that only require naming the authors, and MPL-2.0, whose duties cover only the package's own files.
TAKEN: Final = frozenset({
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0"),
})  # fmt: skip
# The licences of packages that do not name an SPDX identifier yet.
CLASSIFIERS: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
WORDS: Final = {"3-Clause BSD License": "BSD-3-Clause", "Apache 2.0": "Apache-2.0", "MIT License": "MIT"}
# Packages locked only for other systems, with the licence in the metadata of that version.
ELSEWHERE: Final = {
    ("colorama", "0.4.6"): "BSD-3-Clause",
    ("httpx2-jsfetch", "1.0"): "BSD-3-Clause",
    ("pywin32", "312"): "PSF-2.0",
}
_LOCKED: Final = re.compile(r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]+))?", re.MULTILINE)
_CLASSIFIER: Final = "License :: OSI Approved :: "


@dataclass(frozen=True)
class LockedPackage:
    """A package of a lock file. `here` is whether this system and this Python install it."""

    name: str
    version: str
    here: bool


def locked(text: str) -> list[LockedPackage]:
    """The packages of a lock file's text, in its order."""
    return [
        LockedPackage(name, version, not marker or Marker(marker.strip()).evaluate())
        for name, version, marker in _LOCKED.findall(text)
    ]


def licence_of(about: Message) -> str:
    """The licence in a package's metadata as an SPDX expression; empty where it names none that is known."""
    if expression := about.get("License-Expression"):
        return str(expression)
    said = [
        classifier.removeprefix(_CLASSIFIER)
        for classifier in about.get_all("Classifier", [])
        if classifier.startswith("License :: ")
    ]
    if said:
        # Several classifiers do not say whether one may choose, so all of them have to be on the list.
        return " AND ".join(sorted(CLASSIFIERS.get(name, f"«{name}»") for name in said))
    text = str(about.get("License", "")).strip()
    return WORDS.get(text, text if text in TAKEN else "")


def is_taken(expression: str) -> bool:
    """Whether the list allows the expression. Brackets, exceptions and unknown identifiers are not allowed."""
    return any(
        all(part.strip() in TAKEN for part in choice.split(" AND ")) for choice in expression.split(" OR ")
    )


def licences(packages: Iterable[LockedPackage]) -> Iterator[tuple[LockedPackage, str]]:
    """Each package with its licence; empty where it is unknown or another version is installed."""
    for package in packages:
        if not package.here:
            yield package, ELSEWHERE.get((package.name, package.version), "")
            continue
        try:
            about = cast(Message, metadata(package.name))
        except PackageNotFoundError:
            yield package, ""
            continue
        yield package, licence_of(about) if about["Version"] == package.version else ""


def report(lock: Path) -> tuple[list[str], list[str]]:
    """The rows of the table, and a line for each package whose licence is unknown or not on the list."""
    rows, faults = [], []
    for package, licence in licences(locked(lock.read_text(encoding="utf-8"))):
        rows.append(f"| {package.name} | {package.version} | {licence} |")
        if not is_taken(licence):
            faults.append(f"{package.name} {package.version}: {licence or 'its licence is not known'}")
    return rows, faults


def main() -> int:
    """Prints the table of what a full installation brings; the exit status."""
    rows, faults = report(ROOT / "requirements-stores.lock")
    sys.stdout.write("\n".join(["| package | version | licence |", "| --- | --- | --- |", *rows, ""]))
    for fault in faults:
        sys.stderr.write(f"{fault}; see tests/lint/licences.py\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
