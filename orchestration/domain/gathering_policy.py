"""The policies of gatherings, as models: their sources, fields and time limits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from orchestration.domain.fields import FieldSpec
from orchestration.domain.ids import PersonId, PlaceId
from orchestration.domain.names import folded, is_own_event
from orchestration.domain.request import Duration, Recorded, to_json

KIND: Final = "gathering"

SourceName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Fields = Annotated[list[FieldSpec], Field(min_length=1, max_length=10)]


class Source(Recorded):
    """A source: a person, who is asked by a direct message, or a system, which answers by a webhook.

    A system answers by its `event`. It is asked by a POST to `post`. Without `post`, the program that starts the
    gathering gives it the address to answer at. `fields` replace the policy's.
    """

    label: str | None = Field(default=None, max_length=48)
    person: PersonId | None = None
    event: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,59}$")
    post: str | None = Field(default=None, pattern=r"^https?://[^\s]+$", max_length=500)
    fields: Fields | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.person is None) == (self.event is None):
            raise ValueError(
                "a source has either person, who is asked by a direct message, or event, by which a system answers"
            )
        if self.post is not None and self.event is None:
            raise ValueError("post asks a system; give the event by which it answers")
        if self.event is not None and is_own_event(self.event):
            raise ValueError(f"{self.event} is one of Countersign's own events; choose another name")
        return self


class GatheringEscalation(Recorded):
    """Who else is told of missing answers, and how long after the question: a channel, and people in it."""

    channel: PlaceId
    after: Duration
    notify: list[PersonId] = Field(default_factory=list, max_length=20)


class GatheringPolicy(Recorded):
    """How one kind of gathering is done. A copy travels in each instance, so a later edit changes none that runs."""

    key: str = Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")
    kind: Literal["gathering"] = KIND
    title: str = Field(min_length=1, max_length=60)
    channel: PlaceId
    fields: Fields
    sources: dict[SourceName, Source] = Field(min_length=1, max_length=20)
    timeout: Duration
    remind_every: Duration | None = None
    owner: PersonId | None = Field(
        default=None, description="Who is told if something keeps failing; else the requester"
    )
    delegates: list[PersonId] | None = Field(
        default=None,
        max_length=100,
        description="Who may answer for somebody away; an empty list lets nobody",
    )
    escalation: GatheringEscalation | None = None
    edits_retried_for: Duration = timedelta(days=3)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        faults = [fault for fields in self._each_fields() for fault in _twice(fields)]
        events = [folded(source.event) for source in self.sources.values() if source.event]
        if len(set(events)) < len(events):
            faults.append("two sources have the same event, so nobody could tell whose answer it is")
        if self.remind_every is not None and self.remind_every < timedelta(minutes=1):
            faults.append("remind_every is at least a minute")
        if self.escalation is not None and not timedelta(minutes=1) <= self.escalation.after < self.timeout:
            faults.append("escalation.after is at least a minute, and sooner than timeout")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _each_fields(self) -> list[list[FieldSpec]]:
        own = [source.fields for source in self.sources.values() if source.fields]
        return [self.fields, *own]

    def fields_of(self, source: str) -> Sequence[FieldSpec]:
        """The fields that the source is asked for."""
        return self.sources[source].fields or self.fields

    def title_of(self, source: str) -> str:
        """The source's name, for people."""
        return self.sources[source].label or source.replace("_", " ").replace("-", " ").capitalize()

    def source_of_event(self, event: str) -> str | None:
        """The source that answers by that event; None where the policy declares none."""
        return next((name for name, source in self.sources.items() if source.event == event), None)

    def people(self) -> list[str]:
        """Every person who is asked, once, in order."""
        return list(dict.fromkeys(source.person for source in self.sources.values() if source.person))

    def may_stand_in(self, delegate: str, person: str, *, requester: str, entered: str | None) -> bool:
        """Whether `delegate` may be asked in the place of `person`, who is away.

        `entered` is who the operator entered as the delegate of `person`, if anybody. The requester may stand in for
        nobody.
        """
        if delegate in {person, requester}:
            return False
        if self.delegates is not None:  # a policy that lists its delegates means these alone
            return delegate in self.delegates
        return delegate in self.people() or delegate == entered

    def digest(self) -> str:
        """SHA-256 (hex) over canonical JSON of what was written, as of any policy."""
        written = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return hashlib.sha256(to_json(written).encode()).hexdigest()


def _twice(fields: Sequence[FieldSpec]) -> list[str]:
    names = [field.name for field in fields]
    return [f"the field {name} is listed twice" for name in sorted({n for n in names if names.count(n) > 1})]
