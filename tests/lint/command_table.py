"""The table of commands in docs/reference/command-line.md, made from the parsers: `python -m tests.lint.command_table`.

Prints it. With `--write` it is put into the page. A test compares the two.
"""

import argparse
import re
import sys
from collections.abc import Iterator
from typing import Final

from bot.cli import main as cli
from tests.support import ROOT

PAGE: Final = ROOT / "docs/reference/command-line.md"
HEAD: Final = "| command | what it is for |\n| --- | --- |\n"
_TABLE: Final = re.compile(re.escape(HEAD) + r"(?:\|.*\n)*")


def _rows(parser: argparse.ArgumentParser, words: str) -> Iterator[str]:
    """A row for each command that can be called."""
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        told = {choice.dest: choice.help or "" for choice in action._choices_actions}
        for word, child in action.choices.items():
            below = [*_rows(child, f"{words} {word}")]
            yield from below or [f"| `{words} {word}` | {told[word]} |"]


def table() -> str:
    """The whole table."""
    return HEAD + "".join(f"{row}\n" for row in _rows(cli._parser(), "countersign"))


def in_page() -> str:
    """The table in the page now; "" where there is none."""
    found = _TABLE.search(PAGE.read_text(encoding="utf-8"))
    return found[0] if found else ""


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(PAGE.read_text(encoding="utf-8").replace(in_page(), table()), encoding="utf-8")
    else:
        sys.stdout.write(table())
