"""What the endpoints that send commands have in common: the key that makes a repeat one, and the kind of a refusal."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from bot.http.api.endpoint import ApiCall
from bot.http.api.problems import Problem
from orchestration.domain.commands import Reason

KEY_HEADER: Final = "Idempotency-Key"
_KEY: Final = re.compile(r"^[\x21-\x7e]{1,200}$")

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
    """Which problem a refused command is."""
    return _REFUSED.get(reason, "conflict")


def idempotency_key(call: ApiCall) -> str | None:
    """The caller's key; None without one. Raises `Problem` for one that is not fit."""
    key = call.request.headers.get(KEY_HEADER)
    if key is not None and not _KEY.match(key):
        raise Problem("invalid", errors=[(KEY_HEADER, "must be 1 to 200 visible ASCII characters")])
    return key


def command_id_of(call: ApiCall) -> str | None:
    """From the Idempotency-Key and the token's name, so that two tokens can use the same key."""
    key = idempotency_key(call)
    return hashlib.sha256(f"{call.token.name}\0{key}".encode()).hexdigest() if key else None
