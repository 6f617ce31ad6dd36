"""The page of health and logs quotes log lines as the code writes them."""

from __future__ import annotations

import inspect
import re

import pytest
from slack_sdk.socket_mode import aiohttp

from tests.support import ROOT

PAGE = ROOT / "docs/reference/health.md"
# What differs from line to line, and what is written by an f-string's or a record's argument.
VARIES = re.compile(r"[…:(),;=]|\d+|\b\w+_\w+\b|\b\w+\.\w+\b")


def quoted() -> list[str]:
    """Every log line in the table of the page."""
    section = PAGE.read_text("utf-8").split("## Logs", 1)[1].split("## Metrics", 1)[0]
    rows = [row.split(" | ")[0] for row in section.splitlines() if row.startswith("| `")]
    return [line for row in rows for line in re.findall(r"`([^`]+)`", row)]


@pytest.fixture(scope="module")
def written() -> str:
    """The code, with each text that it breaks over lines put together, and that of Slack's socket."""
    code = [
        file.read_text("utf-8")
        for folder in ("bot", "orchestration")
        for file in (ROOT / folder).rglob("*.py")
    ]
    return re.sub(r'"\s*\n\s*f?"', "", "\n".join([*code, inspect.getsource(aiohttp)]))


def test_every_log_line_of_the_page_is_written_by_the_code(written: str) -> None:
    lines = quoted()
    assert len(lines) > 30
    phrases = {(line, part.strip()) for line in lines for part in VARIES.split(line) if " " in part.strip()}
    assert {line for line, phrase in phrases if phrase not in written} == set()
