"""With which arguments an approved call is to be made, by the server's answer to its claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchestration.domain.arguments import ANY, canonical, masked, replaced
from orchestration.domain.errors import CountersignError

OTHER_CALL: Final = (
    "The server's answer is about another call than people were asked about, so the call is refused."
)


def approved_arguments(call: Mapping[str, Any], claimed: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of the call with what people changed; None where they changed nothing.

    `call` is what was asked, with its `arguments` and `mask`. They have to be what the server says was approved. The
    server never had the values that are masked, so they are not in its answer. Raises `CountersignError`.
    """
    arguments: Any = call["arguments"]
    masks = [path.split(".") for path in call.get("mask", ())]
    changes, approved = claimed.get("changes"), claimed.get("arguments")
    if not isinstance(changes, list) or not isinstance(approved, dict):
        raise CountersignError(OTHER_CALL)
    for change in changes:
        if any(_leads_to(mask, change["path"]) for mask in masks):
            raise CountersignError(
                "The server's answer changes a value that is masked, so the call is refused."
            )
        arguments = replaced(arguments, change["path"], change["after"])
    shown, _ = masked(arguments, call.get("mask", ()), str)
    if canonical(shown) != canonical(approved):
        raise CountersignError(OTHER_CALL)
    return dict(arguments) if changes else None


def _leads_to(mask: Sequence[str], path: Sequence[str]) -> bool:
    """Whether the value at that path is masked by that one, or lies within what is."""
    beginning = path[: len(mask)]
    return len(beginning) == len(mask) and all(
        one in {ANY, two} for one, two in zip(mask, beginning, strict=True)
    )
