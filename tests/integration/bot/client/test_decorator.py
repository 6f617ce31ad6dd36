"""A function of a program that waits for people: it runs once, with what they approved, or not at all."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import Callable
from datetime import timedelta
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.client import (
    CallAnswer,
    CountersignError,
    NotApprovedError,
    claim_approval_async,
    requires_approval,
    wait_for_people_async,
)
from orchestration.domain.errors import InvalidRequestError
from tests.support.api_world import ApiWorld
from tests.support.held import card_of, decide_held
from tests.support.world import read, request_of

pytestmark = pytest.mark.asyncio(loop_scope="session")
ran: list[Any] = []


def an_order() -> str:
    """One that no other test asks about."""
    return f"order-{secrets.token_hex(4)}"


@pytest.fixture(autouse=True)
def nothing_ran() -> None:
    ran.clear()


@requires_approval(policy="agents", agent="shop-bot")
async def refund(path: str, *cents: int, notes: list[str] | None = None, **more: Any) -> int:
    """Give money back. An argument named `path` is shown in the title, which a decided card still shows."""
    ran.append((path, cents, notes, more))
    return sum(cents)


async def test_it_runs_once_with_what_people_read(api: ApiWorld) -> None:
    order, notes, more = an_order(), ["broken"], {"to": ["rita"]}
    call = asyncio.create_task(refund(order, 5, 6, notes=notes, **more))
    request_id = await card_of(api, order)
    [card] = [read(card) for card in api.cards() if request_of(card) == request_id]
    for shown in (f"path: {order}", "cents:", "notes:", '"broken"', "more:", '"rita"'):
        assert shown in card
    # The caller can change the values while people decide; such a change is not approved.
    notes.append("and 1,000,000 more")
    more["to"][0] = "mallory"
    await decide_held(api, order)
    assert await call == 11
    assert ran == [(order, (5, 6), ["broken"], {"to": ["rita"]})]
    # The approval is used up.
    again = asyncio.create_task(refund(order, 5, 6, notes=["broken"], to=["rita"]))
    await decide_held(api, order, "reject", number=2)
    with pytest.raises(NotApprovedError):
        await again
    assert len(ran) == 1


async def test_a_rejection_is_an_exception_with_the_words_of_the_person(api: ApiWorld) -> None:
    order = an_order()
    call = asyncio.create_task(refund(order, 1))
    request_id = await decide_held(api, order, "reject", comment="Not for this one.")
    with pytest.raises(NotApprovedError, match=r"rejected by U0ADA: “Not for this one\.”") as refused:
        await call
    assert (refused.value.request_id, refused.value.comment) == (request_id, "Not for this one.")
    assert not refused.value.waiting
    # It stands for the window, and nobody is asked again.
    with pytest.raises(NotApprovedError, match="rejected by U0ADA"):
        await refund(order, 1)
    assert (ran, len(api.titled(order))) == ([], 1)


async def test_of_two_that_call_at_once_one_approval_is_for_one(api: ApiWorld) -> None:
    order = an_order()
    calls = [asyncio.create_task(refund(order, 1)) for _ in range(2)]
    await card_of(api, order)
    await api.eventually(lambda: api.app.api.polls >= 2)
    await decide_held(api, order)
    await api.eventually(lambda: bool(ran))
    # Whoever comes second is told that it was used, or asks anew and waits.
    for call in calls:
        call.cancel()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert len(ran) == 1
    assert [end for end in ended if not isinstance(end, BaseException)] == [1]
    assert {type(end) for end in ended} <= {int, NotApprovedError, asyncio.CancelledError}


async def test_after_the_wait_the_same_call_goes_on_waiting(api: ApiWorld) -> None:
    order = an_order()
    short = requires_approval(policy="agents", agent="shop-bot", tool="refund", wait=timedelta(seconds=1))
    short_refund = short(refund.__wrapped__)  # type: ignore[attr-defined]  # the function inside
    with pytest.raises(NotApprovedError, match="People are still asked") as refused:
        await short_refund(order, 1)
    assert refused.value.waiting
    looked = asyncio.create_task(
        wait_for_people_async(
            "refund",
            {"path": order, "cents": [1], "notes": None, "more": {}},
            policy="agents",
            agent="shop-bot",
        )
    )
    await decide_held(api, order)
    # To look uses nothing up.
    assert (await looked).allowed
    assert await refund(order, 1) == 1
    assert len(api.titled(order)) == 1


PROGRAM = """
import sys
from bot.client import requires_approval

@requires_approval(policy="agents", agent="shop-bot")
def ship(path: str) -> None:
    with open(sys.argv[2], "a") as file:
        file.write(path + "\\n")

ship(sys.argv[1])
"""


async def test_a_program_that_was_killed_joins_what_waits(api: ApiWorld, tmp_path: Path) -> None:
    order, program, shipped = an_order(), tmp_path / "program.py", tmp_path / "shipped"
    program.write_text(PROGRAM)

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(sys.executable, program, order, shipped, env=os.environ)

    killed = await start()
    await card_of(api, order)
    killed.kill()
    await killed.wait()
    second = await start()
    await decide_held(api, order)
    assert await second.wait() == 0
    assert shipped.read_text() == f"{order}\n"
    assert len(api.titled(order)) == 1


class Colour(IntEnum):
    RED = 1


class Sly(str):  # noqa: SLOT000 - it stands for any subclass
    """Reads as one text, and acts as another."""


def deep(levels: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(levels):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ((1,), "notes: is of type tuple"),
        ({1}, "notes: is of type set"),
        (b"x", "notes: is of type bytes"),
        ([Sly("x")], "notes.0: is of type Sly"),
        ({"a": Colour.RED}, "notes.a: is of type Colour"),
        ({1: "x"}, "notes: has a key that is no str"),
        ({"a": object()}, "notes.a: is of type object"),
        (float("nan"), "have no canonical form"),
        (2**53, "beyond 2"),
        ("\ud800", "have no canonical form"),
        (deep(200), "is nested too deeply"),
    ],
)
async def test_what_is_no_json_value_is_not_asked(api: ApiWorld, value: Any, words: str) -> None:
    order = an_order()
    with pytest.raises(InvalidRequestError, match=words):
        await refund(order, notes=value)
    assert (ran, api.titled(order)) == ([], [])


async def test_a_generator_is_not_held() -> None:
    async def later() -> Any:
        yield 1

    def soon() -> Any:
        yield 1

    hold: Callable[[Any], Any] = requires_approval(policy="agents", agent="shop-bot")
    for function in (later, soon):
        with pytest.raises(TypeError, match="no generator"):
            hold(function)


async def test_where_nobody_can_be_asked_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, words in (
        ("COUNTERSIGN_URL", "nowhere", "is not an http"),
        ("COUNTERSIGN_TOKEN", "csn_wrong", "Send a valid token"),
        ("COUNTERSIGN_TOKEN", "", "is not set"),
    ):
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            with pytest.raises(CountersignError, match=words):
                await refund(an_order(), 1)
    with pytest.raises(CountersignError, match="there is no 'nobody'"):
        await claim_approval_async("x", {}, policy="nobody", agent="a")
    assert not ran


@pytest.mark.parametrize(
    "claimed", [{"attempt": "another", "arguments_digest": "d"}, {"arguments_digest": "e"}, {}], ids=str
)
async def test_a_claim_of_something_else_is_no_leave(
    monkeypatch: pytest.MonkeyPatch, claimed: dict[str, str]
) -> None:
    """A server that mixes answers up, as a proxy with a cache might."""

    async def ask(_: web.Request) -> web.Response:
        return web.json_response({"id": "r", "status": "waiting", "arguments_digest": "d"}, status=202)

    async def look(_: web.Request) -> web.Response:
        return web.json_response({"id": "r", "status": "approved", "outcome": None})

    async def claim(request: web.Request) -> web.Response:
        return web.json_response({"attempt": (await request.json())["attempt"], **claimed})

    app = web.Application()
    app.add_routes(
        [
            web.post("/api/calls", ask),
            web.get("/api/approvals/r", look),
            web.post("/api/calls/r/claim", claim),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    await (site := web.TCPSite(runner, "127.0.0.1", 0)).start()
    monkeypatch.setenv("COUNTERSIGN_URL", site.name)
    try:
        with pytest.raises(CountersignError, match="is about another call"):
            await refund("o", 1)
        answer = await wait_for_people_async("x", {}, policy="agents", agent="a")
        assert answer == CallAnswer(allowed=True, reason="r approved", request_id="r")
    finally:
        await runner.cleanup()
    assert not ran
