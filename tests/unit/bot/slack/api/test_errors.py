import logging
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError
from slack_sdk.web import SlackResponse

from bot.slack.api.errors import as_delivery_errors, code_of, sentence
from orchestration.domain.errors import (
    DeliveryError,
    HubUnavailableError,
    IdempotencyConflictError,
    ThrottledError,
    TryFailedError,
    UnknownRequestError,
)


def refused(error: str, status: int = 200, headers: dict[str, str] | None = None) -> SlackApiError:
    response = SlackResponse(
        client=None,
        http_verb="POST",
        api_url="https://slack.com/api/chat.postMessage",
        req_args={},
        data={"ok": False, "error": error},
        headers=headers or {},
        status_code=status,
    )
    return SlackApiError("refused", response)


def meant(error: Exception) -> Exception:
    """The delivery error that `error` becomes."""
    with pytest.raises(Exception) as out, as_delivery_errors():  # noqa: PT011 - which one is what is asked
        raise error
    return out.value


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [({"Retry-After": "7"}, 7), ({"retry-after": "7"}, 7), ({}, 30), ({"Retry-After": "soon"}, 30)],
)
def test_a_429_says_how_long_to_wait(headers: dict[str, str], seconds: float) -> None:
    out = meant(refused("ratelimited", 429, headers))
    assert isinstance(out, ThrottledError)
    assert out.retry_after == seconds


@pytest.mark.parametrize("error", ["channel_not_found", "is_archived", "invalid_blocks", "user_not_found"])
def test_what_trying_again_cannot_cure(error: str) -> None:
    out = meant(refused(error))
    assert isinstance(out, DeliveryError)
    assert str(out).endswith(f"({error}).")


@pytest.mark.parametrize(
    ("error", "maybe_done", "said"),
    [
        (refused("internal_error"), True, "Slack had trouble of its own (internal_error)."),
        (refused("invalid_auth"), False, "set SLACK_BOT_TOKEN anew (invalid_auth)."),
        (refused("missing_scope"), False, "with the scopes of manifest.yml (missing_scope)."),
        (refused("something_new"), True, "a code that Countersign does not know (something_new)."),
        (refused("Received a response in a non-JSON format: <html>", 503), True, "(HTTP 503)."),
        (TimeoutError(), True, "Slack did not answer (TimeoutError)."),
        (ConnectionRefusedError(), True, "Slack did not answer (ConnectionRefusedError)."),
    ],
)
def test_what_may_heal_is_tried_again_and_says_what_would_help(
    error: Exception, maybe_done: bool, said: str
) -> None:
    out = meant(error)
    assert isinstance(out, TryFailedError)
    assert out.maybe_done is maybe_done
    assert str(out).endswith(said)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (HubUnavailableError(), "nothing was recorded"),
        (UnknownRequestError(), "I don't know this request."),
        (IdempotencyConflictError(), "This form was already sent once"),
        (refused("expired_trigger_id"), "Please press once more."),
        (refused("internal_error"), "Slack did not take the answer just now."),
        (refused("exchanged_trigger_id"), "Please press once more."),
        (TimeoutError(), "Slack did not take the answer just now."),
        (KeyError("view"), "Something went wrong on our side"),
    ],
)
def test_a_person_gets_a_sentence(error: Exception, said: str) -> None:
    assert said in sentence(error)


def test_the_unforeseen_is_logged_with_its_trace(caplog: pytest.LogCaptureFixture) -> None:
    try:
        dict[str, str]()["view"]
    except KeyError as error:
        sentence(error)
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info


def test_an_answer_that_is_not_slacks_has_no_code() -> None:
    """The async client returns the HTTP library's own response where the body is no JSON."""
    response: Any = object()
    assert code_of(SlackApiError("no JSON", response)) == ""
    words = refused("-").response
    words.data = "Internal Server Error"
    assert code_of(SlackApiError("words", words)) == ""
    assert code_of(ValueError()) == ""
