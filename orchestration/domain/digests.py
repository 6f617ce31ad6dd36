"""A channel's hourly digest: its lines, its counts, and the inputs of its activities."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from orchestration.domain.posting import Posting
from orchestration.domain.request import Identity, Recorded


class AutoApprovalNotice(StrEnum):
    """How the channel is told what was approved by rule: each by a card of its own, or together once an hour."""

    EACH = "each"
    DIGEST = "digest"


class DigestLine(Recorded):
    """One auto-approved request. It is the payload of the event `DigestLine`."""

    request_id: str = Field(max_length=100)
    identity: Identity
    policy_title: str = Field(max_length=60)
    title: str = Field(max_length=150)
    requester: str = Field(max_length=80)
    amount: Decimal | None = None
    currency: str | None = Field(default=None, max_length=3)
    owner: str | None = Field(
        default=None, max_length=80, description="Who hears of a digest that is not posted"
    )
    asked_without_seal: bool = Field(
        default=False, description="Another program says who asks, and nobody checked it"
    )

    @property
    def key(self) -> str:
        """Identifies the request and its start, so that the same line is counted once."""
        return f"{self.request_id}:{self.identity.nonce[:8]}"


class DigestTotal(Recorded):
    """The total approved in one currency. None: amounts without a currency. Requests without an amount are left out."""

    currency: str | None
    total: Decimal
    count: int


class DigestSummary(Recorded):
    """What one message says. Everything is counted; of the requests only `lines` are named."""

    since: datetime
    count: int = 0
    totals: list[DigestTotal] = Field(default_factory=list)
    people: dict[str, int] = Field(default_factory=dict, description="Who asked, and for how many of them")
    others: int = Field(default=0, description="How many more, by people who found no place")
    unchecked: int = Field(default=0, description="How many more, of which nobody checked who asks")
    lines: list[DigestLine] = Field(default_factory=list, description="The largest, in the order they came")
    owner: str | None = None

    @property
    def unlisted(self) -> int:
        """How many of the requests are only counted."""
        return self.count - len(self.lines)


class AddToDigestInput(Recorded):
    """Input of `add_to_digest`: the line, for the digest of that channel."""

    channel: str
    line: DigestLine
    attempt: int = Field(ge=1)


class PostDigestInput(Posting):
    """Input of `post_digest`: post the summary of `channel` to `place`, which is the channel or a person.

    `digest_id` is the same over all tries. Where the channel cannot be posted to, `problem` says why.
    """

    digest_id: str
    channel: str
    place: str
    summary: DigestSummary
    problem: str = ""
