"""Draws the value of a typed field after its label, as mrkdwn. Pure.

A program on the task hub may hand over a value that nobody has checked. A value that does not fit its type is shown as
text.
"""

from __future__ import annotations

from bot.slack.ids import is_person
from bot.slack.text import ELLIPSIS, escape, mention, safe
from orchestration.domain.cards import Shown
from orchestration.domain.fields import NO, YES, FieldType, date_in_words, host_of


def shown_value(field: Shown, limit: int, room: int) -> str:
    """Draws at most `limit` visible and `room` escaped characters. A link shows the address that it leads to."""
    value = field.value
    if field.type is FieldType.PERSON and is_person(value):
        return mention(value)
    if field.type is FieldType.YES_NO and value in {YES, NO}:
        return value.capitalize()
    if field.type is FieldType.DATE:
        return safe(date_in_words(value), limit, room=room)
    if field.type is FieldType.LINK and (host := host_of(value)):
        whole = f"<{escape(value)}>"
        return whole if len(value) <= limit and len(whole) <= room else f"{escape(host)}/{ELLIPSIS}"
    return safe(value, limit, room=room)
