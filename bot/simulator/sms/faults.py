"""Faults of the SMS provider, on demand."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.simulator.sms.numbers import is_e164
from bot.simulator.sms.rest_errors import KNOWN_CODES, playable
from bot.simulator.workspace.texts import PlannedOutcome

# Unreachable destination handset. Source: https://www.twilio.com/docs/api/errors/30003
UNREACHABLE = 30003
OPTED_OUT = 21610
# A planned refusal looks only at the receiver of a send, so its message can have no other detail.
REFUSALS = playable("to")
# The error codes that a delivery report can have: from the carrier, and from channels.
REPORTED = (range(30001, 31000), range(63001, 64000))


class SmsFault(BaseModel):
    """The next `count` sends through the API fail or go wrong; -1 is forever. With `to`, only sends to that number.

    With `seconds`, the fault ends after that much real time.

    `kind` is one of

    - ``ratelimited``: 429 with `retry_after` seconds; ``http_500``: refused with 500.
    - ``refuse``: refused with Twilio's `code`, by default 21610, opted out. Codes whose message names more than the
      receiver (20404, 21606, 21609) are not possible; send a request that Twilio refuses with that code.
    - ``lost_answer``: accepted and delivered, but the answer is 500, so the sender cannot know.
    - ``drop``: accepted, never delivered, and no callback.
    - ``undeliverable``: accepted, then `status` (undelivered or failed) with error `code`, by default 30003.
    - ``delay``: callbacks are `delay` seconds of real time late; delivery is not.

    Raises pydantic's ValidationError for values that are invalid, or that the simulator cannot play.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    service: Literal["sms"]
    kind: Literal["ratelimited", "http_500", "refuse", "lost_answer", "drop", "undeliverable", "delay"]
    count: int = Field(default=1, ge=-1)
    to: str | None = None
    code: int | None = None
    status: Literal["undelivered", "failed"] = "undelivered"
    retry_after: int = Field(default=1, ge=0)
    delay: float = Field(default=0.0, ge=0.0, le=600.0)
    seconds: float | None = Field(default=None, gt=0, le=3600)

    @model_validator(mode="after")
    def _can_be_played(self) -> Self:
        if self.kind == "refuse" and self.refusal not in KNOWN_CODES:
            raise ValueError(f"no send is refused with {self.code}")
        if self.kind == "refuse" and self.refusal not in REFUSALS:
            raise ValueError(f"{self.code} says what is wrong with the request; send such a request instead")
        if self.kind == "undeliverable" and not any(self.outcome().end_code in codes for codes in REPORTED):
            raise ValueError(f"no delivery report has {self.code}; codes of reports are 30xxx and 63xxx")
        if self.kind not in {"refuse", "undeliverable"} and self.code is not None:
            raise ValueError(f"{self.kind} has no code")
        if self.to is not None and not is_e164(self.to):
            raise ValueError(f"no text is sent to {self.to!r}; write a number as +15551234567")
        if self.count == 0:
            raise ValueError("a fault that strikes no send changes nothing; count is 1 or more, or -1")
        return self

    @property
    def refusal(self) -> int:
        """The code with which ``refuse`` refuses a send."""
        return OPTED_OUT if self.code is None else self.code

    def hits(self, to: str) -> bool:
        """Say whether the fault applies to a send to this number."""
        return self.to in {None, to}

    def outcome(self) -> PlannedOutcome:
        """Return how a text ends that was accepted while this fault is active."""
        match self.kind:
            case "drop":
                return PlannedOutcome("dropped")
            case "undeliverable":
                return PlannedOutcome(
                    self.status, UNREACHABLE if self.code is None else self.code, self.delay
                )
            case _:
                return PlannedOutcome(delay=self.delay)
