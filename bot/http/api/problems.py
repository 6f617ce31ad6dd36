"""Errors as RFC 9457 problem details. One table gives each kind of problem its status and title."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError

from bot.problem_line import problem_line
from bot.security.tokens import TokenError
from orchestration.domain.errors import (
    CountersignError,
    EndedInstanceError,
    HubUnavailableError,
    IdempotencyConflictError,
    InvalidRequestError,
    OwnInstanceError,
    RecordsUnavailableError,
    ReservedEventError,
    TooManyOpenError,
    UnknownRequestError,
    WrongStateError,
)

log = logging.getLogger(__name__)

TOKENS_UNREADABLE: Final = "No token can be looked up just now. Please tell the operator, whose log says why."
CONTENT_TYPE: Final = "application/problem+json"

# Each kind of problem has an anchor on the docs page, where its `type` URL leads.
KINDS: Final[Mapping[str, tuple[HTTPStatus, str]]] = {
    "malformed": (HTTPStatus.BAD_REQUEST, "The body is not what the Content-Type says."),
    "invalid": (
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "A value is missing, unknown or wrong; errors names each.",
    ),
    "key-reused": (HTTPStatus.UNPROCESSABLE_ENTITY, "This Idempotency-Key was used for a different request."),
    "unauthenticated": (HTTPStatus.UNAUTHORIZED, "Send a valid token: Authorization: Bearer csn_…"),
    "forbidden": (HTTPStatus.FORBIDDEN, "This token or its owner may not do this."),
    "not-found": (HTTPStatus.NOT_FOUND, "There is nothing at this address."),
    "method": (HTTPStatus.METHOD_NOT_ALLOWED, "This address takes other methods; Allow lists them."),
    "conflict": (HTTPStatus.CONFLICT, "The request is in no state for this."),
    "gone": (HTTPStatus.GONE, "The instance has ended."),
    "too-large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is over 256 KB."),
    "media-type": (HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send JSON: Content-Type: application/json."),
    "too-many": (
        HTTPStatus.TOO_MANY_REQUESTS,
        "This token is over its rate; Retry-After says when to go on.",
    ),
    "too-many-open": (
        HTTPStatus.TOO_MANY_REQUESTS,
        "The asker has as many requests open as they may; detail says how many.",
    ),
    "unavailable": (HTTPStatus.SERVICE_UNAVAILABLE, "Nothing was recorded; try again in a moment."),
}


class Problem(Exception):  # noqa: N818 - it is an answer, and may be raised where it is found
    """An error response. `errors` are pairs of a field and what is wrong with it."""

    def __init__(
        self,
        kind: str,
        detail: str | None = None,
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = dict(headers or {})
        self.more = more
        super().__init__(detail or kind)

    def line(self) -> str:
        """The error in one line, for callers that read no JSON."""
        return problem_line(KINDS[self.kind][1], self.detail, self.errors)

    def response(self, base: str = "") -> web.Response:
        """Returns the problem document. `base`: the public address, under which its `type` is explained."""
        status, title = KINDS[self.kind]
        body: dict[str, Any] = {
            "type": f"{base}/api/docs#{self.kind}",
            "title": title,
            "status": status.value,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [{"field": field, "detail": detail} for field, detail in self.errors]
        return web.Response(
            status=status,
            body=json.dumps({**body, **self.more}, ensure_ascii=False).encode(errors="backslashreplace"),
            content_type=CONTENT_TYPE,
            headers=self.headers,
        )


def problem_of(error: CountersignError) -> Problem:  # noqa: PLR0911 - one arm for each kind of error
    """Returns the problem for one of our errors. Raises the error itself if no kind of problem fits."""
    match error:
        case TooManyOpenError():
            return Problem("too-many-open", str(error))
        case InvalidRequestError():
            return Problem("invalid", errors=[(error.field or "body", str(error))])
        case UnknownRequestError():
            return Problem("not-found", str(error))
        case IdempotencyConflictError():
            return Problem("key-reused", str(error), errors=[("Idempotency-Key", str(error))])
        case ReservedEventError() | OwnInstanceError():
            return Problem("forbidden", str(error))
        case EndedInstanceError():
            return Problem("gone", str(error))
        case WrongStateError():
            return Problem("conflict", str(error))
        case TokenError():
            log.error(
                "no token can be looked up: %s", error
            )  # only the operator may learn what is wrong with the file
            return Problem("unavailable", TOKENS_UNREADABLE, headers={"Retry-After": "2"})
        case HubUnavailableError() | RecordsUnavailableError():
            return Problem("unavailable", str(error), headers={"Retry-After": "2"})
    raise error


def invalid(error: ValidationError) -> Problem:
    """Returns pydantic's errors as a problem, each under its field's name. It does not repeat the invalid values."""
    faults = error.errors(include_url=False, include_input=False, include_context=False)
    if any(fault["type"] == "json_invalid" for fault in faults):
        return Problem("malformed", "The body is not valid JSON.")
    return Problem(
        "invalid",
        errors=[
            (
                ".".join(str(part) for part in fault["loc"]) or "body",
                fault["msg"].removeprefix("Value error, "),
            )
            for fault in faults
        ],
    )
