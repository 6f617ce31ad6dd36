"""The diagram of what follows an approval, drawn by Mermaid itself in a browser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.cli.main import main
from tests.support import POLICIES, ROOT
from tests.support.chromium import launched

MERMAID = ROOT / "tests/mermaid/node_modules/mermaid/dist/mermaid.min.js"
# Parsed by its parser, then drawn: what a person reads in the drawing.
DRAW = """async text => {
  await mermaid.parse(text);
  const { svg } = await mermaid.render("drawn", text);
  const page = new DOMParser().parseFromString(svg, "text/html");
  const read = (of) => [...page.querySelectorAll(of)].map((one) => one.textContent.trim()).filter(Boolean);
  return { states: read(".node .nodeLabel"), ways: read(".edgeLabels .edgeLabel p") };
}"""
# Keywords of Mermaid, used as names.
STATES = [
    "end",
    "note",
    "a _b_ c",
    "direction LR",
    "fork",
    "default",
    "style",
    "classDef x",
    "stateDiagram-v2",
]
# Texts that conditions may name.
TEXTS = [
    "a: b; c # d",
    'say "yes" {now} [or] (never)',
    "x --> y ::: z",
    "%% no comment",
    "<b>bold</b> &lt;",
    "`a` *b* _c_ $$d$$",
    "two\nlines \\n",
    "ünïcode 日本 😀 “quoted”",
    "#quot;#35; in the direction LR",
]


def policy() -> str:
    """A policy with a chain of the states. Each is left by the event `end` if a field equals one of the texts."""
    names = [*STATES, "Completed"]
    states = ""
    for name, following, text in zip(STATES, names[1:], TEXTS, strict=True):
        when = f'[{{ field = "said", equals = {json.dumps(text, ensure_ascii=False)} }}]'
        states += f"""
[[policies.order.fulfilment.states]]
name = "{name}"
events = [{{ name = "end", to = "{following}", when = {when} }}]
"""
    before, _, _ = (POLICIES / "order.toml").read_text().partition("[policies.order.fulfilment]")
    last = '[[policies.order.fulfilment.states]]\nname = "Completed"\nfinal = "completed"\n'
    return f"{before}[policies.order.fulfilment]\n{states}{last}"


async def drawn(text: str) -> Any:
    if not MERMAID.exists():
        pytest.skip("Mermaid is not set up; `make mermaid` does that")
    async with launched() as browser:
        page = await browser.new_page()
        await page.add_script_tag(path=MERMAID)
        return await page.evaluate(DRAW, text)


async def test_mermaid_draws_every_name_and_condition_as_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "policies.toml"
    file.write_text(policy())
    assert main(["policies", "show", "order", "--diagram", "--file", str(file)]) == 0
    found = await drawn(capsys.readouterr().out)
    assert sorted(found["states"]) == sorted([*STATES, "Completed"])
    shown = [text.replace("\n", " ") for text in TEXTS]
    assert sorted(found["ways"]) == sorted(
        ["approved", "completed", *(f"end [said to be {text}]" for text in shown)]
    )
