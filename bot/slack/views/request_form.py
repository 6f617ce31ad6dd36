"""The form that asks for an approval, and what all forms have in common. Pure: views out, values in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.amounts import AMOUNT_LIMIT
from bot.slack.input.draft import Askable, Draft, Policies
from bot.slack.text import plain
from bot.slack.views.field_inputs import field_input

ASK: Final = "ask"
CHOOSE_POLICY: Final = "choose_policy"

POLICY, TITLE, AMOUNT, DESCRIPTION = "policy", "title", "amount", "description"
FIELD: Final = "field."

ASK_TITLE: Final = "Ask for approval"
AMOUNT_HINT: Final = "Such as 4200, 4,200.00 or 4200.50 {currency}"
TITLE_HINT: Final = "In one line; it is what approvers see first"


class Origin(BaseModel):
    """Where a form was opened from, so that its answer goes there. Kept in the view's private metadata."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    channel: str | None = None


# ---- asking ----------------------------------------------------------------------------------------------


def ask_form(policies: Policies, draft: Draft, origin: Origin, doubt: str = "") -> Json:
    """The form, filled in as far as `draft` goes; first `doubt`, on what a person has to look at.

    The chosen policy decides whether amount and fields are there.

    Block IDs stay the same whichever policy is chosen, so that Slack keeps what was typed when it changes.
    """
    chosen = policies.get(draft.policy or "")
    parts = [
        *([blocks.verbatim(plain(doubt, 300))] if doubt else []),
        _policy_chooser(policies, chosen),
        blocks.text_input(TITLE, "What do you need?", limit=150, initial=draft.title, hint=TITLE_HINT),
    ]
    if chosen and chosen.currency:
        parts.append(
            blocks.text_input(
                AMOUNT,
                f"Amount in {chosen.currency}",
                limit=AMOUNT_LIMIT,
                initial=draft.amount,
                hint=AMOUNT_HINT.format(currency=chosen.currency),
                optional=not chosen.require_amount,
            )
        )
    parts += [
        _of_its_type(field_input(FIELD + spec.name, spec, draft.fields.get(spec.name, "")))
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
    return modal(ASK, ASK_TITLE, "Ask", parts, origin)


def read_ask_form(view: Mapping[str, Any]) -> Draft:
    """What is filled in, from a submission or while it is open."""
    values = values_of(view)
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


def _of_its_type(block: Json) -> Json:
    """What was typed into an input of another type, for another policy, is not put into this one."""
    return {**block, "element": {**block["element"], "action_id": block["element"]["type"]}}


def _policy_chooser(policies: Policies, chosen: Askable | None) -> Json:
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


def _option(policy: Askable) -> Json:
    return {"text": blocks.plain(plain(policy.title, blocks.OPTION) or policy.key), "value": policy.key}


# ---- every form ----------------------------------------------------------------------------------------


def modal(callback_id: str, title: str, submit: str | None, parts: list[Json], origin: Origin) -> Json:
    """A view with these blocks; without `submit` it is only to be read."""
    view = {
        "type": "modal",
        "callback_id": callback_id,
        "title": blocks.plain(title),
        "close": blocks.plain("Cancel" if submit else "Close"),
        "private_metadata": origin.model_dump_json(),
        "blocks": parts,
    }
    return view if submit is None else {**view, "submit": blocks.plain(submit)}


def values_of(view: Mapping[str, Any]) -> dict[str, str]:
    """What is filled in, by block. A field left empty is not there."""
    found: dict[str, str] = {}
    for block_id, by_action in view["state"]["values"].items():
        for state in by_action.values():
            chosen = state.get("selected_option")
            picked = state.get("selected_user") or state.get("selected_date") or state.get("value")
            value = chosen["value"] if chosen else picked
            if value:
                found[block_id] = str(value)
    return found
