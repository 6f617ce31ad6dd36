"""Translates errors: for an activity (wait, give up or try again), and for a person (a sentence)."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp
import urllib3
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.slack.api.codes import EXPIRED, REFUSALS, Meaning
from orchestration.domain.commands import Reason
from orchestration.domain.errors import (
    CountersignError,
    DeliveryError,
    IdempotencyConflictError,
    ThrottledError,
    TryFailedError,
    UnknownRequestError,
)
from orchestration.service import messages

log = logging.getLogger(__name__)

DEFAULT_WAIT: Final = 30.0  # seconds, where a 429 does not say how long

SLACK_UNREACHABLE: Final = "Slack did not take the answer just now. Please look at the card, then try again."
TOO_SLOW: Final = "That took too long for Slack, so no form could be opened. Please press once more."
FORM_SENT_BEFORE: Final = (
    "This form was already sent once, with other words. "
    "Please close it and look in the channel before you ask again."
)
UNEXPECTED: Final = (
    "Something went wrong on our side, so this may not have worked. Please look at the card before you try again; "
    "the operators have the details."
)

# What a call to Slack may raise: refusals, and failures of the network.
SLACK_FAILURES: Final = (SlackClientError, aiohttp.ClientError, urllib3.exceptions.HTTPError, OSError)
# The failures before there was a connection, so the call cannot have reached Slack.
_UNSENT: Final = (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError)


def code_of(error: BaseException) -> str:
    """Slack's error code; "" when the error is not an answer of Slack's."""
    if isinstance(error, TryFailedError | DeliveryError | ThrottledError) and error.__cause__ is not None:
        return code_of(error.__cause__)
    if not isinstance(error, SlackApiError):
        return ""
    # If the answer was not JSON, `response` is the HTTP library's own response, or its data is a text.
    data = getattr(error.response, "data", error.response)
    code = data.get("error") if isinstance(data, dict) else None
    return code if isinstance(code, str) else ""


def described(error: BaseException) -> str:
    """Describes the error for the log: Slack's code, else the HTTP status, else the text of the exception."""
    if isinstance(error, SlackApiError):
        return code_of(error) or f"HTTP {_status(error)}, without an answer in JSON"
    return f"{type(error).__name__}: {error}"[:200].removesuffix(": ")


def asked_to_wait(error: BaseException) -> float:
    """Seconds that Slack asks to wait; 0 where it does not."""
    return _retry_after(error) if isinstance(error, SlackApiError) and _status(error) == 429 else 0.0


@contextmanager
def as_delivery_errors() -> Iterator[None]:
    """Turns Slack's refusals, and calls without an answer, into what the ports raise: see `bot.slack.api.codes`."""
    try:
        yield
    except SlackApiError as error:
        code = code_of(error)
        refusal = REFUSALS.get(code)
        status = _status(error)
        if status == 429 or (refusal and refusal.meaning is Meaning.WAIT):
            raise ThrottledError(_retry_after(error)) from error
        if refusal is None:
            raise TryFailedError(_unknown(code, status)) from error
        said = f"{refusal.remedy} ({code})."
        if refusal.meaning is Meaning.NEVER:
            raise DeliveryError(said) from error
        raise TryFailedError(said, maybe_done=refusal.meaning is Meaning.AGAIN) from error
    except SLACK_FAILURES as error:
        maybe_done = not isinstance(error, _UNSENT)
        raise TryFailedError(
            f"Slack did not answer ({type(error).__name__}).", maybe_done=maybe_done
        ) from error


def _unknown(code: str, status: int) -> str:
    """A sentence for an unknown code, which it quotes."""
    if re.fullmatch(r"[a-z_]{1,60}", code):
        return f"Slack refused it, with a code that Countersign does not know ({code})."
    return f"Slack did not answer as it should (HTTP {status})."


def sentence(error: BaseException) -> str:
    """What to tell the person whose press or command ended in `error`. An unexpected error is logged with its trace."""
    match error:
        case IdempotencyConflictError():
            return FORM_SENT_BEFORE
        case UnknownRequestError():
            return messages.SENTENCES[Reason.UNKNOWN_REQUEST]
        case CountersignError():
            return str(error)
        case SlackApiError() if code_of(error) in EXPIRED:
            return TOO_SLOW
        case SlackClientError() | aiohttp.ClientError() | ConnectionError() | TimeoutError():
            log.warning("Slack did not take an answer: %s", code_of(error) or type(error).__name__)
            return SLACK_UNREACHABLE
        case _:
            log.error("a listener failed", exc_info=error)
            return UNEXPECTED


def _status(error: SlackApiError) -> int:
    """The HTTP status; 0 if unknown. If the answer was not JSON, `response` is the HTTP library's own response."""
    status = getattr(error.response, "status_code", getattr(error.response, "status", 0))
    return status if isinstance(status, int) else 0


def _retry_after(error: SlackApiError) -> float:
    """The seconds in the `Retry-After` header, whose case differs between HTTP libraries."""
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    try:
        seconds = float(headers["retry-after"])
    except (KeyError, ValueError):
        return DEFAULT_WAIT
    return max(seconds, 0.0) if math.isfinite(seconds) else DEFAULT_WAIT
