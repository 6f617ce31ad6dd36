"""What the hub's errors say to a person."""

from __future__ import annotations

import grpc
import pytest
from durabletask.client import AsyncTaskHubGrpcClient

from orchestration.domain.errors import (
    CountersignError,
    HubUnavailableError,
    InvalidRequestError,
    UnknownRequestError,
)
from orchestration.service.calls import named, ours, state_of, within_budget
from tests.support.refused_call import RefusedCall


@pytest.mark.parametrize(
    ("code", "details", "kind", "words"),
    [
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "The hub's disk is full: nothing was recorded. Free some space and send the request again.",
            HubUnavailableError,
            "disk is full",
        ),
        (
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "CLIENT: Received message larger than max (5000000 vs. 4194304)",
            HubUnavailableError,
            "cannot be reached just now",
        ),
        (grpc.StatusCode.UNAVAILABLE, "", HubUnavailableError, "cannot be reached just now"),
        (grpc.StatusCode.NOT_FOUND, "No instance.", UnknownRequestError, "no request with that ID"),
    ],
)
def test_an_error_of_the_hub_is_a_sentence_that_is_true(
    code: grpc.StatusCode, details: str, kind: type[CountersignError], words: str
) -> None:
    error = ours(RefusedCall(code, details))
    assert type(error) is kind
    assert words in str(error)


@pytest.mark.parametrize(
    ("details", "kind"),
    [
        ("The instance ID 'x' is not allowed", UnknownRequestError),
        ("The field instanceId has 5,000 bytes; at most 1,000 are allowed.", UnknownRequestError),
        ("The field name has 5,000 bytes; at most 512 are allowed.", InvalidRequestError),
    ],
)
def test_an_id_that_no_hub_takes_is_one_that_nobody_has(details: str, kind: type[CountersignError]) -> None:
    error = named(RefusedCall(grpc.StatusCode.INVALID_ARGUMENT, details))
    assert type(error) is kind
    assert kind is UnknownRequestError or str(error) == details


async def test_a_client_that_is_closed_while_somebody_waits_is_a_hub_that_cannot_be_reached() -> None:
    """The process is ending, so the pending answer is owed for later, and no traceback is logged."""
    client = AsyncTaskHubGrpcClient(host_address="127.0.0.1:9")
    await client.close()
    with pytest.raises(HubUnavailableError):
        await state_of(client, "deploy-1")


async def test_another_error_of_the_client_stays_what_it_is() -> None:
    async def fails() -> None:
        raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError, match="a fault of ours"):
        await within_budget(fails())
