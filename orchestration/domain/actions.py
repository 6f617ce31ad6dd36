"""The actions that run on an outcome, or on entering a state of a fulfilment."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from orchestration.domain.ids import RecipientId
from orchestration.domain.request import EventFormat, Recorded


class Action(Recorded):
    """One action of an outcome: exactly one of `post`, `notify` and `activity` is set."""

    post: str | None = Field(
        default=None, pattern=r"^https?://[^\s]+$", max_length=500, description="POST JSON there"
    )
    format: EventFormat | None = Field(
        default=None, description="How the outcome is written in a POST; `standard` without it"
    )
    notify: RecipientId | None = None
    activity: str | None = Field(
        default=None, min_length=1, max_length=100, description="The name of an installed action"
    )

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        if sum(part is not None for part in (self.post, self.notify, self.activity)) != 1:
            raise ValueError("an action has exactly one of post, notify and activity")
        if self.format is not None and self.post is None:
            raise ValueError("format says how a post is written; this action has none")
        return self

    @property
    def label(self) -> str:
        """The action's name in messages about its result. An address gives its host only: its path may be secret."""
        if self.post is not None:
            return _host(self.post)
        return self.activity or self.notify or ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or "the system"
    except ValueError:
        return "the system"


def _listed(value: object) -> object:
    """Wraps a single action in a list: a file may give one action without the list."""
    return [value] if isinstance(value, dict) else value


Actions = Annotated[list[Action], BeforeValidator(_listed), Field(max_length=5)]
