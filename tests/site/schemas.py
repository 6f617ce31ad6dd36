"""JSON Schema as Markdown: a table of each object's fields."""

import html
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

LIMITS: Final = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "{} or more",
    "exclusiveMinimum": "more than {}",
    "maximum": "{} or less",
    "exclusiveMaximum": "less than {}",
    "gt": "more than {}",
    "ge": "{} or more",
    "le": "at most {}",
    "lt": "less than {}",
    "minItems": "at least {}",
    "maxItems": "at most {}",
    "minProperties": "at least {}",
    "maxProperties": "at most {}",
    "pattern": "{}",
    "format": "{}",
}


def cell(text: str) -> str:
    """The text as one line, with bars escaped so that it stays in one table cell."""
    return " ".join(text.split()).replace("|", "\\|")


def row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(cell, cells))} |"


def head(*names: str) -> list[str]:
    return [row(names), row("---" for _ in names)]


def _value(value: object) -> str:
    if isinstance(value, str):
        # Code between tags, where a bar can be escaped so that it does not end the cell.
        return f"<code>{html.escape(value, quote=False).replace('|', '&#124;')}</code>"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def kind(schema: Mapping[str, Any]) -> str:
    """The type of a value in words, with a link to each object on the page."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf") or []
    if values or choices:
        return " or ".join(dict.fromkeys([f"`{value}`" for value in values] or map(kind, choices)))
    match schema.get("type", "any value"):
        case "array":
            return f"list of {kind(schema.get('items') or {})}"
        case "object" if isinstance(schema.get("additionalProperties"), dict):
            return f"object, by name, of {kind(schema['additionalProperties'])}"
        case found:
            return "nothing" if found == "null" else str(found)


def limits(schema: Mapping[str, Any]) -> str:
    """The bounds of a value, in words; of each alternative, where it has several."""
    said = [form.format(_value(schema[key])) for key, form in LIMITS.items() if key in schema]
    for choice in schema.get("anyOf", ()):
        said += [limits(choice)]
    if isinstance(schema.get("items"), dict) and limits(schema["items"]):
        said += [f"each: {limits(schema['items'])}"]
    return "; ".join(filter(None, said))


def _default(name: str, schema: Mapping[str, Any], needed: Iterable[str]) -> str:
    if name in needed:
        return "required"
    default = schema.get("default")
    if default is None or default in ("", [], {}):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def fields(schema: Mapping[str, Any], leave_out: Iterable[str] = ()) -> Iterator[str]:
    """The table of an object's fields."""
    yield from head("field", "is", "limits", "default", "meaning")
    for name, value in schema["properties"].items():
        if name not in leave_out:
            default = _default(name, value, schema.get("required", ()))
            yield row([f"`{name}`", kind(value), limits(value), default, value.get("description", "")])


def objects(
    schemas: Mapping[str, Mapping[str, Any]], leave_out: Mapping[str, set[str]] | None = None
) -> Iterator[str]:
    """A section for each named schema."""
    for name, schema in sorted(schemas.items()):
        yield f"\n### {name}\n"
        if schema.get("description"):
            yield " ".join(schema["description"].split()) + "\n"
        if schema.get("properties"):
            yield from fields(schema, (leave_out or {}).get(name, ()))
        else:
            said = limits(schema)
            yield f"{kind(schema)}{f': {said}' if said else ''}"
