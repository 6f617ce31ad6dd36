"""A slash command's text where the app asked for `should_escape`."""

from collections.abc import Iterator

import pytest

from bot.simulator import Workspace
from bot.simulator.slack_api.command_text import escaped


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    found = Workspace.open(None)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("delegate @ada", "delegate <@U0ADA|ada>"),
        ("@Ada, please", "<@U0ADA|Ada>, please"),
        ("mail ada@acme.example", "mail ada@acme.example"),
        ("ask @nobody in #nowhere", "ask @nobody in #nowhere"),
        ("in #general", "in <#C0GENERAL|general>"),
        ("see https://a.example/@ada?x=1&y=2 now", "see <https://a.example/@ada?x=1&amp;y=2> now"),
        ("a < b & c > d", "a &lt; b &amp; c &gt; d"),
        ("<@U0ADA>", "&lt;@U0ADA&gt;"),
    ],
)
def test_what_is_named_is_marked_and_all_else_is_escaped(workspace: Workspace, text: str, sent: str) -> None:
    assert escaped(text, workspace) == sent
