"""Makes the commands that services hand to the hub, from what a person or a program gave."""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from orchestration.domain.commands import SealedCommand
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.ids import IdReader

C = TypeVar("C", bound=SealedCommand)


def made(model: type[C], ids: IdReader, **given: object) -> C:
    """The command. `ids` checks whom it names. Raises `InvalidRequestError`, which names the field that is not fit."""
    try:
        return model.model_validate(given, context=ids)
    except ValidationError as error:
        fault = error.errors()[0]
        field = str(fault["loc"][0]) if fault["loc"] else "edits"  # the only fault that involves two fields
        raise InvalidRequestError(
            f"{field}: {fault['msg'].removeprefix('Value error, ')}.", field=field
        ) from error
