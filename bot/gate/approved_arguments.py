"""Computes the arguments for an approved call from the server's answer to its claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from orchestration.domain.arguments import ANY, canonical, masked, replaced
from orchestration.domain.errors import CountersignError

OTHER_CALL: Final = (
    "The server's answer is about another call than people were asked about, so the call is refused."
)


def approved_arguments(call: Mapping[str, Any], claimed: Mapping[str, Any]) -> dict[str, Any] | None:
    """The arguments of the call with people's changes; None if they changed nothing.

    `call` is what was asked, with its `arguments` and `mask`. With the changes, it must match what the server says
    was approved. The server never had the masked values, so its answer does not contain them. Raises
    `CountersignError`.
    """
    masks = call.get("mask", ())
    arguments: Any = call["arguments"]
    try:
        for change in claimed["changes"]:
            if _is_masked(change["path"], masks) or isinstance(change["after"], (dict, list)):
                raise CountersignError(OTHER_CALL)
            before, arguments = arguments, replaced(arguments, change["path"], change["after"])
            if canonical(before) == canonical(arguments):  # the change is about a value that does not exist
                raise CountersignError(OTHER_CALL)
        shown, _ = masked(arguments, masks, str)
        as_approved = canonical(shown) == canonical(claimed["arguments"])
    except (LookupError, TypeError, ValueError) as error:
        raise CountersignError(OTHER_CALL) from error
    if not as_approved:
        raise CountersignError(OTHER_CALL)
    return dict(arguments) if claimed["changes"] else None


def _is_masked(path: Sequence[str], masks: Sequence[str]) -> bool:
    """Whether the value at that path is masked, or lies within a masked value."""
    return any(
        len(mask) <= len(path) and all(one in {ANY, two} for one, two in zip(mask, path, strict=False))
        for mask in (mask.split(".") for mask in masks)
    )
