"""The policy of the guide on expense reports, as it stands there: manager, finance above a limit, payment, silence."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.api_world import ApiWorld
from tests.support.receiver import Receiver, receiver
from tests.support.recipes import recipe
from tests.support.world import read

RECEIPT = "https://files.example/receipt-1.pdf"


@pytest.fixture
async def bank() -> AsyncIterator[Receiver]:
    async with receiver() as found:
        yield found


@pytest.fixture
async def api(tmp_path: Path, bank: Receiver) -> AsyncIterator[ApiWorld]:
    async with ApiWorld(tmp_path / "data", sms=False) as found:
        text = recipe("expenses").replace("C0EXPENSES", "C0PURCHASES")
        found.write(text.replace("https://pay.example", bank.url.removesuffix("/done")))
        yield found


async def ask(api: ApiWorld, token: str, amount: str, **fields: str) -> str:
    return await api.ask(
        token, policy="expense", title="Taxi", amount=amount, fields={"receipt": RECEIPT, **fields}
    )


async def approve(api: ApiWorld, request_id: str, person: str, round_: int = 1) -> dict[str, Any]:
    token = api.token("approver", person, "decide:expense")
    answer = await api.decide(token, request_id, round=round_)
    found: dict[str, Any] = answer.body
    return found


async def test_a_small_report_is_paid_once_the_manager_says_yes(api: ApiWorld, bank: Receiver) -> None:
    rita = api.token("app", "U0RITA", "request")
    request_id = await ask(api, rita, "500")
    card = api.shown(request_id)
    assert RECEIPT in card
    assert "Finance" not in card
    await api.stop()
    await api.start()
    await approve(api, request_id, "U0ADA")
    await api.until(request_id, lambda progress: progress.status.ended)
    await api.eventually(lambda: bank.paths == ["/payments"])
    [(headers, _)] = bank.got
    assert "Idempotency-Key" in headers
    [level] = (await api.service.status(request_id)).levels
    assert level.name == "Manager"


async def test_a_large_one_needs_finance_too(api: ApiWorld, bank: Receiver) -> None:
    rita = api.token("app", "U0RITA", "request")
    request_id = await ask(api, rita, "500.01")
    assert "Finance" in api.shown(request_id)
    await approve(api, request_id, "U0ADA")
    await api.until(request_id, lambda progress: len(progress.cards) == 2)
    assert bank.paths == []
    await approve(api, request_id, "U0FIN", 2)
    await api.eventually(lambda: bank.paths == ["/payments"])
    ended = await api.service.status(request_id)
    assert [level.name for level in ended.levels] == ["Manager", "Finance"]


async def test_silence_cancels_it(api: ApiWorld, bank: Receiver) -> None:
    request_id = await ask(api, api.token("app", "U0RITA", "request"), "80")
    await api.skip(days=3)
    await api.eventually(lambda: bank.paths == ["/cancelled"])
    assert (await api.service.status(request_id)).status == "timed_out"
    assert "ended without a decision" in read(api.cards_of(request_id)[0]) or "Timed out" in api.shown(
        request_id
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"fields": {}}, "receipt"), ({"amount": None}, "amount"), ({"fields": {"receipt": " "}}, "receipt")],
)
async def test_what_is_missing_is_named(api: ApiWorld, changes: dict[str, Any], field: str) -> None:
    given = {"policy": "expense", "title": "Taxi", "amount": "80", "fields": {"receipt": RECEIPT}} | changes
    answer = await api.call("POST", "/api/approvals", api.token("app", "U0RITA", "request"), json=given)
    assert answer.status in {400, 422}
    assert field in answer.fields


async def test_the_receipt_names_the_policy_as_it_is_written(api: ApiWorld) -> None:
    """Whatever the amount: an auditor looks for one digest."""
    policy = api.service.book().policies["expense"]
    assert policy.for_amount(Decimal(80)).digest() != policy.digest()
    rita = api.token("app", "U0RITA", "request")
    for amount in ("80", "900"):
        request_id = await ask(api, rita, amount)
        state = await api.client.get_orchestration_state(request_id)
        assert state is not None
        given = state.get_input()
        assert given["policy_digest"] == policy.digest()
