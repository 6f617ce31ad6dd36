"""Asking, looking, waiting and deciding over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator

import pytest

from bot.http.api import long_polling
from bot.security.receipts import verify
from bot.security.secrets import Secrets
from bot.slack.ids import SlackIds
from orchestration.domain.request import ApprovalRequest, Via
from orchestration.service.approvals import Actor, ApprovalService
from orchestration.service.request_ids import RequestIds
from tests.support import PATIENCE_S
from tests.support.api_world import OLD_SECRET, ApiWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")

PROOF = bool(os.environ.get("COUNTERSIGN_PROOF"))


async def test_ask_wait_decide(api: ApiWorld) -> None:
    rita, ada = api.token("ci", "U0RITA", "request"), api.token("ada", "U0ADA", "decide:deploy")
    started = await api.call(
        "POST",
        "/api/approvals",
        rita,
        json={"policy": "deploy", "title": "Deploy?", "fields": {"service": "web"}},
    )
    assert started.status == 202
    request_id = started.body["id"]
    assert started.headers["Location"] == f"{api.url}/api/approvals/{request_id}"
    assert started.headers["Retry-After"].isdigit()

    waiting = asyncio.create_task(api.call("GET", f"/api/approvals/{request_id}?wait=30s", rita))
    await api.until(request_id, lambda progress: len(progress.cards) == 1)
    first = await api.call("GET", f"/api/approvals/{request_id}", rita)
    assert (first.status, first.body["status"], first.body["requester"]) == (202, "pending", "U0RITA")
    assert first.body["card_url"] == api.permalink(api.cards_of(request_id)[0])

    verdict = await api.decide(ada, request_id, comment="Go.")
    assert (verdict.status, verdict.body["accepted"], verdict.body["reason"]) == (200, True, "recorded")
    assert verdict.body["card_url"] == first.body["card_url"]
    ended = await waiting
    assert (ended.status, ended.body["status"]) == (200, "approved")
    outcome = ended.body["outcome"]
    vote = outcome["levels"][0]["decisions"][0]
    assert (outcome["processed_by"], outcome["comments"]) == ("U0ADA", "Go.")
    assert (vote["actor"], vote["via"]) == ("U0ADA", Via.API)
    assert vote["token"].startswith("ada-")
    asked_with = (await api.service.view(request_id)).request.asked_with
    assert asked_with is not None
    assert asked_with.startswith("ci-")


FIELDS = {
    "risk": "high",
    "until": "2026-12-24",
    "reviewer": "U0FAY",
    "ticket": "https://Tickets.example/browse?id=7&x=1",
    "hosts": 3,
    "why": "One.\n*Two* <@U0BOB>",
}


async def test_fields_are_read_by_their_types_and_shown_so(api: ApiWorld) -> None:
    token = api.token("ci", "U0RITA", "request")
    listed = (await api.call("GET", "/api/policies", token)).body["items"]
    (fields,) = [policy["fields"] for policy in listed if policy["policy"] == "deploy"]
    assert {field["name"]: field["type"] for field in fields} == {
        "service": "text",
        "risk": "choice",
        "until": "date",
        "reviewer": "person",
        "ticket": "link",
        "hosts": "number",
        "why": "long_text",
    }
    assert (fields[1]["choices"], fields[1]["max_length"]) == (["Low", "High"], 500)

    request_id = await api.ask(token, fields=FIELDS)
    asked = (await api.call("GET", f"/api/approvals/{request_id}/asked", token)).body
    kept = {"risk": "High", "hosts": "3", "ticket": "https://tickets.example/browse?id=7&x=1"}
    assert asked["facts"]["fields"] == {**FIELDS, **kept}
    card = json.dumps(api.cards_of(request_id)[0].blocks, ensure_ascii=False)
    for shown in (
        "Until: Thursday, 24 December 2026",
        "Reviewer: <@U0FAY>",
        "Ticket: <https://tickets.example/browse?id=7&amp;x=1>",
        "Why:\\n> One.\\n> ∗Two∗ &lt;＠U0BOB&gt;",
    ):
        assert shown in card.replace("*Ticket*", "Ticket").replace("*Why*", "Why")

    for name, wrong, words in (
        ("risk", "medium", "Risk: must be one of: Low, High."),
        ("reviewer", "S0MANAGERS", "Reviewer: 'S0MANAGERS' is not a person's ID in Slack"),
        ("ticket", "https://tickets.example@evil.example", "no name or password before it"),
        ("hosts", "3,5", "must be a number with a point"),
        ("until", True, "Until: must be a day such as 2026-12-24."),
    ):
        body = {"policy": "deploy", "title": "T", "fields": {name: wrong}}
        refused = await api.call("POST", "/api/approvals", token, json=body)
        assert (refused.status, refused.fields) == (422, {name})
        assert words in refused.body["errors"][0]["detail"]


async def test_who_was_asked_who_stands_in_and_who_is_waited_for_are_kept_apart(api: ApiWorld) -> None:
    sam, rita = api.token("sam", "U0SAM", "request"), api.token("rita", "U0RITA", "decide:deploy")
    request_id = await api.ask(sam)
    shown = (await api.service.status(request_id)).identity
    ticket = await api.service.delegate(request_id, Actor("U0ADA", Via.CHAT), "U0RITA", shown=shown, round=1)
    assert (await api.service.verdict(ticket)).accepted

    async def level(part: str) -> tuple[list[str], list[str], dict[str, str], list[str]]:
        approval = (await api.call("GET", f"/api/approvals/{request_id}", sam)).body
        (found,) = (approval["outcome"] if part == "outcome" else approval)["levels"]
        return found["asked"], found["approvers"], found["delegates"], found["waiting_for"]

    named, stands_in = ["U0ADA", "U0RITA"], {"U0ADA": "U0RITA"}
    assert await level("approval") == (named, ["U0RITA"], stands_in, ["U0RITA"])
    assert (await api.decide(rita, request_id, "reject", comment="No.")).status == 200
    for part in ("approval", "outcome"):
        assert await level(part) == (named, ["U0RITA"], stands_in, [])


async def test_a_long_poll_returns_after_its_time_and_says_that_it_still_waits(api: ApiWorld) -> None:
    rita = api.token("ci")
    request_id = await api.ask(rita)
    began = time.monotonic()
    answer = await api.call("GET", f"/api/approvals/{request_id}?wait=1s", rita)
    assert (answer.status, answer.body["status"]) == (202, "pending")
    assert 0.9 < time.monotonic() - began < 3


async def test_an_idempotency_key_starts_once_and_refuses_another_request(api: ApiWorld) -> None:
    rita = api.token("ci")
    body, key = {"policy": "deploy", "title": "Deploy?"}, {"Idempotency-Key": "run-77"}
    ids = {
        (await api.call("POST", "/api/approvals", rita, json=body, headers=key)).body["id"] for _ in range(3)
    }
    assert len(ids) == 1
    other = await api.call("POST", "/api/approvals", rita, json={**body, "title": "Other"}, headers=key)
    assert (other.status, other.fields) == (422, {"Idempotency-Key"})
    (request_id,) = ids
    await api.until(request_id, lambda progress: len(progress.cards) == 1)
    assert len(api.cards_of(request_id)) == 1


async def test_asking_by_token_and_approving_by_the_same_persons_token_is_self_approval(
    api: ApiWorld,
) -> None:
    """Rita is an approver of this policy. She may not decide because she asked, whatever token she uses."""
    request_id = await api.ask(api.token("ci", "U0RITA", "request"))
    refused = await api.decide(api.token("ritas-other", "U0RITA", "decide:deploy"), request_id)
    assert (refused.status, refused.body["verdict"]["reason"]) == (403, "self_approval")
    assert (await api.service.status(request_id)).status == "pending"


async def test_a_refused_decision_says_why_in_its_status_and_words(api: ApiWorld) -> None:
    rita, sam = api.token("ci"), api.token("sam", "U0SAM", "decide:deploy")
    ada = api.token("ada", "U0ADA", "decide:deploy")
    request_id = await api.ask(rita)
    not_approver = await api.decide(sam, request_id)
    assert (not_approver.status, not_approver.body["verdict"]["reason"]) == (403, "not_an_approver")
    no_reason = await api.decide(ada, request_id, "reject")
    assert (no_reason.status, no_reason.fields) == (422, {"comment"})
    wrong_round = await api.decide(ada, request_id, round=9)
    assert (wrong_round.status, wrong_round.body["verdict"]["reason"]) == (409, "round_over")
    assert (await api.decide(ada, request_id, "reject", comment="Not today.")).status == 200
    late = await api.decide(ada, request_id)
    assert (late.status, late.body["verdict"]["ended_as"]) == (409, "rejected")
    assert "already rejected" in late.body["detail"]


async def test_a_decision_with_the_same_key_counts_once_and_gets_the_same_verdict(api: ApiWorld) -> None:
    rita, ada = api.token("ci"), api.token("ada", "U0ADA", "decide:deploy")
    request_id = await api.ask(rita)
    body = {"choice": "approve", **await api.seen(ada, request_id)}
    for _ in range(2):
        answer = await api.call(
            "POST",
            f"/api/approvals/{request_id}/decision",
            ada,
            json=body,
            headers={"Idempotency-Key": "once"},
        )
        assert (answer.status, answer.body["reason"]) == (200, "recorded")


async def test_an_approval_says_what_a_decision_on_it_has_to_name(api: ApiWorld) -> None:
    rita, ada = api.token("ci"), api.token("ada", "U0ADA", "decide:deploy")
    request_id = await api.ask(rita)
    seen = (await api.call("GET", f"/api/approvals/{request_id}", ada)).body
    assert (len(seen["nonce"]), len(seen["digest"]), seen["round"]) == (22, 64, 1)
    [listed] = [
        item
        for item in (await api.call("GET", "/api/approvals?limit=200&policy=deploy", rita)).body["items"]
        if item["id"] == request_id
    ]
    assert (listed["nonce"], listed["digest"]) == (seen["nonce"], seen["digest"])
    body = {"choice": "approve", "nonce": seen["nonce"], "digest": seen["digest"]}
    answer = await api.call("POST", f"/api/approvals/{request_id}/decision", ada, json=body)
    assert answer.status == 200


@pytest.mark.parametrize("missing", ["nonce", "digest"])
async def test_a_decision_that_does_not_say_what_was_shown_is_refused_by_name(
    api: ApiWorld, missing: str
) -> None:
    ada = api.token("ada", "U0ADA", "decide:deploy")
    request_id = await api.ask(api.token("ci"))
    body = {"choice": "approve", **await api.seen(ada, request_id)}
    path = f"/api/approvals/{request_id}/decision"
    without = {name: value for name, value in body.items() if name != missing}
    for refused in (without, {**body, missing: None}, {**body, missing: ""}):
        answer = await api.call("POST", path, ada, json=refused)
        assert (answer.status, answer.fields) == (422, {missing})
    assert (await api.service.status(request_id)).levels[0].decisions == []


@pytest.mark.parametrize("other", [{"nonce": "n" * 22}, {"digest": "0" * 64}], ids=["nonce", "digest"])
async def test_a_decision_on_something_else_is_refused(api: ApiWorld, other: dict[str, str]) -> None:
    ada = api.token("ada", "U0ADA", "decide:deploy")
    request_id = await api.ask(api.token("ci"))
    answer = await api.decide(ada, request_id, **other)
    assert (answer.status, answer.body["verdict"]["reason"]) == (409, "outdated")
    assert (
        answer.body["detail"] == "This request has changed or was replaced since you saw it; open it again."
    )
    assert (await api.service.status(request_id)).levels[0].decisions == []


async def test_a_key_binds_the_whole_command(api: ApiWorld) -> None:
    """A key that was used for a comment does not answer a rejection, and one for a decision not another decision."""
    ada = api.token("ada", "U0ADA", "decide:deploy")
    request_id = await api.ask(api.token("ci"))
    path, key = f"/api/approvals/{request_id}", {"Idempotency-Key": "one"}
    said = await api.call("POST", f"{path}/comment", ada, json={"text": "Looks fine."}, headers=key)
    assert (said.status, said.body["reason"]) == (200, "recorded")
    body = {"choice": "reject", "comment": "No.", **await api.seen(ada, request_id)}
    refused = await api.call("POST", f"{path}/decision", ada, json=body, headers=key)
    assert (refused.status, refused.body["verdict"]["reason"]) == (409, "id_reused")
    assert refused.body["detail"] == "This ID was used for a different command, so nothing changed."
    assert (await api.service.status(request_id)).status == "pending"
    key = {"Idempotency-Key": "two"}
    assert (await api.call("POST", f"{path}/decision", ada, json=body, headers=key)).status == 200
    again = await api.call("POST", f"{path}/decision", ada, json=body, headers=key)
    assert (again.status, again.body["reason"]) == (200, "recorded")
    other = await api.call("POST", f"{path}/decision", ada, json=body | {"choice": "approve"}, headers=key)
    assert (other.status, other.body["verdict"]["reason"]) == (409, "id_reused")


async def test_two_receipts_of_one_id_are_of_two_starts(api: ApiWorld) -> None:
    """After a purge the key gives the same ID. Each receipt says which start it is of, and what was shown then."""
    root, ada = api.token("root"), api.token("ada", "U0ADA", "decide:deploy")
    published = (await api.call("GET", "/.well-known/jwks.json")).body
    claims = []
    for title in ("Deploy web?", "Deploy the other thing?"):
        body, key = {"policy": "deploy", "title": title}, {"Idempotency-Key": "run-78"}
        request_id = (await api.call("POST", "/api/approvals", root, json=body, headers=key)).body["id"]
        await api.until(request_id, lambda progress: len(progress.cards) == 1)
        nonce = (await api.call("GET", f"/api/approvals/{request_id}", root)).body["nonce"]
        assert (await api.decide(ada, request_id)).status == 200
        outcome = (await api.call("GET", f"/api/approvals/{request_id}?wait=10s", root)).body["outcome"]
        assert outcome["nonce"] == nonce
        claims.append(verify(outcome["receipt"], published))
        assert claims[-1]["jti"] == nonce
        place = f"/runtime/webhooks/durabletask/instances/{request_id}"
        async with asyncio.timeout(PATIENCE_S):
            while (await api.call("DELETE", place, root)).status != 200:
                await asyncio.sleep(0.02)
    first, second = claims
    assert first["sub"] == second["sub"]
    assert first["jti"] != second["jti"]
    assert first["digest"] != second["digest"]


async def test_a_key_finds_its_request_after_the_secret_was_rotated(api: ApiWorld) -> None:
    """The world has a new secret and an old one: what was asked under the old one is found, and not asked again."""
    request = ApprovalRequest(policy="deploy", title="x", requester="U0RITA", idempotency_key="run-79")
    old = Secrets(OLD_SECRET.encode())
    before = ApprovalService(
        api.client,
        api.service.book,
        SlackIds(),
        RequestIds(lambda about: old.derive_each("request-id", about)),
    )
    request_id = await before.start(request)
    assert await api.service.start(request) == request_id


async def test_a_token_decides_only_the_policies_it_names(api: ApiWorld) -> None:
    request_id = await api.ask(api.token("ci"))
    refused = await api.decide(api.token("buyer", "U0ADA", "decide:purchase"), request_id)
    assert refused.status == 403
    assert "decide:deploy" in refused.body["detail"]


async def test_the_requester_withdraws_and_nobody_else(api: ApiWorld) -> None:
    rita, sam = api.token("ci"), api.token("sam", "U0SAM", "request")
    request_id = await api.ask(rita)
    path = f"/api/approvals/{request_id}/cancel"
    assert (await api.call("POST", path, sam)).status == 403
    assert (await api.call("POST", path, rita, json={"reason": "Found it."})).status == 200
    ended = await api.call("GET", f"/api/approvals/{request_id}?wait=10s", rita)
    assert (ended.body["status"], ended.body["outcome"]["comments"]) == ("cancelled", "Found it.")


async def test_a_question_and_its_answer(api: ApiWorld) -> None:
    rita, ada = api.token("ci"), api.token("ada", "U0ADA", "decide:deploy")
    request_id = await api.ask(rita)
    path = f"/api/approvals/{request_id}/comment"
    asked = await api.call("POST", path, ada, json={"text": "Tested?", "kind": "question"})
    answered = await api.call("POST", path, rita, json={"text": "Twice.", "kind": "answer"})
    assert (asked.status, answered.status) == (200, 200)
    progress = await api.service.status(request_id)
    assert [verdict.reason for verdict in progress.verdicts] == ["recorded", "recorded"]


async def test_lists_by_status_policy_requester_and_time_in_pages(own_api: ApiWorld) -> None:
    api = own_api
    rita, sam = api.token("ci"), api.token("sam", "U0SAM", "request")
    mine = [await api.ask(rita, title=f"Deploy {n}") for n in range(5)]
    sams = await api.ask(sam)
    bought = await api.call(
        "POST",
        "/api/approvals",
        rita,
        json={"policy": "purchase", "title": "Pens", "amount": "5", "fields": {"vendor": "Acme"}},
    )
    await api.until(bought.body["id"], lambda progress: progress.status.ended)

    async def ids(query: str, token: str = rita) -> list[str]:
        found: list[str] = []
        after = ""
        while True:
            page = await api.call("GET", f"/api/approvals?limit=2{query}{after}", token)
            assert page.status == 200, page.body
            found += [item["id"] for item in page.body["items"]]
            if page.body["next"] is None:
                return found
            after = f"&after={page.body['next']}"

    assert await ids("") == [*mine, sams, bought.body["id"]]
    assert await ids("&policy=deploy&requester=U0RITA") == mine
    assert await ids("&status=auto_approved") == [bought.body["id"]]
    assert await ids("&until=2020-01-01T00:00:00Z") == []
    assert await ids("", sam) == [sams]
    assert (await api.call("GET", "/api/approvals?requester=U0RITA", sam)).status == 403
    assert (await api.call("GET", "/api/approvals?after=nonsense", rita)).status == 422


async def test_a_token_that_may_only_ask_sees_its_owners_own(api: ApiWorld) -> None:
    request_id = await api.ask(api.token("ci", "U0RITA", "request"))
    path = f"/api/approvals/{request_id}"
    assert (await api.call("GET", path, api.token("sam", "U0SAM", "request"))).status == 403
    assert (await api.call("GET", path, api.token("ada", "U0ADA", "decide:deploy"))).status == 202
    assert (await api.call("GET", path, api.token("eve", "U0EVE", "decide:purchase"))).status == 403
    assert (await api.call("GET", path, api.token("auditor", "U0EVE", "read"))).status == 202


GOOD = {"policy": "deploy", "title": "Deploy?"}


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({**GOOD, "requester": "U0CEO"}, 422, "requester"),
        ({**GOOD, "idempotency_key": "x"}, 422, "idempotency_key"),
        ({"policy": "deploy"}, 422, "title"),
        ({**GOOD, "title": " "}, 422, "title"),
        ({**GOOD, "title": "a\x00b"}, 422, "title"),
        ({**GOOD, "title": "a\nb"}, 422, "title"),
        ({**GOOD, "title": "\u202etset"}, 422, "title"),
        ({**GOOD, "description": "a\x1bb"}, 422, "description"),
        ({**GOOD, "title": 7}, 422, "title"),
        ({**GOOD, "title": "x" * 151}, 422, "title"),
        ({**GOOD, "amount": "much"}, 422, "amount"),
        ({**GOOD, "amount": "NaN"}, 422, "amount"),
        ({"policy": "purchase", "title": "Pens", "amount": "12 400"}, 422, "amount"),
        ({"policy": "purchase", "title": "Pens", "amount": "1.234,56"}, 422, "amount"),
        ({"policy": "purchase", "title": "Pens", "amount": "1٢"}, 422, "amount"),
        (
            {"policy": "purchase", "title": "Pens", "amount": "5 EUR", "fields": {"vendor": "x"}},
            422,
            "currency",
        ),
        ({**GOOD, "title": "\u200b\u3164"}, 422, "title"),
        ({**GOOD, "policy": "\u200b"}, 422, "policy"),
        (
            {"policy": "purchase", "title": "Pens", "amount": 5, "fields": {"vendor": "\u200b\u3164"}},
            422,
            "vendor",
        ),
        ({**GOOD, "amount": 1}, 422, "amount"),
        ({**GOOD, "timeout": 30}, 422, "timeout"),
        ({**GOOD, "policy": "coffee"}, 422, "policy"),
        ({**GOOD, "fields": {"colour": "red"}}, 422, "colour"),
        ({"policy": "purchase", "title": "Pens", "amount": 500}, 422, "vendor"),
        ([], 422, "body"),
    ],
)
async def test_what_is_wrong_is_named_and_starts_nothing(
    api: ApiWorld, body: object, status: int, field: str
) -> None:
    nina = api.token("nina", "U0NINA")
    answer = await api.call("POST", "/api/approvals", nina, json=body)
    assert (answer.status, answer.fields) == (status, {field}), answer.body
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert (await api.call("GET", "/api/approvals?requester=U0NINA", nina)).body["items"] == []


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"policy": "deploy", "title": "\xff"}', "application/json", 400),
        (b'{"policy": "deploy", "title": "\\ud800"}', "application/json", 400),
        (b"", "application/json", 400),
        (b"null", "application/json", 422),
        (b"policy=deploy", "application/x-www-form-urlencoded", 415),
        (b'{"policy": "deploy", "title": "' + b"x" * 256 * 1024 + b'"}', "application/json", 413),
        (b"[" * 100_000, "application/json", 400),
    ],
)
async def test_bodies_that_are_no_request(api: ApiWorld, data: bytes, content_type: str, status: int) -> None:
    answer = await api.call(
        "POST", "/api/approvals", api.token("ci"), data=data, headers={"Content-Type": content_type}
    )
    assert answer.status == status
    assert answer.body["status"] == status


async def test_a_body_of_unknown_length_is_cut_off_at_the_limit(api: ApiWorld) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" " * 1024

    answer = await api.call(
        "POST",
        "/api/approvals",
        api.token("ci"),
        data=endless(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status == 413


@pytest.mark.parametrize(
    "path", ["/api/approvals/deploy-00000000", "/api/approvals/..%2f..", "/api/approvals/%00"]
)
async def test_an_unknown_id_is_404(api: ApiWorld, path: str) -> None:
    assert (await api.call("GET", path, api.token("ci"))).status == 404


async def test_too_long_a_wait_and_unknown_parameters_are_named(api: ApiWorld) -> None:
    rita = api.token("ci")
    request_id = await api.ask(rita)
    for query, field in (
        ("wait=3h", "wait"),
        ("wait=soon", "wait"),
        ("what=1", "what"),
        ("wait=1s&wait=2s", "wait"),
    ):
        answer = await api.call("GET", f"/api/approvals/{request_id}?{query}", rita)
        assert (answer.status, answer.fields) == (422, {field})


async def test_a_thousand_long_polls_are_answered_by_the_decision(
    api: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No poll of the hub comes in time here, so the decision itself wakes them.

    The long form, which has the machine to itself, measures how soon.
    """
    monkeypatch.setattr(long_polling, "LOOKS_A_SECOND", 0.001)
    rita, ada = api.token("ci"), api.token("ada", "U0ADA", "decide:deploy")
    request_id = await api.ask(rita)
    polls = [
        asyncio.create_task(api.call("GET", f"/api/approvals/{request_id}?wait=60s", rita))
        for _ in range(1000)
    ]
    await api.eventually(lambda: api.app.api.polls == 1000)
    assert api.app.api.watched == 1
    assert (await api.decide(ada, request_id)).status == 200
    decided = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        answers = await asyncio.gather(*polls)
    assert not PROOF or time.monotonic() - decided < 1
    assert {(answer.status, answer.body["status"]) for answer in answers} == {(200, "approved")}
    assert api.app.api.watched == 0


async def test_a_decision_does_not_wait_for_the_next_look(
    own_api: ApiWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request is looked at less often the more are watched: here every five minutes, as if there were many."""
    monkeypatch.setattr(long_polling, "LOOKS_A_SECOND", 0.01)
    api = own_api
    rita, ada = api.token("ci"), api.token("ada", "U0ADA", "decide:deploy")
    ids = [await api.ask(rita) for _ in range(3)]
    polls = [
        asyncio.create_task(api.call("GET", f"/api/approvals/{request_id}?wait=60s", rita))
        for request_id in ids
    ]
    await api.eventually(lambda: api.app.api.watched == 3)
    for request_id, poll in zip(ids, polls, strict=True):
        assert (await api.decide(ada, request_id)).status == 200
        assert (await poll).body["status"] == "approved"
