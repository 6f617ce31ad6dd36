"""Faults of the SMS provider, on demand."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bot.simulator.sms.rest_errors import KNOWN_CODES
from bot.simulator.workspace.texts import PlannedOutcome

# Unreachable destination handset. Source: https://www.twilio.com/docs/api/errors/30003
UNREACHABLE = 30003
OPTED_OUT = 21610


class SmsFault(BaseModel):
    """The next `count` sends through the API fail or go wrong; -1 is for ever. With `to`, only those to that number.

    With `seconds`, it ends after so much real time.

    `kind` is one of

    - ``ratelimited``: 429 with `retry_after` seconds; ``http_500``: refused with 500.
    - ``refuse``: refused with Twilio's `code`, by default 21610, opted out.
    - ``lost_answer``: taken, and delivered, but the answer is 500: the sender cannot know.
    - ``drop``: taken, never delivered, and no callback.
    - ``undeliverable``: taken, then `status` (undelivered or failed) with error `code`, by default 30003.
    - ``delay``: callbacks are `delay` seconds of real time late; delivery is not.

    Raises pydantic's ValidationError when it makes no sense.
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
    def _code_is_known(self) -> Self:
        if self.kind == "refuse" and self.refusal not in KNOWN_CODES:
            raise ValueError(f"no send is refused with {self.code}")
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
