"""Everything is under way at once, `countersign run` is killed three times by SIGKILL, and nothing is lost or doubled.

With COUNTERSIGN_PROOF it is played ten times. The second kill is at a moment of chance.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.records.chain import ENTRIES
from bot.records.entries import unchecked_claims
from tests.e2e.killed.codes import RITA, SAM, MailedCodes, TextedCodes
from tests.e2e.killed.digest import CHANNEL, EARLY, HEADING, LATE, HourlyDigest
from tests.e2e.killed.document import NAME, MovedDocument
from tests.e2e.killed.expense import PaidExpense
from tests.e2e.killed.gathering import SCANNER, TITLE, AnsweredGathering
from tests.e2e.killed.order import EVENTS, FulfilledOrder
from tests.integration.bot.documents.conftest import names, policy
from tests.support import PATIENCE_S
from tests.support.gathering import DEPLOYS
from tests.support.mail_server import MailServer
from tests.support.process_world import ProcessWorld
from tests.support.receiver import receiver
from tests.support.recipes import recipe
from tests.support.world import policies, read

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROUNDS = 10 if os.environ.get("COUNTERSIGN_PROOF") else 1
STATES = ["Created", "Paid", "Shipped", "Completed"]
SPEND = """
[policies.spend]
title = "Spend"
channel = "C0ACCESS"
currency = "USD"
auto_approve_below = 1000
notify = "digest"
[[policies.spend.levels]]
name = "Manager"
approvers = ["U0ADA"]
timeout = "2d"
"""


def book(origin: str, place: Path) -> str:
    """The policies of all of it, with the other system at this address, and folders for documents in `place`."""
    inbox, published, archived = (place / name for name in ("inbox", "published", "archived"))
    for folder in (inbox, published, archived):
        folder.mkdir()
    order = policies("order")
    for state, event in (("paid", "Shipped"), ("shipped", "Delivered")):
        events = f'events = [{{ name = "{event}"'
        assert events in order
        order = order.replace(events, f'on_enter = [{{ post = "https://erp.example/{state}" }}]\n{events}')
    expenses = recipe("expenses").replace("C0EXPENSES", "C0DEPLOYS").replace("https://pay.example", origin)
    gatherings = policies("gathering").replace("https://scanner.example", origin)
    return (
        order.replace("https://erp.example", origin)
        + SPEND
        + expenses
        + gatherings
        + policy(inbox, published, archived)
    )


@dataclass
class Run:
    """What was under way."""

    bot: ProcessWorld
    order: FulfilledOrder
    expense: PaidExpense
    digest: HourlyDigest
    gathering: AnsweredGathering
    document: MovedDocument
    mailed: MailedCodes
    texted: TextedCodes


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=range(ROUNDS))
async def run(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Run]:
    """Each kill comes while every one of them has something under way; the second one at a moment of chance."""
    place: Path = tmp_path_factory.mktemp("killed")
    seed = os.environ.get("COUNTERSIGN_SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"COUNTERSIGN_SEED={seed}")  # noqa: T201 - pytest shows it where a test fails
    chance = random.Random(seed)
    with MailServer(place) as mail:
        async with receiver() as system, ProcessWorld(place, book(system.origin, place), system, mail) as bot:
            played = Run(
                bot,
                FulfilledOrder(bot),
                PaidExpense(bot),
                HourlyDigest(bot),
                AnsweredGathering(bot),
                MovedDocument(bot, place),
                MailedCodes(bot),
                TextedCodes(bot),
            )
            # An hour is skipped for the digest, so the codes come before it; the move of the document is short.
            flows = (
                played.mailed,
                played.texted,
                played.order,
                played.expense,
                played.gathering,
                played.digest,
                played.document,
            )
            system.free.clear()
            mail.free.clear()
            await asyncio.gather(*(flow.begin() for flow in flows))
            await bot.kill()
            for flow in flows:
                await flow.prepare()
            going_on = asyncio.gather(*(flow.go_on() for flow in flows))
            await asyncio.sleep(chance.uniform(0.0, 0.1))
            await bot.kill()
            await asyncio.wait_for(going_on, 60)
            system.free.clear()
            for flow in flows:
                await flow.finish()
            await bot.kill()
            yield played


# ---- what has come of it ------------------------------------------------------------------------------------


def keys(bot: ProcessWorld, *paths: str) -> dict[str, set[str]]:
    """The idempotency keys that came to each of the other system's paths."""
    found: dict[str, set[str]] = {path: set() for path in paths}
    for path, (headers, _) in zip(bot.system.paths, bot.system.got, strict=True):
        if path in found:
            found[path].add(headers["Idempotency-Key"])
    return found


def on_record(bot: ProcessWorld, kind: str, request_id: str) -> list[dict[str, Any]]:
    [file] = (bot.data / "records").glob(f"*/{ENTRIES}")
    entries = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        unchecked_claims(one["jws"])
        for one in entries
        if (one["kind"], one.get("request")) == (kind, request_id)
    ]


async def test_an_order_loses_and_skips_no_state(run: Run) -> None:
    bot, order = run.bot, run.order
    for answer in [*order.answers, *await order.last_answers()]:
        assert answer.status == 202 or answer.body["reason"] in {"moved", "waits", "duplicate"}
    async with asyncio.timeout(PATIENCE_S):
        while not all(step["on_record"] for step in (await order.found())["steps"]) or (
            (await order.found())["state"] != "Completed"
        ):
            await asyncio.sleep(0.05)
    steps = (await order.found())["steps"]
    assert [(step["number"], step["state"]) for step in steps] == list(enumerate(STATES, 1))
    assert [step["payload"] for step in steps] == [None, *EVENTS.values()]
    assert [step["state"] for step in on_record(bot, "step", order.request_id)] == STATES
    await bot.eventually(
        lambda: "✓ Created → Paid → Shipped → *Completed*" in bot.shown_card(order.request_id)
    )
    await bot.eventually(lambda: len(bot.said("D0RITA", "is now *Completed*")) == 1)
    await bot.eventually(lambda: any("*Completed*:" in line for line in bot.thread(order.request_id)))
    lines = "\n".join(bot.thread(order.request_id))
    assert [lines.count(f"*{state}*: ") for state in STATES[1:]] == [1, 1, 1]


async def test_an_action_under_way_is_done_again_with_the_same_key(run: Run) -> None:
    await run.bot.eventually(lambda: "/shipped" in run.bot.system.paths)
    found = keys(run.bot, "/orders", "/paid", "/shipped")
    assert [len(one) for one in found.values()] == [1, 1, 1]
    assert run.bot.system.paths.count("/orders") >= 2


async def test_an_expense_is_asked_once_decided_once_and_paid_once(run: Run) -> None:
    bot, request_id = run.bot, run.expense.request_id
    await bot.eventually(lambda: bot.system.paths.count("/payments") >= 2)
    assert len(keys(bot, "/payments")["/payments"]) == 1
    found = await run.expense.found()
    assert (found["status"], [level["name"] for level in found["levels"]]) == (
        "approved",
        ["Manager", "Finance"],
    )
    assert len(on_record(bot, "receipt", request_id)) == 1
    assert len(bot.cards(request_id)) == 2
    assert bot.system.paths.count("/cancelled") == 0


async def test_a_digest_counts_every_request_once_in_one_message(run: Run) -> None:
    bot = run.bot
    while any(await run.digest.standing()):
        await bot.eventually(lambda: True)
    [said] = bot.said(CHANNEL, HEADING)
    assert f"✓ {len(EARLY + LATE)} approved by rule since" in said
    assert f"{sum(EARLY + LATE)}.00 USD in all" in said
    # The next hour begins with nothing.
    await run.digest.spend(64)
    while await run.digest.held() != 1:
        await bot.eventually(lambda: True)
    await bot.skip(timedelta(hours=1))
    await bot.eventually(lambda: len(bot.said(CHANNEL, HEADING)) == 2)
    assert "✓ 1 approved by rule since" in bot.said(CHANNEL, HEADING)[1]


async def test_a_code_by_mail_comes_twice_and_is_one(run: Run) -> None:
    mailed = run.mailed
    assert len(mailed.codes(RITA)) == 2
    assert len(set(mailed.codes(RITA))) == len(set(mailed.codes(SAM))) == 1
    assert (mailed.said, mailed.changed) == (["Your password is changed."], 1)
    challenges = Counter(one["Message-ID"] for one in run.bot.mail.messages)
    assert len(challenges) == 2


async def test_a_code_by_sms_comes_twice_and_is_one(run: Run) -> None:
    assert len(set(await run.texted.codes("U0ADA"))) == len(set(await run.texted.codes("U0FIN"))) == 1
    assert run.texted.states == ["verified", "verified"]
    assert run.texted.typed == [True]


def _is_told_once(bot: ProcessWorld, home: str) -> bool:
    return len(bot.said(home, "has ended")) == 1


async def test_a_gathering_asks_everybody_once_and_keeps_every_answer(run: Run) -> None:
    bot = run.bot
    await bot.eventually(lambda: len(bot.said(DEPLOYS, "3 of 3 answered")) == 1)
    await bot.eventually(lambda: len(bot.said("D0RITA", TITLE)) == 1)
    for home in ("D0ADA", "D0FAY"):
        await bot.eventually(partial(_is_told_once, bot, home))
        assert len(bot.said(home, TITLE)) == 1
    [card] = bot.said(DEPLOYS, "Release readiness")
    for words in ("> Ready? yes", "> Ready? no\n> Notes: Not yet.", "> Findings: 3"):
        assert words in card
    asked = {
        headers["webhook-id"]
        for path, (headers, _) in zip(bot.system.paths, bot.system.got, strict=True)
        if path == SCANNER
    }
    assert len(asked) == 1


async def test_a_document_is_reviewed_once_and_moved_once(run: Run) -> None:
    bot, document = run.bot, run.document
    await bot.eventually(lambda: f"Published as {document.published}/{NAME}" in read(document.cards()[0]))
    assert (names(document.inbox), names(document.published)) == ([], [NAME])
    assert len(document.cards()) == 1
    await bot.eventually(lambda: len(document.files()) == 1)
