"""How many codes may be sent in an hour: for decisions, to one number; for programs, which have their own budgets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from durabletask.entities import EntityInstanceId
from durabletask.task import OrchestrationContext

from orchestration.challenge.models import Asker
from orchestration.challenge.phone import PER_HOUR, Closing, Opened, Opening
from orchestration.domain.request import PHONE
from orchestration.durable.generator import Durable

# Codes by API to one number. They do not use up the budget of that number's decisions.
API_PER_HOUR: Final = 5


def api_key(number_key: str) -> str:
    """The key of the entity that counts a number's challenges by API, from the key of the number."""
    return f"api-{number_key}"


@dataclass(frozen=True)
class Budget:
    """One limit: the entity that counts, the codes it allows in an hour, and a text that says whose limit it is."""

    entity: EntityInstanceId
    limit: int
    whose: str


@dataclass(frozen=True)
class Refusal:
    """The budget that refused, and its reply."""

    budget: Budget
    opened: Opened


def budgets_of(number_key: str, asker: Asker | None) -> list[Budget]:
    """The budgets that a challenge counts against: its number's for decisions, or the three for programs."""
    if asker is None:
        return [Budget(EntityInstanceId(PHONE, number_key), PER_HOUR, "one number")]
    return [
        Budget(EntityInstanceId(PHONE, api_key(number_key)), API_PER_HOUR, "one number or address"),
        Budget(EntityInstanceId(PHONE, f"token-{asker.token}"), asker.per_token, "one token"),
        Budget(EntityInstanceId(PHONE, "all-tokens"), asker.in_all, "all tokens together"),
    ]


class Budgets:
    """The budgets of one challenge."""

    def __init__(self, ctx: OrchestrationContext, budgets: list[Budget]) -> None:
        self._ctx = ctx
        self._budgets = budgets
        self._opened: list[Budget] = []

    def open(self, now: datetime, until: datetime) -> Durable[Refusal | None]:
        """Takes one code from each budget. If one refuses, the code is returned to the others."""
        for budget in self._budgets:
            opening = Opening(challenge_id=self._ctx.instance_id, now=now, until=until, limit=budget.limit)
            raw: Any = yield self._ctx.call_entity(budget.entity, "open", opening.model_dump(mode="json"))
            opened = Opened.model_validate(raw)
            if not opened.allowed:
                self.close(counts=False)
                return Refusal(budget, opened)
            self._opened.append(budget)
        return None

    def sent(self) -> None:
        """Counts the message, because the provider accepted it."""
        for budget in self._opened:
            self._ctx.signal_entity(budget.entity, "sent", self._ctx.instance_id)

    def close(self, *, counts: bool, verified: bool = False) -> None:
        """Ends the challenge in each budget. `verified` says that its code came back from the number."""
        closing = Closing(challenge_id=self._ctx.instance_id, counts=counts, verified=verified)
        for budget in self._opened:
            self._ctx.signal_entity(budget.entity, "close", closing.model_dump(mode="json"))
