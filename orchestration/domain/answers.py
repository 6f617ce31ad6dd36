"""Answers that are still owed to people: results of their acts that the chat system did not wait for."""

from __future__ import annotations

from pydantic import Field

from orchestration.domain.ids import PersonId
from orchestration.domain.request import Recorded


class AwaitedVerdict(Recorded):
    """A command whose verdict is to be told. `accepted` is the text if it counts; empty if the card shows it."""

    request_id: str
    command_id: str
    fingerprint: str
    retries: bool = False
    accepted: str = ""


class AwaitedCode(Recorded):
    """A typed code whose judgement is to be told."""

    challenge: str
    command_id: str


class OwedAnswer(Recorded):
    """Input of `tell_answer`: to whom, where, and what.

    The `words` where they were known, else what they depend on. `place` is the channel in which the person acted; None
    where there was none. There only they see it.
    """

    person: PersonId
    place: str | None = None
    words: str = ""
    verdict: AwaitedVerdict | None = None
    code: AwaitedCode | None = None
    attempt: int = Field(default=1, ge=1)


class AnswerBatch(Recorded):
    """Input of `owed_answer`: the answers that were put on record together. Each is named by its index, from 0."""

    answers: list[OwedAnswer] = Field(min_length=1)


class AnswersTold(Recorded):
    """Payload of `AnswerTold`: the indices of the batch's answers that have been delivered."""

    told: list[int]
