"""The form that asks for an approval, and the functions that all forms share. Pure: views out, values in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.input.amounts import AMOUNT_LIMIT
from bot.slack.input.draft import Askable, Draft, Policies
from bot.slack.text import plain
from bot.slack.views.field_inputs import field_input
from orchestration.domain.errors import CountersignError

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


OriginT = TypeVar("OriginT", bound=BaseModel)


class UnreadableFormError(CountersignError):
    """This form no longer says what it is about, so nothing changed. Please close it and open it again."""


# ---- asking ----------------------------------------------------------------------------------------------


def ask_form(policies: Policies, draft: Draft, origin: Origin, doubt: str = "") -> Json:
    """Draws the form, filled in from `draft`. `doubt` comes first: it says what the person has to check.

    The chosen policy decides whether there are an amount and fields.

    Block IDs do not depend on the policy, so that Slack keeps what was typed when another policy is chosen.
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
    """The draft that is filled in, in a submitted or an open form."""
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
    """The block at which to show an error in `field`: always one that the open form has."""
    shown = [block["block_id"] for block in view["blocks"] if block["type"] == "input"]
    wanted = {"currency": AMOUNT}.get(field or "", field or "")
    return next((block for block in (wanted, FIELD + wanted, *shown) if block in shown), wanted)


def _of_its_type(block: Json) -> Json:
    """Puts the input's type into its action ID, so that Slack does not fill it from another policy's other type."""
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
    """Makes a modal of `parts`. With `submit` None, it can only be read."""
    view = {
        "type": "modal",
        "callback_id": callback_id,
        "title": blocks.plain(title),
        "close": blocks.plain("Cancel" if submit else "Close"),
        "private_metadata": origin.model_dump_json(),
        "blocks": parts,
    }
    return view if submit is None else {**view, "submit": blocks.plain(submit)}


def origin_in(view: Mapping[str, Any], kind: type[OriginT]) -> OriginT:
    """Reads from the form where it was opened. Raises `UnreadableFormError`."""
    try:
        return kind.model_validate_json(view.get("private_metadata") or "")
    except ValidationError as error:
        raise UnreadableFormError from error


def filled_in(view: Mapping[str, Any], block: str) -> str:
    """The value of a block that cannot be left empty. Raises `UnreadableFormError`."""
    if (value := values_of(view).get(block)) is None:
        raise UnreadableFormError
    return value


def values_of(view: Mapping[str, Any]) -> dict[str, str]:
    """The values that are filled in, by block. Empty fields are left out. Raises `UnreadableFormError`."""
    found: dict[str, str] = {}
    if view.get("state") is None:
        raise UnreadableFormError
    for block_id, by_action in view["state"]["values"].items():
        for state in by_action.values():
            chosen = state.get("selected_option")
            picked = state.get("selected_user") or state.get("selected_date") or state.get("value")
            value = chosen["value"] if chosen else picked
            if value:
                found[block_id] = str(value)
    return found
