"""How the commands show approvals: fields for --json, columns of a table, lines of one approval."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from bot.cli.output import Column, Item, time, value
from bot.cli.summary import delegates, editors, escalated, follows, how_it_ended, level_now, waited_for
from orchestration.domain.inert import in_quotes
from orchestration.domain.text import line

# The fields of `Approval` in bot/http/api/approval_models.py, which takes long to import. A test compares the two.
FIELDS: Final = (
    "id",
    "status",
    "policy",
    "title",
    "amount",
    "currency",
    "requester",
    "asked_at",
    "nonce",
    "digest",
    "asked_digest",
    "edits",
    "editable",
    "round",
    "deadline",
    "card_url",
    "levels",
    "actions",
    "outcome",
    "fulfilment",
)


def amount_of(facts: dict[str, Any] | Item) -> str:
    """The amount with its currency, such as `4200.00 USD`."""
    return " ".join(str(facts[name]) for name in ("amount", "currency") if facts.get(name) is not None)


def _amount_for_people(item: Item) -> str:
    if item.get("amount") is None:
        return ""
    # Imported late: the names and rules of the currencies take long to load.
    from orchestration.domain.money import format_amount  # noqa: PLC0415

    return format_amount(Decimal(item["amount"]), item.get("currency"))


_AMOUNT: Final = Column("AMOUNT", amount_of, _amount_for_people)
_STATUS: Final = Column("STATUS", lambda item: str(item["status"]), coloured=True)
_TITLE: Final = Column("TITLE", lambda item: line(item["title"]), lambda item: in_quotes(item["title"]))
_CARD: Final = Column("CARD", lambda item: item.get("card_url") or "", wide=True)

COLUMNS: Final = (
    value("id"),
    _STATUS,
    value("policy"),
    _AMOUNT,
    value("requester"),
    time("asked_at", "ASKED"),
    _CARD,
    _TITLE,
)
LINES: Final = (
    value("id"),
    _STATUS,
    _TITLE,
    value("policy"),
    _AMOUNT,
    value("requester"),
    time("asked_at", "ASKED"),
    Column("LEVEL", level_now),
    Column("WAITING FOR", waited_for),
    Column("DELEGATES", delegates),
    Column("ESCALATED", escalated),
    Column("CHANGED BY", editors),
    time("deadline", "DEADLINE"),
    Column("ENDED", how_it_ended),
    Column("AFTER IT", follows),
    _CARD,
)
