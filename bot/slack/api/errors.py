"""What errors mean, in one place: to an activity (wait, give up, try again) and to a person (a sentence)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from orchestration.domain.commands import Reason
from orchestration.domain.errors import (
    CountersignError,
    DeliveryError,
    IdempotencyConflictError,
    ThrottledError,
    UnknownRequestError,
)
from orchestration.service import messages

log = logging.getLogger(__name__)

DEFAULT_WAIT: Final = 30.0  # seconds, where a 429 names none

# What trying again cannot cure, with what a person can do about it. Anything else is tried again: a token that is
# being rotated, a scope that is being granted or an outage heals without us, and the retry is bounded by its deadline.
HOPELESS: Final = {
    "channel_not_found": "Slack knows no such channel, or the app is not in it: invite the app, or mend the policy",
    "not_in_channel": "the app is not in that channel: invite it",
    "is_archived": "the channel is archived",
    "is_inactive": "the channel is archived",
    "restricted_action": "the workspace does not let the app post there",
    "restricted_action_read_only_channel": "the channel is read-only",
    "restricted_action_thread_only_channel": "the channel takes only threads",
    "not_allowed": "the workspace does not let the app do that",
    "user_not_found": "Slack knows no such person",
    "users_not_found": "Slack knows no such person",
    "user_disabled": "that person's account is deactivated",
    "user_not_visible": "the app may not see that person",
    "cannot_dm_bot": "that person is an app, which reads no messages",
    "messages_tab_disabled": "the app's Messages tab is switched off: see manifest.yml",
    "no_such_subteam": "Slack knows no such user group",
    "invalid_blocks": "Slack refused the layout of the card",
    "invalid_blocks_format": "Slack refused the layout of the card",
    "invalid_arguments": "Slack refused the message",
    "msg_too_long": "the card is too long for Slack",
    "msg_blocks_too_long": "the card is too long for Slack",
    "metadata_too_large": "Slack refused the card's metadata",
    "invalid_metadata_format": "Slack refused the card's metadata",
    "metadata_must_be_sent_from_app": "Slack takes a card's metadata from an app's own token only",
}
THROTTLED: Final = frozenset({"ratelimited", "rate_limited"})
EXPIRED: Final = frozenset({"expired_trigger_id", "trigger_expired", "trigger_exchanged"})

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

# What a call to Slack may raise: refusals, and every way in which a network fails.
SLACK_FAILURES: Final = (SlackClientError, aiohttp.ClientError, HTTPException, OSError)


def code_of(error: BaseException) -> str:
    """Slack's own error code; "" when this is no answer of Slack's."""
    if not isinstance(error, SlackApiError):
        return ""
    # An answer that was not JSON comes as the HTTP library's own response, which has no such thing.
    code = error.response.get("error") if hasattr(error.response, "get") else None
    return code if isinstance(code, str) else ""


@contextmanager
def as_delivery_errors() -> Iterator[None]:
    """Turns what Slack refuses into `ThrottledError` or `DeliveryError`; all else goes through, to be tried again."""
    try:
        yield
    except SlackApiError as error:
        if error.response.status_code == 429 or code_of(error) in THROTTLED:
            raise ThrottledError(_retry_after(error)) from error
        if remedy := HOPELESS.get(code_of(error)):
            raise DeliveryError(f"{remedy} ({code_of(error)}).") from error
        raise


def sentence(error: BaseException) -> str:
    """What to tell the person whose press or command ended in `error`. The unforeseen is logged with its trace."""
    match error:
        case IdempotencyConflictError():
            return FORM_SENT_BEFORE
        case UnknownRequestError():
            return messages.SENTENCES[Reason.UNKNOWN_REQUEST]
        case CountersignError():
            return str(error)
        case SlackApiError() if code_of(error) in EXPIRED:
            return TOO_SLOW
        case SlackClientError() | aiohttp.ClientError():
            log.error("Slack refused or was not there", exc_info=error)
            return SLACK_UNREACHABLE
        case _:
            log.error("a listener failed", exc_info=error)
            return UNEXPECTED


def _retry_after(error: SlackApiError) -> float:
    """Seconds, of the header whose case each HTTP library spells its own way."""
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    try:
        return max(float(headers["retry-after"]), 0.0)
    except (KeyError, ValueError):
        return DEFAULT_WAIT
