"""What the hub's errors say to a person."""

from __future__ import annotations

import grpc
import pytest

from orchestration.domain.errors import (
    CountersignError,
    HubUnavailableError,
    InvalidRequestError,
    UnknownRequestError,
)
from orchestration.service.calls import named, ours
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
