"""Turns our models into JSON on the wire, and back."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from durabletask.serialization import DataConverter
from pydantic import BaseModel, TypeAdapter
from pydantic_core import to_json


class PydanticConverter(DataConverter):
    """Writes pydantic models (and plain JSON values), and reads them back when a model type is asked for.

    Reading validates: a payload that does not fit raises `pydantic.ValidationError`. Anyone may raise an event, so
    event payloads are taken raw; the orchestrator validates them and answers a bad one.
    Unknown names are ignored in every model: another release wrote them.
    """

    def serialize(self, value: Any) -> str | None:
        """`None` stays `None`; equal values give equal strings, as replay needs."""
        return None if value is None else to_json(value).decode()

    def deserialize(self, data: str | None, target_type: type | None = None) -> Any:
        """Plain JSON values, or a validated `target_type`. Text that is not JSON is returned unchanged."""
        if not data:
            return None
        if target_type is not None:
            return _adapter(target_type).validate_json(data, extra="ignore")
        try:
            return json.loads(data)
        except (
            ValueError,
            RecursionError,
        ):  # an event from a sender that writes no JSON, or nests it too deeply
            return data

    def coerce(self, value: Any, target_type: type | None = None) -> Any:
        """`value` as `target_type`, validated; as it is when no type is asked for."""
        if target_type is None or value is None:
            return value
        return _adapter(target_type).validate_python(value, extra="ignore")

    def can_reconstruct(self, target_type: Any) -> bool:
        """Whether a value can be rebuilt from a type hint: only our models can. All else arrives as plain JSON."""
        return isinstance(target_type, type) and issubclass(target_type, BaseModel)


@cache
def _adapter(target_type: Any) -> TypeAdapter[Any]:
    """The adapter of a type, made once: making one takes longer than reading most payloads with it."""
    return TypeAdapter(target_type)
