"""Shared by the endpoints that send commands: the idempotency key, and the problem for each refusal."""

from __future__ import annotations

import hashlib
import re
from typing import Final, NoReturn

from bot.http.api.endpoint import ApiCall
from bot.http.api.models import CommandResult
from bot.http.api.problems import Problem
from bot.security.tokens import Token
from orchestration.domain.commands import Reason, Verdict

KEY_HEADER: Final = "Idempotency-Key"
KEY_PATTERN: Final = r"^[!-~]{1,200}$"

# A refusal because of who acts is 403; one because of the request's state is 409.
_REFUSED: Final = {
    Reason.NOT_AN_APPROVER: "forbidden",
    Reason.SELF_APPROVAL: "forbidden",
    Reason.COUNTED_BEFORE: "forbidden",
    Reason.HANDED_OVER: "forbidden",
    Reason.REVOKED: "forbidden",
    Reason.NOT_THE_REQUESTER: "forbidden",
    Reason.NOT_INVOLVED: "forbidden",
    Reason.NOT_ASKED: "forbidden",
    Reason.NOT_THE_OWNER: "forbidden",
    Reason.REASON_REQUIRED: "invalid",
    Reason.EDIT_NOT_ALLOWED: "invalid",
    Reason.MALFORMED: "invalid",
    Reason.DIRECTORY_UNAVAILABLE: "unavailable",
    Reason.UNKNOWN_REQUEST: "not-found",
}


def kind_of_refusal(reason: Reason) -> str:
    """Returns the kind of problem for a refused command."""
    return _REFUSED.get(reason, "conflict")


def idempotency_key(call: ApiCall) -> str | None:
    """Returns the caller's key; None without one. Raises `Problem` for an invalid key."""
    key = call.request.headers.get(KEY_HEADER)
    if key is not None and not re.match(KEY_PATTERN, key):
        raise Problem("invalid", errors=[(KEY_HEADER, "must be 1 to 200 visible ASCII characters")])
    return key


def command_id_of(call: ApiCall) -> str | None:
    """Returns a command ID made from the Idempotency-Key and the token's name: two tokens can use the same key."""
    key = idempotency_key(call)
    return command_id(call.token, key) if key else None


def command_id(token: Token, key: str) -> str:
    """Returns the ID of the command that this token sends with this key."""
    return hashlib.sha256(f"{token.name}\0{key}".encode()).hexdigest()


def raise_refusal(verdict: Verdict) -> NoReturn:
    """Raises the `Problem` for a refused command."""
    answered = CommandResult.of(verdict)
    raise Problem(
        kind_of_refusal(verdict.reason),
        answered.message,
        errors=[("comment", answered.message)] if verdict.reason is Reason.REASON_REQUIRED else (),
        verdict=answered.model_dump(mode="json"),
    )
