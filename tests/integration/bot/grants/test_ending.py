"""How a standing grant ends before it is used up: by time, by people, by what has changed. Then people are asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE
from dataclasses import asdict, replace

import pytest

from bot.slack.views import home
from orchestration.domain.errors import UnknownRequestError
from orchestration.domain.grants import GrantEnd
from orchestration.domain.names import grant_id
from orchestration.domain.request import Status
from tests.support import PATIENCE_S, ROOT
from tests.support.granting import CHANNEL, GrantWorld, an_edit, at
from tests.support.messages import private
from tests.support.replicas import one_home
from tests.support.simulated import fault

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_whoever_may_decide_revokes_on_the_card_and_the_next_call_is_asked(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), an_edit()
    request_id = await grants.asked_people(call)
    grant = await grants.grant(dirk, request_id)
    unused = await grants.by_grant(at(call, "/srv/unused.py"))
    [card] = grants.grant_cards(request_id)
    sam = grants.person("U0SAM")
    await sam.click(CHANNEL, card.ts, "grant_revoke")
    await sam.wait_for_message(CHANNEL, private("Only who gave it"))
    assert (await grants.by_grant(at(call, "/srv/b.py"))).status is Status.APPROVED

    fin = grants.person("U0FIN")  # by the group of those who may decide
    await fin.click(CHANNEL, card.ts, "grant_revoke")
    await fin.wait_for_message(CHANNEL, private("Revoked. The next such call is asked about."))
    assert (await grants.grants.read(grant.facts.id)).ended is GrantEnd.REVOKED
    await grants.asked_people(at(call, "/srv/c.py"))
    # Approvals by the grant that the agent has not used yet count for nothing either.
    refused = await grants.claim(unused.request_id)
    assert (refused.status, refused.body["detail"][:37]) == (409, "The standing grant that approved it h")
    assert await grants.asked_people(at(call, "/srv/unused.py")) != unused.request_id
    await grants.eventually(lambda: "✗ *Revoked* by <@U0FIN>" in grants.says(request_id))
    assert "Such calls are asked about again." in grants.says(request_id)
    assert grants.told_uses(request_id)[-1] == "✗ *Revoked* by <@U0FIN>"


async def test_what_one_approved_that_is_used_up_can_still_be_stopped(own_grants: GrantWorld) -> None:
    """Otherwise an agent could keep its approvals from being stopped by asking for all of them at once."""
    grants, call = own_grants, an_edit()
    dirk = grants.person("U0DIRK")
    request_id = await grants.asked_people(call)
    grant = (await grants.grant(dirk, request_id, grant_uses="1")).facts.id
    unused = await grants.by_grant(at(call, "/srv/last.py"))
    await grants.eventually(lambda: "*Used up*" in grants.says(request_id))
    [card] = grants.grant_cards(request_id)
    await dirk.click(CHANNEL, card.ts, "grant_revoke")
    await grants.eventually(lambda: "✗ *Revoked* by <@U0DIRK>" in grants.says(request_id))
    assert (await grants.claim(unused.request_id)).status == 409
    assert (await grants.grants.read(grant)).used == 1

    second = await grants.asked_people(at(call, "/srv/second.py"))
    other = (await grants.grant(dirk, second, grant_uses="1")).facts.id
    await grants.by_grant(at(call, "/srv/third.py"))
    await grants.skip(hours=1, seconds=1)
    await grants.eventually(lambda: "✓ *Used up*" in grants.says(second))
    assert (await grants.grants.read(other)).ended is GrantEnd.USED_UP


async def test_it_is_listed_and_revoked_by_tokens_that_may(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), an_edit()
    grant = (await grants.grant(dirk, await grants.asked_people(call))).facts
    path = f"/api/grants/{grant.id}"
    other = grants.token("other", "U0SAM", "request")
    unfit = grants.token("unfit", "U0SAM", "decide:agents")
    wrong = grants.token("wrong", "U0ADA", "decide:coded")
    reader = grants.token("reader", "U0SAM", "read")

    async def listed(token: str) -> list[str]:
        return [one["id"] for one in (await grants.call("GET", "/api/grants", token)).body["grants"]]

    for token in (reader, grants.agent, unfit):
        assert grant.id in await listed(token)
        shown = (await grants.call("GET", path, token)).body
        assert (shown["granted_by"], shown["uses"], shown["used"], shown["ended"]) == ("U0DIRK", 3, 0, None)
        assert shown["vary"] == ["file_path: a text"]
        assert "file_path" not in shown["fixed"]
    for token in (other, wrong):
        assert grant.id not in await listed(token)
        assert (await grants.call("GET", path, token)).status == 403
        assert (await grants.call("DELETE", path, token)).status == 403
    assert (await grants.call("DELETE", path, reader)).status == 403
    refused = await grants.call("DELETE", path, unfit)  # its owner may not decide, whatever its scope says
    assert (refused.status, refused.body["verdict"]["reason"]) == (403, "not_an_approver")
    assert (await grants.by_grant(at(call, "/srv/b.py"))).status is Status.APPROVED

    ada = grants.token("ada", "U0ADA", "decide:agents")
    done = await grants.call("DELETE", path, ada)
    assert (done.status, done.body["accepted"]) == (200, True)
    assert (await grants.call("DELETE", path, ada)).body["verdict"]["reason"] == "already_ended"
    assert grant.id not in await listed(reader)
    assert (await grants.call("GET", path, reader)).body["ended"] == "revoked"
    await grants.asked_people(at(call, "/srv/c.py"))
    assert (await grants.call("DELETE", "/api/grants/grant-none", ada)).status == 404
    request = await grants.call("GET", f"/api/grants/{grant.request_id}", ada)
    assert request.status == 404


@one_home
async def test_it_is_on_home_of_who_may_revoke_it_and_gone_with_its_end(own_grants: GrantWorld) -> None:
    grants = own_grants
    dirk, sam, call = grants.person("U0DIRK"), grants.person("U0SAM"), an_edit()
    grant = (await grants.grant(dirk, await grants.asked_people(call))).facts

    async def has(person: object) -> bool:
        return grant.id in str(await person.home())  # type: ignore[attr-defined]

    await dirk.open_home()
    await dirk.wait_for(has)
    await sam.open_home()
    await sam.wait_for(lambda one: one.home())
    assert not await has(sam)
    view = await dirk.home()
    assert view is not None
    await dirk.click_in_view(view, home.REVOKE_GRANT)

    async def has_not(person: object) -> bool:
        return not await has(person)

    await dirk.wait_for(has_not)
    assert (await grants.grants.read(grant.id)).ended is GrantEnd.REVOKED


@pytest.mark.every_hub
async def test_it_is_over_with_its_time(own_grants: GrantWorld) -> None:
    grants, call = own_grants, an_edit()
    dirk = grants.person("U0DIRK")
    request_id = await grants.asked_people(call)
    await grants.grant(dirk, request_id)
    await grants.skip(minutes=55)
    unused = await grants.by_grant(at(call, "/srv/b.py"))
    await grants.skip(minutes=5, seconds=1)
    refused = await grants.claim(unused.request_id)
    assert refused.status == 409, "within the window of the approval, and after the time of the grant"
    await grants.asked_people(at(call, "/srv/c.py"))
    await grants.eventually(lambda: "– *Over*" in grants.says(request_id))


async def test_a_changed_policy_ends_it(own_grants: GrantWorld) -> None:
    grants, call = own_grants, an_edit()
    dirk = grants.person("U0DIRK")
    request_id = await grants.asked_people(call)
    grant = (await grants.grant(dirk, request_id)).facts
    text = grants.policies.read_text()
    grants.write(text.replace('"U0RITA", "U0DIRK", "S0ONCALL"', '"U0DIRK", "S0ONCALL"'))
    await grants.eventually(lambda: "The policy has changed." in grants.says(request_id))
    assert (await grants.grants.read(grant.id)).ended is GrantEnd.LAPSED
    await grants.asked_people(at(call, "/srv/b.py"))
    grants.write(text)  # nor does it come back
    await grants.eventually(
        lambda: grants.app.service.book().policies["agents"].digest() == grant.policy_digest
    )
    await grants.asked_people(at(call, "/srv/c.py"))


@pytest.mark.parametrize("how", ["left the group", "deactivated", "revoked"])
async def test_it_counts_only_while_its_giver_may_decide(own_grants: GrantWorld, how: str) -> None:
    grants, call = own_grants, an_edit()
    ada = grants.person("U0ADA")  # by her group alone
    request_id = await grants.asked_people(call)
    grant = (await grants.grant(ada, request_id)).facts
    assert (await grants.by_grant(at(call, "/srv/a2.py"))).status is Status.APPROVED
    if how == "left the group":
        store = grants.workspace.people._store
        store.execute("DELETE FROM user_group_member WHERE user_group = 'S0ONCALL' AND person = 'U0ADA'")
    elif how == "deactivated":
        people = grants.workspace.people
        gone = replace(people.get("U0ADA") or people.app(), is_deactivated=True)
        body = json.dumps(asdict(gone))
        people._store.execute("UPDATE person SET body = ? WHERE id = 'U0ADA'", body)
        people._known = None
    else:
        grants.write(grants.policies.read_text().replace("[people.U0ADA]", "[people.U0ADA]\nrevoked = true"))
        await grants.eventually(lambda: "U0ADA" in grants.app.service.book().revoked())
    await grants.asked_people(at(call, "/srv/b.py"))
    await grants.eventually(lambda: "✗ *Ended*" in grants.says(request_id))
    assert (await grants.grants.read(grant.id)).ended is GrantEnd.LAPSED


async def test_one_that_an_operator_stops_counts_for_nothing(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), an_edit()
    request_id = await grants.asked_people(call)
    grant = (await grants.grant(dirk, request_id)).facts
    await grants.client.suspend_orchestration(grant.id)
    await grants.asked_people(at(call, "/srv/b.py"))
    await grants.client.resume_orchestration(grant.id)
    assert (await grants.by_grant(at(call, "/srv/c.py"))).status is Status.APPROVED
    await grants.client.terminate_orchestration(grant.id)
    await grants.asked_people(at(call, "/srv/d.py"))
    await grants.eventually(lambda: "It was stopped on the task hub." in grants.says(request_id))
    await grants.eventually(lambda: len(grants.told_uses(request_id)) == 3)
    # Two orchestrations post the line of the use and those of the end, and neither waits for the other.
    assert any("/srv/c.py" in line for line in grants.told_uses(request_id))
    await grants.client.purge_orchestration(grant.id)
    await grants.asked_people(at(call, "/srv/e.py"))


async def test_it_is_listed_and_revoked_on_the_command_line(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), an_edit()
    grant = (await grants.grant(dirk, await grants.asked_people(call))).facts
    ada = grants.token("ada", "U0ADA", "decide:agents")

    async def run(*arguments: str) -> tuple[int | None, str]:
        environment = {"PATH": os.environ["PATH"], "COUNTERSIGN_URL": grants.url, "COUNTERSIGN_TOKEN": ada}
        command = (sys.executable, "-m", "bot", "grants", *arguments)
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=environment, stdout=PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        return process.returncode, out.decode()

    code, out = await run("list")
    [line] = [line for line in out.splitlines() if grant.id in line]
    assert (code, line.split("\t")[2], line.split("\t")[-2:]) == (0, "0 of 3", ["claude-code", "Edit"])
    assert await run("revoke", grant.id) == (0, "Revoked. The next such call is asked about.\n")
    assert grant.id not in (await run("list", "--json"))[1]
    assert (await run("revoke", grant.id))[0] == 4


async def test_one_whose_card_cannot_be_posted_counts_for_nothing(own_grants: GrantWorld) -> None:
    grants, call = own_grants, an_edit()
    dirk = grants.person("U0DIRK")
    request_id = await grants.asked_people(call)
    form = await grants.grant_form(dirk, request_id)
    await fault(grants.simulator, "chat.postMessage", "is_archived", count=-1)
    await dirk.submit(form)
    progress = await grants.until(request_id, lambda one: one.status.ended)
    grant = grant_id(request_id, progress.nonce)

    async def failed() -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(UnknownRequestError):
                    if (await grants.grants.read(grant)).ended is GrantEnd.FAILED:
                        return
                await asyncio.sleep(0.02)

    await failed()
    asked = await grants.ask_call(at(call, "/srv/b.py"))
    waiting = await grants.until(asked, lambda one: bool(one.levels))
    assert (waiting.status, waiting.outcome) == (Status.PENDING, None)
