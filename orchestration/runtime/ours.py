"""Names what is ours on a hub that other programs may share: what the worker registers and the service raises."""

from __future__ import annotations

from typing import Final

from orchestration.domain.names import EntityName, EventName, OrchestrationName
from orchestration.sealing.scope import Scope

# What other orchestrations call, without a seal. It says nothing that the hub does not hold, and does nothing.
OPEN_ACTIVITIES: Final = frozenset({"read_outcome", "read_gathering"})

OURS: Final = Scope(
    orchestrations=frozenset(OrchestrationName),
    activities=frozenset(
        {
            "post_card",
            "edit_card",
            "post_reply",
            "post_preview",
            "remove_copies",
            "send_message",
            "edit_message",
            "run_action",
            "members",
            "active_people",
            "tell_delegate_change",
            "text_delegate_change",
            "tell_answer",
            "take_policy",
            "sign_receipt",
            "send_callback",
            "notify_instance",
            "hand_over",
            "record_step",
            "add_to_digest",
            "post_digest",
            "remove_digest_copies",
            "look_up_phone",
            "send_code",
            "check_code",
            "alert_lock",
            "alert_quota",
            "alert_delivery",
            "post_gathering",
            "edit_gathering",
            "ask_system",
            "record_gathering",
            "take_gathering_policy",
            "start_grant",
            "tell_use",
            "check_grant",
            "post_grant",
            "edit_grant",
            "post_call_list",
            "edit_call_list",
        }
    ),
    entities=frozenset(EntityName),
    events=frozenset(name.casefold() for name in EventName),
    # Another orchestration may ask for an approval or a gathering. It names the request, and `take_policy` takes
    # everything else.
    open_starts=((OrchestrationName.APPROVAL, "request"), (OrchestrationName.GATHERING, "request")),
)
