"""Faults of the SMS provider, on demand."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.simulator.sms.numbers import is_e164
from bot.simulator.sms.rest_errors import KNOWN_CODES, playable
from bot.simulator.workspace.texts import PlannedOutcome

# Unreachable destination handset. Source: https://www.twilio.com/docs/api/errors/30003
UNREACHABLE = 30003
OPTED_OUT = 21610
# Of a send that is to fail anyhow only the receiver is looked at, so a refusal can speak of nothing else.
REFUSALS = playable("to")
# Those that a delivery report can have: of the carrier, and of channels.
REPORTED = (range(30001, 31000), range(63001, 64000))


class SmsFault(BaseModel):
    """The next `count` sends through the API fail or go wrong; -1 is for ever. With `to`, only those to that number.

    With `seconds`, it ends after so much real time.

    `kind` is one of

    - ``ratelimited``: 429 with `retry_after` seconds; ``http_500``: refused with 500.
    - ``refuse``: refused with Twilio's `code`, by default 21610, opted out. One whose words speak of more than the
      receiver (20404, 21606, 21609) comes by a send that has that fault.
    - ``lost_answer``: taken, and delivered, but the answer is 500: the sender cannot know.
    - ``drop``: taken, never delivered, and no callback.
    - ``undeliverable``: taken, then `status` (undelivered or failed) with error `code`, by default 30003.
    - ``delay``: callbacks are `delay` seconds of real time late; delivery is not.

    Raises pydantic's ValidationError when it makes no sense, or cannot be played.
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
        """The code that ``refuse`` refuses with."""
        return OPTED_OUT if self.code is None else self.code

    def hits(self, to: str) -> bool:
        """Say whether it strikes a send to this number."""
        return self.to in {None, to}

    def outcome(self) -> PlannedOutcome:
        """Give how a text ends that is accepted under this fault."""
        match self.kind:
            case "drop":
                return PlannedOutcome("dropped")
            case "undeliverable":
                return PlannedOutcome(
                    self.status, UNREACHABLE if self.code is None else self.code, self.delay
                )
            case _:
                return PlannedOutcome(delay=self.delay)
