"""Error sentences for faults that pydantic finds in files that people write: what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

NO_SUCH_KEY: Final = "there is no such key here"

_Context = Mapping[str, Any]
_TEXT: Final = 'write a text in quotation marks, such as "text"'
_NUMBER: Final = "write a number, without quotation marks"
_WHOLE: Final = "write a whole number, without quotation marks"
_LIST: Final = 'write a list, such as ["one", "two"]'
_TABLE: Final = "write a table, with keys of its own"
_PLAIN: Final = {
    "missing": "is missing",
    "string_type": _TEXT,
    "bool_type": "write true or false, without quotation marks",
    "bool_parsing": "write true or false, without quotation marks",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "list_type": _LIST,
    "dict_type": _TABLE,
    "model_type": _TABLE,
    "model_attributes_type": _TABLE,
}
# A duration, as pydantic writes one.
_SPAN: Final = re.compile(r"datetime\.timedelta\((?:days=(\d+))?(?:, )?(?:seconds=(\d+))?\)")
_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
# Beginnings of pydantic's sentences that end with a bound, and ours for each.
_COMPARED: Final = {
    "greater_than": ("Input should be greater than ", "must be more than "),
    "greater_than_equal": ("Input should be greater than or equal to ", "must be at least "),
    "less_than": ("Input should be less than ", "must be less than "),
    "less_than_equal": ("Input should be less than or equal to ", "must be at most "),
}
_WITH_BOUNDS: Final[Mapping[str, Callable[[_Context], str]]] = {
    "string_too_short": lambda about: f"must have at least {_counted(about['min_length'], 'character')}",
    "string_too_long": lambda about: f"must have at most {_counted(about['max_length'], 'character')}",
    "too_short": lambda about: f"must have at least {_counted(about['min_length'], 'entry', 'entries')}",
    "too_long": lambda about: f"must have at most {_counted(about['max_length'], 'entry', 'entries')}",
    "string_pattern_mismatch": lambda about: f"does not match {about['pattern']}",
    "literal_error": lambda about: f"write {_in_quotation_marks(about['expected'])}",
    "enum": lambda about: f"write {_in_quotation_marks(about['expected'])}",
}


def words_of(fault: ErrorDetails, model: type[BaseModel]) -> str:
    """The sentence, without its full stop, for a fault that pydantic found where it read a `model`."""
    kind = fault["type"]
    if kind == "extra_forbidden":
        return no_such_key(str(fault["loc"][-1]), _keys_at(model, fault["loc"][:-1]))
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind in _COMPARED:
        return _SPAN.sub(_as_written, fault["msg"].replace(*_COMPARED[kind]))
    if kind in _WITH_BOUNDS:
        return _WITH_BOUNDS[kind](fault.get("ctx", {}))
    return fault["msg"].removeprefix("Value error, ")


def no_such_key(key: str, keys: list[str]) -> str:
    """Says that there is no such key, and suggests the nearest one of `keys`."""
    near = difflib.get_close_matches(key, keys, n=1)
    return f"{NO_SUCH_KEY}; did you mean {near[0]}?" if near else NO_SUCH_KEY


def _as_written(span: re.Match[str]) -> str:
    """The duration as a file has it: 90m or 2d."""
    seconds = int(span[1] or 0) * 86400 + int(span[2] or 0)
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    return f"{seconds // size}{unit}"


def _counted(number: int, one: str, many: str | None = None) -> str:
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def _in_quotation_marks(expected: str) -> str:
    return expected.replace("'", '"')


def _keys_at(model: type[BaseModel], place: tuple[str | int, ...]) -> list[str]:
    """The keys allowed at a place of a file that is read as the `model`. Empty if the author chooses them."""
    found: Any = model
    for part in place:
        models = [*_models(found)]
        known = next((one.model_fields[part] for one in models if part in one.model_fields), None)
        # A number, a name that the writer chose or a branch that pydantic tried: the same models are below it.
        found = known.annotation if known else found
    return sorted({key for one in _models(found) for key in one.model_fields})


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
