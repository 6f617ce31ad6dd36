"""Reads the policy file. Every fault has its line, its place and a sentence that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import ValidationError

from orchestration.domain import documents, gathering_policy
from orchestration.domain.document_reviews import faults_of_reviews
from orchestration.domain.errors import PolicyError
from orchestration.domain.fault_words import NO_SUCH_KEY, words_of
from orchestration.domain.ids import IdReader
from orchestration.domain.names import policy_name_fault
from orchestration.domain.policy_book import PolicyBook
from orchestration.domain.text import is_blank, line
from orchestration.domain.toml_lines import Location, TomlError, lines_of, tables_of

# The model's field for policies of each kind. A policy without a kind is decided by approvers.
KINDS: Final = {gathering_policy.KIND: "gatherings"}


def load(path: Path, ids: IdReader) -> PolicyBook:
    """The policy file, its IDs checked by `ids`.

    Raises `PolicyError`, one line a fault: file, line, place, what to do.
    """
    try:
        text = path.read_bytes().decode()
    except OSError as error:
        raise PolicyError(
            f"{path}: cannot be read ({error.strerror}); check COUNTERSIGN_POLICIES, or the path that was given."
        ) from error
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path}: is not UTF-8 text.") from error
    return parse(text, str(path), ids)


def parse(text: str, source: str, ids: IdReader) -> PolicyBook:
    """As `load`, from text already read; `source` names it in errors."""
    try:
        tables = tables_of(text)
    except TomlError as error:
        line = re.search(r"line (\d+)", str(error))
        place = f"{source}:{line.group(1)}" if line else source
        raise PolicyError(f"{place}: is not valid TOML: {error}.") from error
    if not isinstance(tables.get("policies"), dict) or not tables["policies"]:
        raise PolicyError(f"{source}:1: there is no [policies.NAME] table, so nothing could be asked for.")
    faults = list(_reserved(tables))
    faults += [(loc, "shows nothing; write something, or leave it out") for loc in _blank(tables)]
    tables = _as_kept(tables)
    try:
        book = PolicyBook.model_validate(_completed(tables, ids), extra="forbid", context=ids)
    except ValidationError as error:
        faults += [(_in_file(fault["loc"]), words_of(fault, PolicyBook)) for fault in error.errors()]
    else:
        # These checks are not in the model: an open request keeps its policy, even if a later release would refuse it.
        faults += [
            (("policies", key), fault.sentence())
            for key, policy in book.policies.items()
            for fault in policy.impossible(enrolled=book.enrolled())
        ]
        faults += [
            (("policies", key, "fulfilment", *place), words)
            for key, policy in book.policies.items()
            for place, words in policy.fulfilment_faults()
        ]
        faults += [
            (("policies", key, "edit", number), words)
            for key, policy in book.policies.items()
            for number, words in policy.edit_faults()
        ]
        faults += [
            (("policies", key, *place), words)
            for key, policy in book.policies.items()
            for place, words in policy.field_faults()
        ]
        faults += [
            (("policies", key, "grants", *place), words)
            for key, policy in book.policies.items()
            for place, words in policy.grants_faults()
        ]
        faults += [
            (("policies", key, "levels", number, "remind_every"), words)
            for key, policy in book.policies.items()
            for number, level in enumerate(policy.levels)
            for words in _reminder_faults(level)
        ]
        faults += [
            (("policies", key, "remind_every"), words)
            for key, gathering in book.gatherings.items()
            for words in _reminder_faults(gathering)
        ]
        faults += faults_of_reviews(book.policies, book.enrolled())
        faults += [(("people", person, "phone"), words) for person, words in book.shared_phones()]
    if faults:
        lines = sorted((locate(text, loc), _place(loc), words) for loc, words in faults)
        raise PolicyError("\n".join(f"{source}:{line}: {place}: {words}." for line, place, words in lines))
    return book


def _reserved(tables: Mapping[str, Any]) -> Iterator[tuple[Location, str]]:
    """Yields the places of computed keys that somebody wrote, and of reserved names, each with why it is wrong."""
    for place in KINDS.values():
        if place in tables:
            yield (place,), f"{NO_SUCH_KEY}; write such a policy as [policies.NAME] with its kind"
    for key, table in tables["policies"].items():
        if isinstance(table, dict) and "groups" in table:
            yield ("policies", key, "groups"), NO_SUCH_KEY
        if isinstance(table, dict):
            yield from documents.file_faults(key, table)
        if (fault := policy_name_fault(key)) is not None:
            yield ("policies", key), fault
        kind = table.get("kind") if isinstance(table, dict) else None
        if kind is not None and (not isinstance(kind, str) or kind not in KINDS):
            kinds = " or ".join(f'"{known}"' for known in KINDS)
            yield (
                ("policies", key, "kind"),
                f"write {kinds}, or leave it out for a policy that approvers decide",
            )


class _Reminding(Protocol):
    @property
    def remind_every(self) -> timedelta | None: ...
    @property
    def timeout(self) -> timedelta: ...


def _reminder_faults(waits: _Reminding) -> Iterator[str]:
    """Yields a fault if no reminder could ever be sent."""
    if waits.remind_every is not None and waits.remind_every >= waits.timeout:
        yield "is not less than timeout, so nobody would be reminded; write a shorter time, or leave it out"


def _as_kept(value: Any) -> Any:
    """The tables with every text normalised by `orchestration.domain.text`: pasted text often has invisible marks."""
    if isinstance(value, dict):
        return {key: _as_kept(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_as_kept(part) for part in value]
    return line(value) or value if isinstance(value, str) else value


def _blank(value: Any, loc: Location = ()) -> Iterator[Location]:
    """The places of texts that render as nothing."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _blank(part, (*loc, key))
    elif isinstance(value, list):
        for number, part in enumerate(value):
            yield from _blank(part, (*loc, number))
    elif isinstance(value, str) and value and is_blank(value):
        yield loc


def _completed(tables: Mapping[str, Any], ids: IdReader) -> dict[str, Any]:
    """Adds each policy's name and the groups among its IDs, and puts it with the policies of its kind."""
    kept: dict[str, dict[str, Any]] = {"policies": {}, **{place: {} for place in KINDS.values()}}
    for key, table in tables["policies"].items():
        if not isinstance(table, dict):
            kept["policies"][key] = table
        elif (kind := table.get("kind")) is None:
            groups = list(dict.fromkeys(_groups(table, ids)))
            kept["policies"][key] = {**documents.completed(table), "key": key, "groups": groups}
        elif isinstance(kind, str) and kind in KINDS:
            kept[KINDS[kind]][key] = {**table, "key": key}
    return {**tables, **kept}


def _in_file(loc: Location) -> Location:
    """The place in the file of a place in the model."""
    return ("policies", *loc[1:]) if loc and loc[0] in KINDS.values() else loc


def _groups(table: Mapping[str, Any], ids: IdReader) -> Iterator[str]:
    """The groups that a policy names. Nothing is validated yet, so anything may be of any type."""
    levels = table.get("levels")
    stages = [*(levels if isinstance(levels, list) else ()), table.get("escalation")]
    lists = [
        stage.get(name) for stage in stages if isinstance(stage, dict) for name in ("approvers", "notify")
    ]
    for principals in [*lists, table.get("delegates")]:
        for principal in principals if isinstance(principals, list) else ():
            if isinstance(principal, str) and ids.is_group(principal):
                yield principal


# Parts that pydantic adds to name the branch of a union that it tried. A file has no such places.
_BRANCHES: Final = re.compile(r"^(constrained-int|int|literal\[.*|function-.*|\[key\])$")


def _place(loc: Location) -> str:
    return ".".join(str(part) for part in loc if not _BRANCHES.match(str(part)))


def locate(text: str, loc: Location) -> int:
    """The 1-based line of the place in the file, or of its nearest parent that the file has."""
    lines = lines_of(text)
    parts = tuple(part for part in loc if not _BRANCHES.match(str(part)))
    return next((lines[parts[:depth]] for depth in range(len(parts), 0, -1) if parts[:depth] in lines), 1)
