"""What the SDK logs of a hub that is away, or that needs an answer no longer: a line, and seldom."""

from __future__ import annotations

import logging

import grpc
import pytest

from orchestration.runtime.sdk_log import SDK_LOG, SELDOM, ForeseenTroubleFilter
from tests.support.refused_call import RefusedCall

REFUSED = (
    "<_InactiveRpcError of RPC that terminated with:\n\tstatus = StatusCode.UNAVAILABLE\n"
    '\tdetails = "failed to connect to all addresses"\n\tdebug_error_string = "UNAVAILABLE:failed to connect"\n>'
)


def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    trace = (type(error), error, None) if error else None
    return logging.LogRecord("durabletask", logging.ERROR, "", 0, message, (), trace)


def test_a_cancelled_timer_that_fires_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """The SDK warns of each cancelled timer that fires. Only that warning is dropped."""
    SDK_LOG.warning("purchase-1: Ignoring unexpected timerFired event with ID = 32.")
    SDK_LOG.warning("purchase-1: something else")
    assert [found.getMessage() for found in caplog.records] == ["purchase-1: something else"]


@pytest.mark.parametrize(
    ("code", "details", "line"),
    [
        (
            grpc.StatusCode.FAILED_PRECONDITION,
            "It was completed before.",
            "the task hub has no use for the activity response for 'post_card#2': It was completed before.",
        ),
        (
            grpc.StatusCode.UNAVAILABLE,
            "Socket closed",
            "the task hub did not take the activity response for 'post_card#2', and has it done again: Socket closed",
        ),
    ],
)
def test_an_answer_that_the_hub_does_not_take_is_one_warning(
    code: grpc.StatusCode, details: str, line: str
) -> None:
    text = f"Failed to deliver activity response for 'post_card#2' to sidecar: {REFUSED}"
    found = record(text, RefusedCall(code, details))
    assert ForeseenTroubleFilter().filter(found)
    assert (found.getMessage(), found.levelname, found.exc_info) == (line, "WARNING", None)


def test_a_fault_of_our_own_keeps_its_traceback() -> None:
    found = record("Failed to deliver activity response for 'post_card#2' to sidecar: 'x'", KeyError("x"))
    assert ForeseenTroubleFilter().filter(found)
    assert found.exc_info


def test_a_hub_that_is_away_is_a_line_now_and_then() -> None:
    seconds = [0.0]
    trouble = ForeseenTroubleFilter(lambda: seconds[0])
    texts = [
        f"Error in work item stream: {REFUSED.replace('_InactiveRpcError', '_MultiThreadedRendezvous')}",
        f"The sidecar at address 127.0.0.1:1 is unavailable: {REFUSED} - will continue retrying",
        f"Failed to create connection: {REFUSED}",
        "Connection failed, retrying in 0.31 seconds (attempt 2)",
        f"Connection timeout to 127.0.0.1:1: {REFUSED} - will retry with fresh connection",
    ]
    said: list[str] = []
    for seconds[0] in (0.0, 1.0, SELDOM - 1, SELDOM):
        said += [found.getMessage() for found in map(record, texts) if trouble.filter(found)]
    line = "the worker has no connection to the task hub, and tries until it has: failed to connect to all addresses"
    assert said == [line, line]
