"""Held calls over HTTP: what is asked, who joins, and that an approval is used once."""

from __future__ import annotations

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import pytest
from durabletask.entities import EntityInstanceId

from bot.security.receipts import verify
from orchestration.domain.errors import UnusableApprovalError
from orchestration.domain.names import call_result_id
from orchestration.domain.request import HELD_CALL, Status, Via
from orchestration.held_calls.claims import CLAIMS_KEPT, Claim
from orchestration.service.approvals import Actor
from orchestration.service.calls import state_of
from orchestration.service.held_calls import ClaimedArguments, HeldCalls
from tests.support import PATIENCE_S
from tests.support.api_world import ApiAnswer, ApiWorld

pytestmark = pytest.mark.asyncio(loop_scope="session")


def a_call(**changes: Any) -> dict[str, Any]:
    """A call that no other test makes."""
    arguments = {"command": f"make release ID={secrets.token_hex(4)}"}
    return {"policy": "deploy", "agent": "claude-code", "tool": "Bash", "arguments": arguments} | changes


def attempt() -> str:
    return secrets.token_urlsafe(16)


async def asked(api: ApiWorld, token: str, call: dict[str, Any]) -> str:
    answer = await api.call("POST", "/api/calls", token, json=call)
    assert answer.status in {200, 202}, answer.body
    request_id: str = answer.body["id"]
    await api.until(request_id, lambda progress: len(progress.cards) == 1)
    return request_id


async def lines(api: ApiWorld, token: str, request_id: str) -> list[str]:
    found = await api.call("GET", f"/api/approvals/{request_id}/timeline", token)
    return [step["text"] for step in found.body["items"]]


async def claimed(api: ApiWorld, token: str, request_id: str, by: str) -> ApiAnswer:
    return await api.call("POST", f"/api/calls/{request_id}/claim", token, json={"attempt": by})


async def decided(api: ApiWorld, request_id: str, choice: str = "approve") -> None:
    ada = api.token("ada", "U0ADA", "decide:deploy")
    assert (await api.decide(ada, request_id, choice, comment="Why not.")).status == 200


async def test_the_same_call_joins_and_its_approval_is_used_once(api: ApiWorld) -> None:
    agent, call = api.token("agent", "U0RITA", "request"), a_call()
    first, second = await asyncio.gather(*(api.call("POST", "/api/calls", agent, json=call) for _ in "ab"))
    assert (first.status, second.status) == (202, 202)
    assert first.body["id"] == second.body["id"]
    request_id = first.body["id"]
    await api.until(request_id, lambda progress: len(progress.cards) == 1)
    third = await api.call("POST", "/api/calls", agent, json=call)
    assert third.body["card_url"] == api.permalink(api.cards_of(request_id)[0])
    undecided = await claimed(api, agent, request_id, attempt())
    assert (undecided.status, undecided.body["detail"]) == (
        409,
        "It is not decided yet, so the call must not be made.",
    )

    await decided(api, request_id)
    joined = await api.call("POST", "/api/calls", agent, json=call)
    assert (joined.status, joined.body["id"], joined.body["status"]) == (200, request_id, "approved")
    tries = [attempt() for _ in range(6)]
    answers = await asyncio.gather(*(claimed(api, agent, request_id, one) for one in tries))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 5
    winner = next(one for one, answer in zip(tries, answers, strict=True) if answer.status == 200)
    assert (await claimed(api, agent, request_id, winner)).status == 200
    assert (await claimed(api, agent, request_id, attempt())).status == 409

    anew = await api.call("POST", "/api/calls", agent, json=call)
    assert anew.status == 202
    assert anew.body["id"] != request_id


async def test_of_claims_at_once_by_two_replicas_one_wins(api: ApiWorld) -> None:
    """Each with a service and a client of its own, as two processes on one hub have them."""
    agent, call = api.token("agent", "U0RITA", "request"), a_call()
    request_id = await asked(api, agent, call)
    await decided(api, request_id)
    request = (await api.service.view(request_id)).request
    actor = Actor(id="U0RITA", via=Via.API, token=request.asked_with)
    clients = [api.connection.client() for _ in range(2)]

    def no_key(_about: str) -> list[bytes]:
        raise AssertionError("a claim makes no key")

    replicas = [HeldCalls(client, api.service, no_key, api.now) for client in clients]
    claims = [replica.claim(request_id, actor, attempt()) for replica in replicas for _ in range(5)]
    results = await asyncio.gather(*claims, return_exceptions=True)
    for client in clients:
        await client.close()
    assert [one.call for one in results if isinstance(one, ClaimedArguments)] == [request.call]
    assert sum(isinstance(result, UnusableApprovalError) for result in results) == 9
    ahead = HeldCalls(api.client, api.service, no_key, lambda: api.now() - timedelta(minutes=2))
    with pytest.raises(UnusableApprovalError, match="lies ahead of this server's clock"):
        await ahead.claim(request_id, actor, attempt())


async def test_a_program_that_goes_by_what_it_asked_has_nothing_changed(api: ApiWorld) -> None:
    agent, ada = api.token("agent", "U0RITA", "request"), api.token("ada", "U0ADA", "decide:agents")
    request_id = await asked(api, agent, a_call(policy="agents"))
    shown = (await api.call("GET", f"/api/approvals/{request_id}", agent)).body
    assert (shown["editable"], shown["edits"]) == ([], [])
    refused = await api.decide(ada, request_id, edits={"arguments.command": "ls"})
    assert (refused.status, refused.fields) == (422, {"edits.arguments.command"})
    assert (await api.decide(ada, request_id)).status == 200
    made = (await claimed(api, agent, request_id, attempt())).body
    assert (made["edited"], made["changes"], list(made["arguments"])) == (False, [], ["command"])


async def test_a_change_is_bounded_by_the_schema_and_by_what_was_shown(api: ApiWorld) -> None:
    agent, ada = api.token("agent", "U0RITA", "request"), api.token("ada", "U0ADA", "decide:agents")
    call = a_call(policy="agents", accepts_edits=True)
    remote = await api.call("POST", "/api/calls", agent, json=call | {"input_schema": {"$ref": "http://x/y"}})
    assert (remote.status, remote.fields) == (422, {"input_schema"})
    schema = {"properties": {"command": {"pattern": "^(psql|make) "}}}
    request_id = await asked(api, agent, call | {"input_schema": schema})
    wrong = await api.decide(ada, request_id, edits={"arguments.command": "curl x"})
    assert (wrong.status, wrong.fields) == (422, {"edits.arguments.command"})
    old = await api.seen(ada, request_id)
    rejected = await api.decide(ada, request_id, "reject", edits={"arguments.command": "make x"}, comment="x")
    assert rejected.status == 422
    assert (await api.decide(ada, request_id, edits={"arguments.command": "make dry"})).status == 200
    again = await api.call("POST", "/api/calls", agent, json=call | {"input_schema": schema})
    assert (again.status, again.body["id"]) == (200, request_id), "the same call joins what was asked"
    outcome = (await api.call("GET", f"/api/approvals/{request_id}", agent)).body["outcome"]
    assert (outcome["asked_digest"], outcome["digest"] != old["digest"]) == (old["digest"], True)
    digests = f"from digest {old['digest']} to {outcome['digest']}"
    async with asyncio.timeout(PATIENCE_S):  # the turn that ends it goes on record after its outcome is known
        while not any(digests in text for text in await lines(api, agent, request_id)):
            await asyncio.sleep(0.05)
    told = await lines(api, agent, request_id)
    assert any("with a change of “arguments.command”" in text for text in told)


@pytest.mark.every_hub
async def test_a_result_is_kept_for_whoever_lost_it_and_the_call_is_not_asked_anew(own_api: ApiWorld) -> None:
    api = own_api
    agent, call, by = api.token("agent", "U0RITA", "request"), a_call(), attempt()
    request_id = await asked(api, agent, call)
    path = f"/api/calls/{request_id}/result"
    secret = f"hunter-{secrets.token_hex(4)} é"
    given = {"attempt": by, "result": {"content": [{"type": "text", "text": secret}]}}

    async def known() -> Any:
        return (await api.call("GET", path, agent)).body

    assert (await known())["made"] == "no"
    assert (await api.call("POST", path, agent, json=given)).status == 409
    await decided(api, request_id)
    assert (await claimed(api, agent, request_id, by)).status == 200
    assert (await known(), (await known())["result"]) == (
        await known() | {"id": request_id, "made": "unknown"},
        None,
    )
    resumed = await api.call("POST", "/api/calls", agent, json=call | {"resume": True})
    assert (resumed.status, resumed.body["id"], resumed.body["status"]) == (200, request_id, "approved")
    assert (await claimed(api, agent, request_id, attempt())).status == 409

    assert (await api.call("POST", path, agent, json=given | {"attempt": attempt()})).status == 409
    other = api.token("other", "U0RITA", "request", "read", "admin")
    assert (await api.call("POST", path, other, json=given)).status == 403
    assert (await api.call("POST", path, agent, json=given)).status == 204
    assert (await api.call("POST", path, agent, json=given | {"result": {"second": 2}})).status == 204
    assert (await known())["made"] == "yes"
    assert (await known())["result"] == given["result"]
    assert (await api.call("GET", path, other)).status == 403
    await api.skip(minutes=9)
    assert (await api.call("POST", "/api/calls", agent, json=call | {"resume": True})).body[
        "id"
    ] == request_id

    # Nothing of it is in clear where the hub keeps it, and an operator sees none of it.
    await api.stop()
    files = [file for file in api.data.rglob("*") if file.is_file()]
    assert not [file for file in files if secret.encode()[:12] in file.read_bytes()]
    await api.start()

    # For a caller who says that they have the answer, people are asked anew; later callers join that request.
    anew = await asked(api, agent, call)
    assert anew != request_id
    assert await asked(api, agent, call | {"resume": True}) == anew


async def test_a_used_approval_is_found_again_within_the_window_alone(own_api: ApiWorld) -> None:
    api = own_api
    agent, call, by = api.token("agent", "U0RITA", "request"), a_call(), attempt()
    request_id = await asked(api, agent, call)
    await decided(api, request_id)
    assert (await claimed(api, agent, request_id, by)).status == 200
    too_large = {"attempt": by, "result": None}
    assert (await api.call("POST", f"/api/calls/{request_id}/result", agent, json=too_large)).status == 204
    made = (await api.call("GET", f"/api/calls/{request_id}/result", agent)).body
    assert (made["made"], made["result"]) == ("yes", None)
    await api.skip(minutes=10, seconds=1)
    late = await api.call("POST", "/api/calls", agent, json=call | {"resume": True})
    assert (late.status, late.body["id"] == request_id) == (202, False)
    # A purge of the request also removes the outcome of its call.
    nonce = (await api.service.status(request_id)).nonce
    kept = call_result_id(request_id, nonce)
    assert await state_of(api.client, kept) is not None
    purge = f"/runtime/webhooks/durabletask/instances/{request_id}"
    assert (await api.call("DELETE", purge, api.token("admin", "U0RITA", "admin"))).status == 200
    assert await state_of(api.client, kept) is None


async def test_a_call_that_was_claimed_and_not_made_is_asked_anew(api: ApiWorld) -> None:
    agent, call, by = api.token("agent", "U0RITA", "request"), a_call(), attempt()
    request_id = await asked(api, agent, call)
    await decided(api, request_id)
    assert (await claimed(api, agent, request_id, by)).status == 200
    path = f"/api/calls/{request_id}/result"
    both = await api.call("POST", path, agent, json={"attempt": by, "result": {}, "made": False})
    assert both.status == 422
    released = {"attempt": by, "result": None, "made": False}
    assert (await api.call("POST", path, agent, json=released)).status == 204
    assert (await api.call("GET", path, agent)).body["made"] == "no"
    assert (await claimed(api, agent, request_id, attempt())).status == 409
    assert await asked(api, agent, call | {"resume": True}) != request_id


async def test_what_differs_in_anything_is_another_call(api: ApiWorld) -> None:
    agent, call = api.token("agent", "U0RITA", "request"), a_call(directory="/srv")
    changes: list[dict[str, Any]] = [
        {},
        {"arguments": {"command": "make release ID=other"}},
        {"agent": "claude-code-2"},
        {"tool": "Bash2"},
        {"server": "github"},
        {"directory": "/elsewhere"},
        {"directory": "/a\nb"},
        {"directory": "/a\\nb"},  # reads like the one before
        {"policy": "release"},
        {"window": "11m"},
        {"mask": ["command"]},
    ]
    tokens = [*[agent] * len(changes), api.token("agent", "U0RITA", "request")]
    answers = [
        await api.call("POST", "/api/calls", token, json=call | change)
        for token, change in zip(tokens, [*changes, {}], strict=True)
    ]
    assert [answer.status for answer in answers] == [202] * len(answers)
    assert len({answer.body["id"] for answer in answers}) == len(answers)


async def test_notation_makes_no_other_call_but_a_value_does(api: ApiWorld) -> None:
    agent, unique = api.token("agent", "U0RITA", "request"), secrets.token_hex(4)

    async def given(arguments: str) -> str:
        body = f'{{"policy": "deploy", "agent": "a", "tool": "t", "arguments": {arguments}}}'
        headers = {"Content-Type": "application/json"}
        answer = await api.call("POST", "/api/calls", agent, data=body, headers=headers)
        return str(answer.body.get("id") or answer.status)

    one = await given(f'{{"id": "{unique}", "n": 1, "t": "é"}}')
    assert await given(f'{{ "t": "\\u00e9", "n": 1.0,  "id": "{unique}"}}') == one
    other = [
        await given(f'{{"id": "{unique}", "n": {n}, "t": "{t}"}}')
        for n, t in [("2", "é"), ('"1"', "é"), ("1", "e\u0301"), ("true", "é"), ("1", "é ")]
    ]
    assert len({one, *other}) == 6
    assert await given(f'{{"id": "{unique}", "n": 1, "n": 2}}') == "400"
    assert await given(f'{{"id": "{unique}", "n": 9007199254740993}}') == "422"
    assert await given(f'{{"id": "{unique}", "n": 1e999}}') == "400"
    assert await given('{"t": "\\ud800"}') == "400"


async def test_nobody_else_claims_and_no_other_approval_is_a_call(api: ApiWorld) -> None:
    agent, call = api.token("agent", "U0RITA", "request"), a_call()
    request_id = await asked(api, agent, call)
    await decided(api, request_id)
    other = await claimed(api, api.token("other", "U0RITA", "request"), request_id, attempt())
    assert (other.status, other.body["detail"][:35]) == (403, "That call was asked for with anothe")
    assert (await claimed(api, api.token("reader", "U0RITA", "read"), request_id, attempt())).status == 403
    plain = await api.ask(agent, title="Claude-code calls Bash")
    await decided(api, plain)
    assert (await claimed(api, agent, plain, attempt())).status == 404
    # A caller cannot take the key under which the service starts a call's requests.
    taken = await api.call(
        "POST",
        "/api/approvals",
        agent,
        json={"policy": "deploy", "title": "x"},
        headers={"Idempotency-Key": "call " + "0" * 64 + " 0"},
    )
    assert taken.status == 422
    assert (await claimed(api, agent, request_id, attempt())).status == 200


async def test_a_rejection_stands_for_the_window_and_an_approval_does_not_outlive_it(
    own_api: ApiWorld,
) -> None:
    api = own_api
    agent, call, refused = api.token("agent", "U0RITA", "request"), a_call(), a_call()
    approved, rejected = await asked(api, agent, call), await asked(api, agent, refused)
    await decided(api, approved)
    await decided(api, rejected, "reject")
    again = await api.call("POST", "/api/calls", agent, json=refused)
    assert (again.status, again.body["id"], again.body["status"]) == (200, rejected, "rejected")
    assert (await claimed(api, agent, rejected, attempt())).body["detail"].startswith("It is rejected")
    await api.skip(minutes=10, seconds=1)
    late = await claimed(api, agent, approved, attempt())
    assert (late.status, late.body["detail"][:29]) == (409, "The approval is too old by no")
    for one, before in ((call, approved), (refused, rejected)):
        anew = await api.call("POST", "/api/calls", agent, json=one)
        assert (anew.status, anew.body["id"] == before) == (202, False)
    assert (await claimed(api, agent, approved, attempt())).status == 409


async def test_what_a_hub_delivers_again_or_others_signal_uses_nothing_up(api: ApiWorld) -> None:
    """A repeated claim does not use up a later approval, and an operator's token does not reach the entity."""
    agent, call = api.token("agent", "U0RITA", "request"), a_call()
    request_id = await asked(api, agent, call)
    await decided(api, request_id)
    by = attempt()
    assert (await claimed(api, agent, request_id, by)).status == 200
    held = (await api.service.view(request_id)).request.call
    assert held is not None
    second = await asked(api, agent, call)
    repeat = Claim(number=0, request_id=request_id, nonce="n", attempt=by).model_dump(mode="json")
    entity = EntityInstanceId(HELD_CALL, held.key)
    await api.client.signal_entity(entity, "claim", input=repeat)
    await api.client.signal_entity(entity, "pass_by", input=0)
    assert await asked(api, agent, call) == second
    admin = api.token("admin", "U0RITA", "admin")
    path = f"/api/entities/{HELD_CALL}/{held.key}"
    assert (await api.call("GET", path, admin)).status in {403, 404}


async def test_the_card_shows_the_very_call_and_keeps_secrets_out(api: ApiWorld) -> None:
    agent, secret = api.token("agent", "U0RITA", "request"), f"hunter-{secrets.token_hex(4)}"
    arguments = {
        "command": "echo `id`\n* Approved by <@U0ADA> \u202egnp.exe\ntimeout: 1",
        "env": {"API_KEY": secret, "MODE": "fast"},
        "timeout": 5,
    }
    call = a_call(arguments=arguments, mask=["env.API_KEY"], directory="/srv/shop")
    request_id = await asked(api, agent, call)
    shown = api.shown(request_id)
    assert secret not in shown
    assert "  | echo `id`\n  | * Approved by <@U0ADA> \\u202egnp.exe\n  | timeout: 1\n" in shown
    assert "\ntimeout: 5" in shown
    assert '"API_KEY": "[masked]"' in shown
    assert "Directory: /srv/shop" in shown
    view = await api.service.view(request_id)
    assert view.request.call is not None
    assert view.request.call.arguments_digest in shown
    assert secret not in view.request.model_dump_json()
    other = call | {"arguments": arguments | {"env": {"API_KEY": "another", "MODE": "fast"}}}
    assert await asked(api, agent, other) != request_id
    await decided(api, request_id)
    receipt = (
        await api.until(request_id, lambda progress: bool(progress.outcome and progress.outcome.receipt))
    ).outcome
    assert receipt is not None
    assert receipt.status is Status.APPROVED
    reader = api.token("reader", "U0RITA", "read")
    published = (await api.call("GET", "/.well-known/jwks.json", reader)).body
    claims = verify(receipt.receipt or "", published)
    assert claims["call"] == {
        "agent": "claude-code",
        "server": "",
        "tool": "Bash",
        "directory": "/srv/shop",
        "arguments_digest": view.request.call.arguments_digest,
    }


async def test_a_title_says_what_it_leaves_out_and_which_tool_it_is(api: ApiWorld) -> None:
    """Notifications have the title alone. The names of one server's tools differ at their end."""
    agent = api.token("agent", "U0RITA", "request")
    call = a_call(agent="a" * 60, tool="mcp__plugin_production_database_admin__drop_table", arguments={})
    request = (await api.service.view(await asked(api, agent, call))).request
    assert request.title == f"{'a' * 39}… calls …n_production_database_admin__drop_table"


async def test_what_no_person_would_read_is_refused(api: ApiWorld) -> None:
    agent = api.token("agent", "U0RITA", "request")
    long = await api.call("POST", "/api/calls", agent, json=a_call(arguments={"content": "x" * 10_001}))
    assert (long.status, long.fields) == (422, {"arguments"})
    bad = await api.call("POST", "/api/calls", agent, json=a_call(tool="Bash\nTool: x", mask=["a..b"]))
    assert (bad.status, bad.fields) == (422, {"tool", "mask.0"})
    unknown = await api.call("POST", "/api/calls", agent, json=a_call(policy="none"))
    assert (unknown.status, unknown.fields) == (422, {"policy"})


async def test_of_an_approval_that_was_used_long_ago_nobody_says_that_it_was_not(api: ApiWorld) -> None:
    agent, call = api.token("agent", "U0RITA", "request"), a_call()
    first = await asked(api, agent, call)
    passed_by = ""
    for number in range(CLAIMS_KEPT + 1):
        request_id = await asked(api, agent, call)
        if number == 1:
            passed_by = request_id
            assert (
                await api.call("POST", f"/api/approvals/{request_id}/cancel", agent, json={})
            ).status == 200
            request_id = await asked(api, agent, call)
        await decided(api, request_id)
        assert (await claimed(api, agent, request_id, attempt())).status == 200
    for request_id, known in ((first, "unknown"), (passed_by, "no")):
        found = await api.call("GET", f"/api/calls/{request_id}/result", agent)
        assert (found.status, found.body["made"], found.body["at"]) == (200, known, None)
    assert (await claimed(api, agent, first, attempt())).status == 409
