"""Whether a token may have an outcome sent to somebody else's orchestration, in a form that its program chooses.

The payload is that program's own words: it could say yes to an orchestration that asked nobody. So a token may name
the receivers that its scopes name, and no other.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Final

from bot.http.api.problems import Problem
from bot.security.tokens import ADMIN, RESPOND, Token
from orchestration.approval.status import OVER, made_at
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.request import Notified
from orchestration.domain.responses import ResponseAddress
from orchestration.service.operations import Operations

_NO_SCOPE: Final = f"respond needs a token of scope {RESPOND}ORCHESTRATION; this one has none such."


async def admitted_receiver(
    token: Token, target: ResponseAddress, operations: Operations
) -> tuple[str, datetime | None]:
    """Whom the target names: the orchestration and when its instance was made, or the origin of the URL.

    Raises `Problem` without the scope, and for an instance that is not there or has ended; and what
    `Operations.check_event` raises for an instance or an event of Countersign's own. Whose an instance is, is looked
    at again when the response is sent.
    """
    if target.origin is not None:
        if target.origin not in token.receivers:
            raise Problem("forbidden", f"respond.url: this token lacks the scope {RESPOND}{target.origin}.")
        return target.origin, None
    if not any("://" not in receiver for receiver in token.receivers):
        raise Problem("forbidden", _NO_SCOPE)
    instance_id = target.instance_id or ""
    try:
        state = await operations.check_event(instance_id, target.event_name or "")
    except UnknownRequestError as error:
        raise _refused("instance_id", f"there is no instance {instance_id}") from error
    if state.name not in token.receivers:
        raise Problem(
            "forbidden",
            f"respond.instance_id: {instance_id} is an instance of an orchestration that no scope of this token names.",
        )
    if state.runtime_status in OVER:
        raise _refused("instance_id", f"{instance_id} has ended, so nobody waits there")
    return state.name, made_at(state)


async def check_notified(token: Token, target: Notified, operations: Operations) -> None:
    """Raises `Problem` without the scope admin, and what `Operations.check_event` raises.

    The instance may be started later. Whose it is, is looked at again when the event is sent.
    """
    if not token.may(ADMIN):
        raise Problem("forbidden", "notify_instance needs a token of scope admin.")
    with suppress(UnknownRequestError):
        await operations.check_event(target.id, target.event)


def _refused(field: str, detail: str) -> Problem:
    return Problem("invalid", errors=[(f"respond.{field}", detail)])
