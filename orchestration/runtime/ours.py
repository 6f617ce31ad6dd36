"""What is ours on a hub that other programs may share: the names that the worker registers and the service raises."""

from __future__ import annotations

from typing import Final

from orchestration.challenge.models import EVENT_CANCELLED, EVENT_RESPONSE
from orchestration.domain.commands import COMMANDS
from orchestration.domain.request import (
    APPROVAL,
    DELEGATE_CHANGE,
    PERSON,
    PHONE,
    RECONCILE,
    ROSTER,
    SMS_CHALLENGE,
    WORKLIST,
)
from orchestration.sealing.scope import Scope

OURS: Final = Scope(
    orchestrations=frozenset({APPROVAL, RECONCILE, DELEGATE_CHANGE, SMS_CHALLENGE}),
    activities=frozenset(
        {
            "post_card",
            "edit_card",
            "post_reply",
            "send_message",
            "run_action",
            "members",
            "active_people",
            "tell_delegate_change",
            "text_delegate_change",
            "take_policy",
            "sign_receipt",
            "send_callback",
            "look_up_phone",
            "send_code",
            "check_code",
            "alert_lock",
        }
    ),
    entities=frozenset({PERSON, WORKLIST, PHONE, ROSTER}),
    events=frozenset(name.casefold() for name in (*COMMANDS, EVENT_RESPONSE, EVENT_CANCELLED)),
    # Another orchestration may ask for an approval. It names the request, and `take_policy` takes everything else.
    open_starts=((APPROVAL, "request"),),
)
