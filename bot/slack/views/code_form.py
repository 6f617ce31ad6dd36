"""The form in which a person types the code from the SMS. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.text import bold, safe
from orchestration.challenge.models import ChallengeProgress

ENTER_CODE_FORM: Final = "enter_code_form"
TYPED: Final = "code"
TITLE: Final = "Enter your code"
LABEL: Final = "The code from the SMS"
HINT: Final = "It is {digits} digits, sent to {masked}. You can also reply to the SMS with it."


class CodeOrigin(BaseModel):
    """What the form stores: where it was opened, and which challenge it answers. It holds no secret."""

    model_config = ConfigDict(frozen=True)

    channel: str | None
    challenge: str


def code_form(progress: ChallengeProgress, origin: CodeOrigin, digits: int) -> Json:
    """The form behind "Enter code"."""
    hint = HINT.format(digits=digits, masked=progress.masked or "your phone")
    return {
        "type": "modal",
        "callback_id": ENTER_CODE_FORM,
        "title": blocks.plain(TITLE),
        "submit": blocks.plain("Confirm"),
        "close": blocks.plain("Cancel"),
        "private_metadata": origin.model_dump_json(),
        "blocks": [
            blocks.section(f"You are about to {bold(safe(progress.subject, 200))}."),
            blocks.text_input(TYPED, LABEL, limit=20, hint=hint),
        ],
    }


def read_code(view: Mapping[str, Any]) -> str:
    """The code that was typed; "" if there is none."""
    values = view["state"]["values"].get(TYPED, {})
    return next((state.get("value") or "" for state in values.values()), "")
