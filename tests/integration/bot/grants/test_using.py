"""A standing grant from the button to its last use: what fits, what does not, and that it is never used too often."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bot.security.receipts import verify
from orchestration.domain.request import Status
from tests.support.granting import GrantWorld, an_edit, at

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_calls_like_it_are_approved_on_record_until_the_grant_is_used_up(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), an_edit()
    request_id = await grants.asked_people(call)
    grant = await grants.grant(dirk, request_id)
    assert (await grants.claim(request_id)).status == 200
    for number, path in enumerate(("/srv/b.py", "/srv/c.py", "/srv/d.py"), 1):
        progress = await grants.by_grant(at(call, path))
        used = progress.outcome.grant if progress.outcome else None
        assert used is not None
        assert (used.grant, used.granted_by, used.number, used.of) == (grant.facts.id, "U0DIRK", number, 3)
        assert progress.status is Status.APPROVED
        assert (await grants.claim(progress.request_id)).status == 200
        assert (await grants.claim(progress.request_id)).status == 409
        assert grants.cards_of(progress.request_id) == []
    await grants.eventually(lambda: "Used up" in grants.says(request_id))
    await grants.eventually(lambda: len(grants.told_uses(request_id)) == 3)
    lines = grants.told_uses(request_id)
    assert [line[:12] for line in lines] == [f"✓ Use {n} of 3" for n in (1, 2, 3)]
    assert "/srv/d.py" in lines[2]
    await grants.asked_people(at(call, "/srv/e.py"))

    receipt = (
        await grants.until(progress.request_id, lambda one: bool(one.outcome and one.outcome.receipt))
    ).outcome
    assert receipt is not None
    published = (await grants.call("GET", "/.well-known/jwks.json", grants.agent)).body
    claims = verify(receipt.receipt or "", published)
    assert (claims["status"], claims["processed_by"], claims["decisions"]) == ("approved", "U0DIRK", [])
    assert claims["grant"] | {"until": ""} == {
        "grant": grant.facts.id,
        "granted_by": "U0DIRK",
        "number": 3,
        "of": 3,
        "until": "",
    }
    reader = grants.token("reader", "U0RITA", "read")
    shown = (await grants.call("GET", f"/api/approvals/{progress.request_id}", reader)).body
    assert shown["outcome"]["grant"]["grant"] == grant.facts.id
    assert shown["outcome"]["reason"] == f"By the standing grant {grant.facts.id}, use 3 of 3."
    timeline = await grants.call("GET", f"/api/approvals/{progress.request_id}/timeline", reader)
    assert timeline.status == 200
    given = (await grants.until(request_id, lambda one: bool(one.outcome and one.outcome.receipt))).outcome
    assert given is not None
    [vote] = verify(given.receipt or "", published)["decisions"]
    assert vote["grant"]["uses"] == 3


async def test_what_differs_in_anything_fixed_is_asked(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), an_edit(mask=["token"])
    call["arguments"] |= {"token": "secret-1", "nested": {"file_path": "/x"}}
    request_id = await grants.asked_people(call)
    await grants.grant(dirk, request_id)
    other_agent = grants.token("agent", "U0RITA", "request")
    other_owner = grants.token("agent", "U0SAM", "request")
    arguments = call["arguments"]
    changed: list[tuple[dict[str, Any], str]] = [
        (at(call, "/srv/b.py"), other_agent),
        (at(call, "/srv/b.py"), other_owner),
        (call | {"agent": "claude-code-2"}, grants.agent),
        (call | {"server": "other"}, grants.agent),
        (call | {"tool": "mcp__github__edit"}, grants.agent),
        (call | {"policy": "coded"}, grants.agent),
        (call | {"directory": "/elsewhere"}, grants.agent),
        (call | {"window": "11m"}, grants.agent),
        (call | {"arguments": arguments | {"new_string": "rm"}}, grants.agent),
        (call | {"arguments": arguments | {"more": 1}}, grants.agent),
        (call | {"arguments": arguments | {"token": "secret-2"}}, grants.agent),
        (call | {"arguments": arguments | {"nested": {"file_path": "/y"}}}, grants.agent),
        (call | {"arguments": arguments | {"file_path": {"a": "b"}}}, grants.agent),
        (call | {"arguments": arguments | {"file_path": 5}}, grants.agent),
        (call | {"arguments": arguments | {"file_path": None}}, grants.agent),
        (call | {"arguments": {k: v for k, v in arguments.items() if k != "file_path"}}, grants.agent),
        (call | {"mask": ["token", "file_path"]}, grants.agent),
    ]
    asked = [await grants.ask_call(one, token) for one, token in changed]
    for one in asked:
        progress = await grants.until(one, lambda known: known.status.ended or bool(known.cards))
        assert (progress.status, len(progress.cards)) == (Status.PENDING, 1)
    assert (await grants.by_grant(at(call, "/srv/b.py"))).status is Status.APPROVED


async def test_of_many_calls_at_once_no_more_are_approved_than_the_grant_says(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), an_edit()
    request_id = await grants.asked_people(call)
    await grants.grant(dirk, request_id, grant_uses="1")
    asked = await asyncio.gather(*(grants.ask_call(at(call, f"/srv/{n}.py")) for n in range(6)))
    known = [await grants.until(one, lambda one: one.status.ended or bool(one.cards)) for one in asked]
    assert sorted(one.status for one in known) == [Status.APPROVED] + [Status.PENDING] * 5
    await grants.eventually(lambda: "Used up" in grants.says(request_id))
    grant = await grants.standing_of(request_id)
    assert (grant.ended, grant.used) == (None, 1)
