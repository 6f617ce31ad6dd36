"""The two forms: asking for an approval, and giving the reason for a rejection. Pure: views out, values in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from bot.slack import blocks
from bot.slack.asking import Draft
from bot.slack.blocks import Json
from bot.slack.target import Target
from bot.slack.text import bold, mention, plain, safe
from orchestration.models import Policy, Progress
from orchestration.policy import Policies

ASK: Final = "ask"
REJECT_REASON: Final = "reject_reason"
CHOOSE_POLICY: Final = "choose_policy"

POLICY, TITLE, AMOUNT, DESCRIPTION, REASON = "policy", "title", "amount", "description", "reason"
FIELD: Final = "field."

ASK_TITLE: Final = "Ask for approval"
REJECT_TITLE: Final = "Reject this request"
AMOUNT_HINT: Final = "Such as 4200, 4,200.00 or 4200.50 {currency}"
REASON_HINT: Final = "The requester and everyone in the channel will see it"
TITLE_HINT: Final = "One line that says it all; it is what approvers see first"


class Origin(BaseModel):
    """Where a form was opened from, so that its answer goes there. Kept in the view's private metadata."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel: str | None = None


class RejectOrigin(Origin):
    """The same, with the card that is being rejected."""

    target: Target


# ---- asking ----------------------------------------------------------------------------------------------


def ask_form(policies: Policies, draft: Draft, origin: Origin) -> Json:
    """The form, filled in as far as `draft` goes. The chosen policy decides whether amount and fields are there.

    Block IDs stay the same whichever policy is chosen, so that Slack keeps what was typed when it changes.
    """
    chosen = policies.get(draft.policy or "")
    parts = [
        _policy_chooser(policies, chosen),
        blocks.text_input(TITLE, "What do you need?", limit=150, initial=draft.title, hint=TITLE_HINT),
    ]
    if chosen and chosen.currency:
        parts.append(
            blocks.text_input(
                AMOUNT,
                f"Amount in {chosen.currency}",
                limit=30,
                initial=draft.amount,
                hint=AMOUNT_HINT.format(currency=chosen.currency),
                optional=True,
            )
        )
    parts += [
        blocks.text_input(
            FIELD + spec.name,
            plain(spec.title, 48) or spec.name,
            limit=500,
            initial=draft.fields.get(spec.name, ""),
            optional=not spec.required,
        )
        for spec in (chosen.fields if chosen else [])
    ]
    parts.append(
        blocks.text_input(
            DESCRIPTION,
            "Anything approvers should know?",
            limit=blocks.PLAIN_INPUT,
            initial=draft.description,
            optional=True,
            multiline=True,
        )
    )
    return _modal(ASK, ASK_TITLE, "Ask", parts, origin)


def read_ask_form(view: Mapping[str, Any]) -> Draft:
    """What is filled in, from a submission or while it is open."""
    values = _values(view)
    return Draft(
        policy=values.get(POLICY),
        title=values.get(TITLE, ""),
        amount=values.get(AMOUNT, ""),
        description=values.get(DESCRIPTION, ""),
        fields={
            block.removeprefix(FIELD): value for block, value in values.items() if block.startswith(FIELD)
        },
    )


def block_of(field: str | None, view: Mapping[str, Any]) -> str:
    """The block at which to show what is wrong with `field`: always one that the open form has."""
    shown = [block["block_id"] for block in view["blocks"] if block["type"] == "input"]
    wanted = {"currency": AMOUNT}.get(field or "", field or "")
    return next((block for block in (wanted, FIELD + wanted) if block in shown), shown[0])


def _policy_chooser(policies: Policies, chosen: Policy | None) -> Json:
    listed = [policies[key] for key in sorted(policies, key=lambda key: policies[key].title)]
    if chosen in listed[blocks.OPTIONS :]:  # Slack refuses a choice that is not among the options
        listed.insert(0, chosen)
    options = [_option(policy) for policy in listed[: blocks.OPTIONS]]
    element: Json = {
        "type": "static_select",
        "action_id": CHOOSE_POLICY,
        "placeholder": blocks.plain("Choose a policy"),
        "options": options,
    }
    if chosen:
        element["initial_option"] = _option(chosen)
    return {
        "type": "input",
        "block_id": POLICY,
        "dispatch_action": True,
        "label": blocks.plain("What kind of approval?"),
        "element": element,
    }


def _option(policy: Policy) -> Json:
    return {"text": blocks.plain(plain(policy.title, blocks.OPTION) or policy.key), "value": policy.key}


# ---- rejecting -------------------------------------------------------------------------------------------


def reject_form(progress: Progress, origin: RejectOrigin, *, reason_required: bool) -> Json:
    """The form behind "Reject…"."""
    title = bold(safe(progress.title, 150, room=800))
    parts = [
        blocks.section(f"{title}\nAsked for by {mention(progress.requester)}"),
        blocks.text_input(
            REASON,
            "Why?",
            limit=2000,
            hint=REASON_HINT,
            optional=not reason_required,
            multiline=True,
        ),
    ]
    return _modal(REJECT_REASON, REJECT_TITLE, "Reject", parts, origin)


def read_reason(view: Mapping[str, Any]) -> str:
    """The reason that was given; "" when none was."""
    return _values(view).get(REASON, "")


# ---- both ------------------------------------------------------------------------------------------------


def _modal(callback_id: str, title: str, submit: str, parts: list[Json], origin: Origin) -> Json:
    return {
        "type": "modal",
        "callback_id": callback_id,
        "title": blocks.plain(title),
        "submit": blocks.plain(submit),
        "close": blocks.plain("Cancel"),
        "private_metadata": origin.model_dump_json(),
        "blocks": parts,
    }


def _values(view: Mapping[str, Any]) -> dict[str, str]:
    """What is filled in, by block. A field left empty is not there."""
    found: dict[str, str] = {}
    for block_id, by_action in view["state"]["values"].items():
        for state in by_action.values():
            chosen = state.get("selected_option")
            value = chosen["value"] if chosen else state.get("value")
            if value:
                found[block_id] = str(value)
    return found
