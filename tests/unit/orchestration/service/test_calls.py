"""What the hub's errors say to a person."""

from __future__ import annotations

import grpc
import pytest

from orchestration.domain.errors import CountersignError, HubUnavailableError, UnknownRequestError
from orchestration.service.calls import ours
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
