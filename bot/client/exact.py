"""The arguments of a call as plain JSON, copied: what people approve is what runs, whatever happens meanwhile."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from orchestration.domain.arguments import canonical
from orchestration.domain.errors import InvalidRequestError

DEEPEST: Final = 100  # levels of lists and dicts, as the server takes them
_PLAIN: Final = (str, int, float, bool, type(None))


def exact(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A copy that nobody else can change. Raises `InvalidRequestError` for what is not exactly a JSON value.

    A subclass is refused too: it may act as another value than the one that people read.
    """
    copied = {name: _copied(value, name, 1) for name, value in arguments.items()}
    canonical(copied)
    return copied


def _copied(value: Any, place: str, level: int) -> Any:
    if level > DEEPEST:
        raise InvalidRequestError(f"{place}: is nested too deeply", field="arguments")
    if type(value) is dict:
        for name in value:
            if type(name) is not str:
                raise _fault(place, "has a key that is no str")
        return {name: _copied(one, f"{place}.{name}", level + 1) for name, one in value.items()}
    if type(value) is list:
        return [_copied(one, f"{place}.{n}", level + 1) for n, one in enumerate(value)]
    if type(value) not in _PLAIN:
        raise _fault(place, f"is of type {type(value).__qualname__}")
    return value


def _fault(place: str, what: str) -> InvalidRequestError:
    return InvalidRequestError(
        f"{place}: {what}, and people can only be asked about a str, int, float, bool, None, list or dict; "
        "hand over what names it, such as its ID",
        field="arguments",
    )
