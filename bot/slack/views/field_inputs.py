"""Draws a typed field as the input that Slack has for it. Pure: what is filled in is read by the domain alone."""

from __future__ import annotations

from datetime import date
from typing import Any, Final

from bot.slack import blocks
from bot.slack.blocks import Json
from bot.slack.ids import is_person
from bot.slack.text import plain
from orchestration.domain.fields import LONGEST, NO, YES, FieldSpec, FieldType, fits

DAY: Final = "A day"


def field_input(block_id: str, field: FieldSpec, given: str, *, long_texts: bool = False) -> Json:
    """Draws the input, filled in with `given` if that is a valid value of the field.

    Slack refuses the whole form if one initial value does not fit its element. With `long_texts`, each text input has
    several lines.
    """
    label, optional = plain(field.title, 48) or field.name, not field.required
    # A text that is too long is cut, and the person sees that. Any other value that does not fit is left out.
    texts = field.type in {FieldType.TEXT, FieldType.LONG_TEXT}
    initial = given if texts or fits(field, given) else ""
    match field.type:
        case FieldType.CHOICE | FieldType.YES_NO:
            yes_no = field.type is FieldType.YES_NO
            choices = {YES: "Yes", NO: "No"} if yes_no else {one: one for one in field.choices}
            return blocks.select_input(block_id, label, choices, initial=initial, optional=optional)
        case FieldType.DATE:
            day = date.fromisoformat(initial) if initial else None
            return blocks.date_input(block_id, label, initial=day, hint=DAY, optional=optional)
        case FieldType.PERSON:
            person = initial if is_person(initial) else None
            return blocks.person_input(block_id, label, initial=person, optional=optional)
        case FieldType.NUMBER:
            return blocks.number_input(block_id, label, initial=initial, optional=optional)
        case FieldType.LINK:
            return blocks.url_input(block_id, label, initial=initial, optional=optional)
        case _:
            return blocks.text_input(
                block_id,
                label,
                limit=LONGEST[field.type],
                initial=initial,
                optional=optional,
                multiline=long_texts or field.type is FieldType.LONG_TEXT,
            )


def initial_of(element: Json) -> str:
    """The initial value of an input; "" if it had none."""
    chosen: Any = element.get("initial_option")
    if chosen:
        return str(chosen["value"])
    return str(
        element.get("initial_value") or element.get("initial_date") or element.get("initial_user") or ""
    )
