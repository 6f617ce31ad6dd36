"""Slack's deliveries, with parts left out or replaced by wrong values."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

from hypothesis import strategies as st

from bot.slack.listeners.call_lists import REJECT_FORM
from bot.slack.messages import call_lists, cards, digests, gatherings, grants, notices
from bot.slack.messages.cards import ENTER_CODE
from bot.slack.views import away_form, code_form, edit_form, gathering_forms, grant_form, home, request_form
from bot.slack.views.decision_forms import ANSWERING, APPROVING, CANCELLING, DELEGATING, REJECTING, TALKING
from tests.support.identity import SHOWN

_TARGET: Final = json.dumps({"instance_id": "purchase-k7m2x9qd", "round": 1, **SHOWN.model_dump()})
_WHO: Final = {"id": "U0ADA", "team_id": "T0ACME", "username": "ada"}
_WHERE: Final = {"channel": {"id": "C0PURCHASES", "name": "purchases"}, "team": {"id": "T0ACME"}}
_STATE: Final = {
    "values": {
        "policy": {"choose_policy": {"type": "static_select", "selected_option": {"value": "purchase"}}},
        "title": {"title": {"type": "plain_text_input", "value": "Laptops"}},
        "amount": {"amount": {"type": "plain_text_input", "value": "4200"}},
        "reason": {"reason": {"type": "plain_text_input", "value": "No"}},
        "kind": {"kind": {"type": "radio_buttons", "selected_option": {"value": "comment"}}},
        "person": {"person": {"type": "users_select", "selected_user": "U0FIN"}},
        "code": {"code": {"type": "plain_text_input", "value": "123456"}},
        "since": {"since": {"type": "datepicker", "selected_date": "2026-12-24"}},
        "until": {"until": {"type": "datepicker", "selected_date": "2027-01-03"}},
        f"{edit_form.BLOCK}{edit_form.NUMBER}.a": {"a": {"type": "plain_text_input", "value": "12"}},
    }
}
_BLOCKS: Final = [{"type": "input", "block_id": name, "element": {}} for name in _STATE["values"]]


def _press(block_id: str, action_id: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "block_actions",
        "user": _WHO,
        **_WHERE,
        "api_app_id": "A0APP",
        "trigger_id": "1.2.3",
        "container": {"type": "message", "message_ts": "1.000001", "channel_id": "C0PURCHASES"},
        "message": {
            "ts": "1.000001",
            "metadata": {"event_type": "approval_requested", "event_payload": json.loads(_TARGET)},
            "blocks": [{"type": "actions", "block_id": block_id, "elements": [{"value": _TARGET}]}],
        },
        "actions": [
            {"action_id": action_id, "block_id": block_id, "value": _TARGET, "action_ts": "1.1", **more}
        ],
    }


def _form(callback_id: str, kind: str = "view_submission") -> dict[str, Any]:
    return {
        "type": kind,
        "user": _WHO,
        "team": {"id": "T0ACME"},
        "api_app_id": "A0APP",
        "trigger_id": "1.2.3",
        "view": {
            "id": "V1",
            "type": "modal",
            "hash": "1.h",
            "callback_id": callback_id,
            "private_metadata": json.dumps({"channel": "C0PURCHASES", "target": json.loads(_TARGET)}),
            "state": _STATE,
            "blocks": _BLOCKS,
        },
    }


def _chosen(choice: str) -> dict[str, Any]:
    return {
        "selected_option": {"value": json.dumps({"choice": choice, "of": SHOWN.digest[:16]})},
        "value": None,
    }


_PRESSED: Final = {
    cards.ACTIONS: (
        cards.APPROVE,
        cards.READ,
        cards.REJECT,
        cards.EDIT,
        cards.GRANT,
        call_lists.DETAILS,
        ENTER_CODE,
    ),
    notices.NOTICE: (notices.ANSWER, notices.RETRY, notices.RETRY_FULFILMENT),
    call_lists.ALL: (call_lists.APPROVE_ALL, call_lists.REJECT_ALL),
    gatherings.ACTIONS: (gatherings.ANSWER, gatherings.WITHDRAW),
    grants.ACTIONS: (grants.SHOW, grants.REVOKE),
    home.BUTTONS: (home.ASK, home.ITEM, digests.DETAILS),
    home.AWAY_BUTTONS: (home.AWAY, home.BACK),
}
_SUBMITTED: Final = (
    *(
        request_form.ASK,
        edit_form.EDIT_FORM,
        grant_form.ID,
        away_form.ID,
        code_form.ENTER_CODE_FORM,
        REJECT_FORM,
    ),
    *(gathering_forms.ANSWER_FORM, gathering_forms.WITHDRAW_FORM),
    *(form.id for form in (REJECTING, APPROVING, CANCELLING, TALKING, ANSWERING, DELEGATING)),
)
# Each as Slack sends it, for a request that does not exist.
GENUINE: Final[list[dict[str, Any]]] = [
    *(_press(block_id, action) for block_id, actions in _PRESSED.items() for action in actions),
    *(_press(cards.ACTIONS, cards.MORE, **_chosen(choice)) for choice in ("details", "delegate", "cancel", "talk")),
    *map(_form, _SUBMITTED),
    _form(request_form.ASK, "view_closed"),
    {**_form(request_form.ASK), "type": "block_actions",
     "actions": [{"action_id": request_form.CHOOSE_POLICY, "block_id": request_form.POLICY}]},
    {"command": "/request-approval", "text": "plain x", "user_id": "U0ADA", "channel_id": "C0PURCHASES",
     "team_id": "T0ACME", "trigger_id": "1.2.3", "response_url": ""},
    {"type": "event_callback", "team_id": "T0ACME", "event_id": "E1",
     "event": {"type": "app_home_opened", "user": "U0ADA", "tab": "home", "channel": "D0ADA"}},
    {"type": "shortcut", "callback_id": "ask", "user": _WHO, "team": {"id": "T0ACME"}, "trigger_id": "1.2.3"},
    {"type": "url_verification", "challenge": "c"},
]  # fmt: skip

_JUNK: Final[st.SearchStrategy[Any]] = st.sampled_from(
    [None, "", 0, -1, 1.5, 10**30, True, [], {}, [[]], [None], {"": {}}, "x" * 4000, "\x00", "\ud800", "{", "[]",
     "null", '{"choice": []}', "<@U0ADA>", "approve", "U0NOBODY", {"value": 1}, [{"value": []}], "D" * 200]
)  # fmt: skip


def _places(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, part in items for place in ((*at, key), *_places(part, (*at, key)))]


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A payload with up to three parts left out, or replaced."""
    payload = copy.deepcopy(draw(st.sampled_from(GENUINE)))
    for _ in range(draw(st.integers(1, 3))):
        places = _places(payload)
        if not places:
            break
        *way, last = draw(st.sampled_from(places))
        inside: Any = payload
        for key in way:
            inside = inside[key]
        if draw(st.booleans()):
            del inside[last]
        else:
            inside[last] = copy.deepcopy(draw(_JUNK))
    return payload
