"""The schema of a tool's arguments, which comes from outside: the used parts, and limits on its cost."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from orchestration.domain.argument_schema import fault_of, schema_fault
from orchestration.domain.arguments import masked, masked_places

NESTED: dict[str, Any] = {}
for _ in range(100):
    NESTED = {"not": NESTED}
DOUBLING = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(20)}


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"$ref": "http://127.0.0.1:1/x"}, "outside of it"),
        ({"$ref": "file:///etc/passwd"}, "outside of it"),
        ({"$ref": "#/$defs/none"}, "which is not there"),
        ({"properties": {"a": {"$ref": "#"}}}, "refers to itself"),
        ({"$dynamicRef": "#x"}, "not supported"),
        ({"properties": {"a": {"$id": "http://x/y"}}}, "has \\$id within it"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "another dialect"),
        ({"type": "banana"}, "is no JSON Schema"),
        ({"properties": {"a": {"pattern": "^(?=x)"}}}, "is no JSON Schema"),
        ({"properties": {"a": {"pattern": "(.{1,900}){1,900}"}}}, "is no JSON Schema"),
        ({"description": "x" * 40_000}, "more than 32 KB"),
        (NESTED, "nested too deeply"),
        ({"$defs": {**DOUBLING, "a20": {}}, "$ref": "#/$defs/a0"}, "too long to check|too deeply"),
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_at_once(schema: dict[str, Any], says: str) -> None:
    began = time.monotonic()
    fault = schema_fault(schema)
    assert fault is not None
    assert re.search(says, fault), fault
    assert time.monotonic() - began < 2


def test_what_does_not_fit_is_named() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {
            "limit": {"$ref": "#/definitions/few"},
            "id": {"type": "string", "pattern": "^(a+)+$"},
        },
        "definitions": {"few": {"type": "integer", "maximum": 100}},
    }
    assert schema_fault(schema) is None
    assert fault_of(schema, {"limit": 100, "id": "aa"}) is None
    assert fault_of(schema, {"limit": 101}) == ("limit", "101 is greater than the maximum of 100")
    began = time.monotonic()
    found = fault_of(schema, {"id": "a" * 9000 + "!"})
    assert found is not None
    assert found[0] == "id"
    assert time.monotonic() - began < 2


def test_what_would_take_too_long_is_not_checked_and_not_taken() -> None:
    schema = {
        "properties": {"list": {"items": {"allOf": [{"not": {"pattern": f"{n}$"}} for n in range(400)]}}}
    }
    assert schema_fault(schema) is None
    assert fault_of(schema, {"list": ["x"] * 1000}) == (
        "",
        "it takes too long to check them against the tool's schema",
    )
    assert fault_of(schema, {"list": ["1"] * 60}) == ("", "they do not fit the tool's schema")


def test_what_is_wrong_with_the_place_of_a_masked_value_is_passed_over_and_nothing_else_is() -> None:
    key = {"properties": {"key": {"pattern": "^sk-"}}}
    schema = {"properties": {"env": {"items": key}, "limit": {"maximum": 1}}}
    arguments = {"env": [{"key": "sk-1"}, {"key": "sk-2"}], "limit": 1}
    shown, bound = masked(arguments, ["env.*.key"], str)
    places = set(masked_places(shown, bound))
    assert places == {("env", 0, "key"), ("env", 1, "key")}
    assert fault_of(schema, shown) == ("env.0.key", '"[masked]" does not match "^sk-"')
    assert fault_of(schema, shown, places) is None
    assert fault_of(schema, shown | {"limit": 2}, places) == ("limit", "2 is greater than the maximum of 1")
