"""The states that follow an approval as a Mermaid diagram (`stateDiagram-v2`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from orchestration.domain.fulfilment import Fulfilment, FulfilmentState, Transition

INDENT: Final = "    "
# Punctuation that Mermaid shows unchanged anywhere in a label.
PLAIN: Final = " -.,()[]/"
DIRECTION: Final = re.compile(r"(direction) ", re.IGNORECASE)


def state_diagram(fulfilment: Fulfilment) -> str:
    """The text of the diagram, without a newline at the end. GitHub, GitLab and mermaid.live draw it."""
    ids = {state.name: f"s{number}" for number, state in enumerate(fulfilment.states)}
    lines = [f'state "{_escaped(state.name)}" as {ids[state.name]}' for state in fulfilment.states]
    lines.append(f"[*] --> {ids[fulfilment.first.name]}: approved")
    for state in fulfilment.states:
        lines += [f"{ids[state.name]} --> {ids[to]}: {label}" for to, label in _exits(state)]
        if state.final is not None:
            lines.append(f"{ids[state.name]} --> [*]: {state.final}")
    return "\n".join(["stateDiagram-v2", *(f"{INDENT}{line}" for line in lines)])


def _exits(state: FulfilmentState) -> Iterator[tuple[str, str]]:
    for transition in state.events:
        yield transition.to, _label(transition)
    if state.on_timeout is not None:
        yield state.on_timeout, "time is up"
    if state.cancel_to is not None:
        yield state.cancel_to, "owner calls it off"


def _label(transition: Transition) -> str:
    conditions = " and ".join(guard.words() for guard in transition.when)
    return _escaped(f"{transition.name} [{conditions}]" if conditions else transition.name)


def _escaped(text: str) -> str:
    """The text in one line, with entity codes for all that could end a label or be markup in it.

    Mermaid takes `direction LR` for a statement of its own anywhere in a label.
    """
    printable = (one if one.isprintable() else " " for one in text)
    shown = "".join(
        one if one.isalnum() or one in PLAIN or not one.isascii() else f"#{ord(one)};" for one in printable
    )
    return DIRECTION.sub(r"\1#32;", shown)
