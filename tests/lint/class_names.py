"""No class name occurs twice in the repository: `python -m tests.lint.class_names`.

One concept has one name everywhere, so a name that is searched for has to lead to one class. Exits 1 with one line for
each name that occurs more than once, naming every place; prints nothing and exits 0 otherwise.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tests.support import ROOT

FOLDERS: Final = ("bot", "orchestration", "tests")


def twice(root: Path, files: Iterable[Path]) -> list[str]:
    """A line for each class name that occurs more than once in `files`; each place is `path:line` from `root`."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{file.relative_to(root)}:{node.lineno}")
    return [f"class {name}: {', '.join(found)}" for name, found in sorted(places.items()) if len(found) > 1]


def main() -> int:
    """Checks the repository; the exit status."""
    found = twice(ROOT, (file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py"))))
    for line in found:
        sys.stderr.write(f"{line}\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
