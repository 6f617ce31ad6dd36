"""The states that follow an approval as a Mermaid diagram (`stateDiagram-v2`)."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.domain.fulfilment import Fulfilment, FulfilmentState, Transition

INDENT = "    "


def state_diagram(fulfilment: Fulfilment) -> str:
    """Its text, without a last line end. GitHub, GitLab and mermaid.live draw it."""
    ids = {state.name: f"s{number}" for number, state in enumerate(fulfilment.states)}
    lines = [f'state "{state.name}" as {ids[state.name]}' for state in fulfilment.states]
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
    """A colon, a semicolon or a hash would end it."""
    conditions = " and ".join(guard.words() for guard in transition.when)
    shown = "".join(letter if letter.isprintable() and letter not in ':;#"' else " " for letter in conditions)
    return f"{transition.name} [{shown}]" if shown else transition.name
