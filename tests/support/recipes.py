"""The code snippets of the guides, unchanged."""

import re

from tests.support import ROOT


def recipe(name: str) -> str:
    """The only snippet of that name on the pages."""
    pattern = re.compile(
        rf"^<!-- recipe: {re.escape(name)} -->\n```\w+\n(.*?)^```$", re.DOTALL | re.MULTILINE
    )
    (found,) = [
        text for page in (ROOT / "docs").rglob("*.md") for text in pattern.findall(page.read_text("utf-8"))
    ]
    return str(found)
