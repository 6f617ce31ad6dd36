"""The arguments of a tool call: their canonical form, what is masked in them, and how people read them. Pure.

Arguments that two programs could read differently are refused: the call that runs has to be the one approved.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import rfc8785

from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.text import prose

LONGEST: Final = 10_000  # characters of text that people are asked to read
MASKED: Final = "[masked]"
ANY: Final = "*"
# More lines than these are not compared one by one: that takes time, and nobody reads a mixture of so many.
COMPARED: Final = 400
TITLE: Final = 150  # characters
NAMED: Final = 40  # characters of it for the agent, and for the tool

_FIRST: Final = ("command", "file_path", "path", "url")
_EDIT: Final = ("old_string", "new_string")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,59}")
_PATH: Final = re.compile(r"[^.]+(\.[^.]+)*")


class _Masked:
    """Stands for a value that people do not see."""


def canonical(arguments: Any) -> bytes:
    """The arguments in the form of RFC 8785: equal for equal values, whatever their order, spaces or notation.

    Raises `InvalidRequestError` for what has no such form, such as an integer that a double cannot hold exactly.
    """
    try:
        return rfc8785.dumps(arguments)
    except rfc8785.IntegerDomainError as error:
        raise InvalidRequestError(
            "have an integer beyond 2^53 - 1, which programs read differently; give it as a text",
            field="arguments",
        ) from error
    except (rfc8785.CanonicalizationError, RecursionError) as error:
        raise InvalidRequestError(f"have no canonical form ({error})", field="arguments") from error


def path_fault(path: str) -> str | None:
    """What is wrong with a path such as `env.API_KEY` or `headers.*`; None if it is valid."""
    return None if _PATH.fullmatch(path) else "is no path, such as env.API_KEY or headers.*"


def masked(
    arguments: Mapping[str, Any], paths: Sequence[str], digest_of: Callable[[str], str]
) -> tuple[Any, Any]:
    """The arguments as they may be shown and kept, and as their digest is taken.

    In the second, `digest_of`, a keyed digest, replaces each masked value. So nobody can find a short secret by trying
    values against the digest.
    """
    whole: Any = arguments
    for path in paths:
        whole = _mask(whole, path.split("."))

    def bind(shown: Any, real: Any, at: str) -> Any:
        if isinstance(shown, _Masked):
            return {"masked": digest_of(f"{at}\0{canonical(real).decode()}")}
        if isinstance(shown, dict):
            return {name: bind(value, real[name], f"{at}\0{name}") for name, value in shown.items()}
        if isinstance(shown, list):
            return [
                bind(one, two, f"{at}\0{n}") for n, (one, two) in enumerate(zip(shown, real, strict=True))
            ]
        return shown

    return _without(whole), bind(whole, arguments, "")


def _mask(value: Any, path: list[str]) -> Any:
    if not path:
        return _Masked()
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {name: _mask(one, rest) if head in {ANY, name} else one for name, one in value.items()}
    if isinstance(value, list):
        return [_mask(one, rest) if head in {ANY, str(n)} else one for n, one in enumerate(value)]
    return value


def _without(value: Any) -> Any:
    if isinstance(value, _Masked):
        return MASKED
    if isinstance(value, dict):
        return {name: _without(one) for name, one in value.items()}
    return [_without(one) for one in value] if isinstance(value, list) else value


def masked_places(shown: Any, bound: Any) -> Iterator[tuple[str | int, ...]]:
    """The place of each masked value, as names and indices. Both arguments are results of `masked`."""
    if isinstance(shown, dict) and isinstance(bound, dict):
        pairs: list[tuple[str | int, Any, Any]] = [(name, one, bound[name]) for name, one in shown.items()]
    elif isinstance(shown, list) and isinstance(bound, list):
        pairs = [(n, one, two) for n, (one, two) in enumerate(zip(shown, bound, strict=True))]
    else:
        if shown != bound:
            yield ()
        return
    for name, one, two in pairs:
        yield from ((name, *rest) for rest in masked_places(one, two))


Scalar = str | bool | int | float


def scalars_at(shown: Any, bound: Any, path: Sequence[str]) -> Iterator[tuple[str, Scalar]]:
    """Each text, number and truth value under that path that people see whole, by a path without `*`.

    A name with a point in it, or that is `*`, cannot be written in a path, so what lies under it is not found.
    """
    if not path:
        # A masked value differs between what is shown and what the digest covers.
        if isinstance(shown, Scalar) and type(shown) is type(bound) and shown == bound:
            yield "", shown
        return
    head, rest = path[0], path[1:]
    found: dict[str, tuple[Any, Any]] = {}
    if isinstance(shown, dict) and isinstance(bound, dict):
        found = {str(name): (value, bound.get(name)) for name, value in shown.items()}
    elif isinstance(shown, list) and isinstance(bound, list):
        found = {str(n): pair for n, pair in enumerate(zip(shown, bound, strict=False))}
    for name, (one, two) in found.items():
        if name and head in {ANY, name} and name != ANY and "." not in name:
            for at, value in scalars_at(one, two, rest):
                yield f"{name}.{at}" if at else name, value


def replaced(value: Any, path: Sequence[str], new: Scalar) -> Any:
    """The value with another one at that path, which has no `*`. A path that does not exist is not created."""
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, dict) and head in value:
        return {**value, head: replaced(value[head], rest, new)}
    if isinstance(value, list):
        return [replaced(one, rest, new) if str(n) == head else one for n, one in enumerate(value)]
    return value


def digest(bound: Any) -> str:
    """SHA-256 (hex) over the canonical form."""
    return hashlib.sha256(canonical(bound)).hexdigest()


# ---- for people ------------------------------------------------------------------------------------------


def written_out(arguments: Mapping[str, Any]) -> str:
    """The arguments as people read them: each under its name, a command first, an edit as the lines that change.

    No value can pass for another argument: what has several lines stands behind a bar, or in a diff behind its sign. An
    invisible character is written as its code point. Raises `InvalidRequestError` where it is too long to be read.
    """
    length = sum(map(len, _texts(arguments)))
    text = "" if length > LONGEST else "\n".join(_lines(arguments)) or "(no arguments)"
    if prose(text) != text.strip():
        text = text.encode("ascii", "backslashreplace").decode()
    if max(length, len(text)) > LONGEST:
        raise InvalidRequestError(
            f"have {max(length, len(text)):,} characters, and people are asked to read {LONGEST:,} at most; "
            "make it several calls",
            field="arguments",
        )
    return text.strip()


def title_of(agent: str, tool: str, shown: Mapping[str, Any]) -> str:
    """One line that says which agent calls which tool, and what the call is about: at most 150 characters."""
    # What a tool does stands at the end of its name: mcp__server__action.
    agent = agent if len(agent) <= NAMED else f"{agent[: NAMED - 1]}…"
    tool = tool if len(tool) <= NAMED else f"…{tool[1 - NAMED :]}"
    who = f"{agent} calls {tool}"
    about = gist(shown, TITLE - len(who) - 2)
    return f"{who}: {about}" if about else who


def gist(arguments: Mapping[str, Any], limit: int) -> str:
    """The first line of what the call is about, such as its command, at most `limit` characters; "" without one."""
    text = next((arguments[name] for name in _FIRST if isinstance(arguments.get(name), str)), "")
    first, *more = visible(text.strip()).split("\n")
    return first if not more and len(first) <= limit else first[: limit - 1].rstrip() + "…"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield str(name)
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _lines(arguments: Mapping[str, Any]) -> Iterator[str]:
    left = dict(arguments)
    edit = [left.get(name) for name in _EDIT]
    old, new = (visible(text) if isinstance(text, str) else None for text in edit)
    if old == new:  # A diff of them would show neither.
        old = new = None
    if old is not None and new is not None:
        for name in _EDIT:
            del left[name]
    for name in [*(first for first in _FIRST if first in left), *sorted(left.keys() - set(_FIRST))]:
        yield from _argument(name, left[name])
    if old is not None and new is not None:
        yield "old_string and new_string, as a diff:"
        yield from diff(old.split("\n"), new.split("\n"))


def _argument(name: str, value: Any) -> Iterator[str]:
    label = name if _NAME.fullmatch(name) else visible(json.dumps(name, ensure_ascii=False))
    if isinstance(value, str) and not _reads_otherwise(value):
        shown = visible(value)
    elif isinstance(value, (dict, list)) and value:
        shown = visible(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True))
    else:
        shown = visible(json.dumps(value, ensure_ascii=False))
    if "\n" not in shown:
        yield f"{label}: {shown}"
        return
    yield f"{label}:"
    yield from (f"  | {line}" for line in shown.split("\n"))


def _reads_otherwise(text: str) -> bool:
    """Whether a text, written without quotation marks, could be taken for nothing or for a value that is no text."""
    if text != text.strip():
        return "\n" not in text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return not text
    return True


def diff(old: list[str], new: list[str]) -> Iterator[str]:
    """The lines of both, each behind `-`, `+` or a space."""
    if len(old) + len(new) > COMPARED:
        yield from (f"-{line}" for line in old)
        yield from (f"+{line}" for line in new)
        return
    lines = difflib.unified_diff(old, new, lineterm="", n=COMPARED)
    # Skips the first three lines: they name the files and the position.
    yield from list(lines)[3:]


def visible(text: str) -> str:
    """The text with each invisible or misleading character written as its code point."""
    if text.isascii() and text.isprintable():
        return text
    decomposed = unicodedata.normalize("NFC", text) != text
    return "".join(
        _escaped(one) if _hidden(one) or (decomposed and not one.isascii()) else one for one in text
    )


def hidden_in(text: str) -> str | None:
    """The first character of the text that people would see as a code point, or not as it is; None where none is."""
    shown = visible(text)
    return None if shown == text else next((a for a, b in zip(text, shown, strict=False) if a != b), text[-1])


def _hidden(character: str) -> bool:
    """Whether the normaliser would take it out, or make it another one."""
    return character not in "\n\t " and prose(f"x{character}x") != f"x{character}x"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
