"""Models of the tools' inputs and results. A request is checked by the same model as in the HTTP API."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from bot.http.api.commands import KEY_PATTERN
from bot.http.api.models import Matter, Text
from orchestration.domain.request import Model, Status

LONGEST_WAIT: Final = timedelta(hours=1)
# Many clients time a tool out after a minute.
WAIT: Final = timedelta(seconds=50)

RequestId = Annotated[
    str, Field(min_length=1, max_length=100, description="The ID that request_approval returned")
]


class AskArguments(Matter):
    """What to ask, and the key that makes a repeat one."""

    idempotency_key: Annotated[
        str,
        Field(
            pattern=KEY_PATTERN,
            description="1 to 200 visible ASCII characters that you make up for this request, such as a UUID. After a "
            "lost answer, call again with the same key and the same arguments: people are asked once. A new request "
            "needs a new key",
        ),
    ]


class StatusArguments(Model):
    """Which request."""

    id: RequestId


class WaitArguments(Model):
    """Which request, and for how long."""

    id: RequestId
    wait_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=int(LONGEST_WAIT.total_seconds()),
            description="For how long to wait at most, in seconds. Stay below the time limit that your client has "
            "for a tool",
        ),
    ] = int(WAIT.total_seconds())


class WithdrawArguments(Model):
    """Which request, and why."""

    id: RequestId
    reason: Annotated[Text, Field(max_length=2000, description="Why, for the people who were asked")] = ""


class Standing(BaseModel):
    """Where a request stands, and how it ended."""

    status: Status
    policy: str
    title: str
    asked_at: datetime
    deadline: datetime | None
    card_url: str | None = Field(description="Where people find its card in Slack; null until it is posted")
    waiting_for: list[str] = Field(description="People and groups, by their IDs")
    decided_by: str | None
    decided_at: datetime | None
    comment: str = Field(description="What the person wrote who decided")
    reason: str = Field(description="Why it ended, where no person decided it")
    receipt: str | None = Field(description="A signed JWS that proves the outcome to others")


class AgentAnswer(BaseModel):
    """An answer to an agent."""

    id: str
    answer: Literal["yes", "no", "pending"] = Field(
        description="`yes`: approved, with a receipt. `no`: it ended in any other way. `pending`: not decided yet"
    )
    next: str = Field(description="What to do now")
    standing: Standing | None = Field(description="null where it could not be looked at just now")
