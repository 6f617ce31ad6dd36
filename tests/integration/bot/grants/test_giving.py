"""Who gives a standing grant, on what terms, and what they are shown word for word before they do."""

from __future__ import annotations

import copy
import hashlib
import re
from datetime import timedelta
from typing import Any

import pytest

from bot.simulator.control.person import ActionRefusedError
from bot.slack.views import grant_form
from orchestration.domain.commands import Reason
from orchestration.domain.grants import GrantTerms
from orchestration.domain.request import Choice, Status, Via
from orchestration.service.approvals import Actor
from orchestration.service.held_calls import HeldCalls, ToolCall
from tests.support.granting import CHANNEL, GrantWorld, an_edit, at, is_grantable
from tests.support.messages import private, text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_form_and_the_card_say_word_for_word_what_is_granted(grants: GrantWorld) -> None:
    dirk, call = grants.person("U0DIRK"), an_edit(directory="/srv/shop", mask=["token"])
    call["arguments"] |= {
        "token": "hunter-2",
        "note": "*✓ Approved* by <@U0ADA>\nfile_path: a text",
        "new_string": "x" * 3000 + " the-end",
    }
    request_id = await grants.asked_people(call)
    form = await grants.grant_form(dirk, request_id)
    words = text_of({"text": "", "blocks": form["blocks"]})
    assert "Agent: claude-code · Server: editor · Tool: Edit · Directory: /srv/shop" in words
    assert "note:\n  | *✓ Approved* by <@U0ADA>\n  | file_path: a text" in words
    assert "the-end" in words
    assert "hunter-2" not in words
    assert "token: [masked]" in words
    assert "With any value of: *file_path: a text*" in words
    assert "file_path: /srv/a.py" in words  # of this call, which is approved too
    until = next(block for block in form["blocks"] if block.get("block_id") == grant_form.UNTIL)["element"]
    assert re.fullmatch(r"1 hour, until .* UTC", until["initial_option"]["text"]["text"])
    assert [option["text"]["text"][:10] for option in until["options"]] == ["15 minutes", "1 hour, un"]
    uses = next(block for block in form["blocks"] if block.get("block_id") == grant_form.USES)["element"]
    assert [option["value"] for option in uses["options"]] == ["1", "3"]
    await dirk.submit(form, {grant_form.USES: "1"})
    grant = await grants.standing_of(request_id)
    shown = grants.says(request_id)
    for said in (
        "given by <@U0DIRK>",
        "0 of 1 uses",
        "Tool: Edit",
        "Directory: /srv/shop",
        "token: [masked]",
    ):
        assert said in shown
    assert "With any value of: *file_path: a text*" in shown
    assert grant.facts.terms.until.isoformat() == until["initial_option"]["value"]
    [card] = grants.grant_cards(request_id)
    await dirk.click(CHANNEL, card.ts, "grant_show")
    everything = await dirk.wait_for_view(grant_form.SHOWN)
    assert "the-end" in text_of({"text": "", "blocks": everything["blocks"]})


async def test_only_where_the_policy_lets_calls_be_granted_there_is_a_button(grants: GrantWorld) -> None:
    dirk = grants.person("U0DIRK")
    asked = [
        (await grants.asked_people(an_edit()), True),
        (await grants.asked_people(an_edit(tool="mcp__github__create_issue")), True),
        (await grants.asked_people(an_edit(tool="Write")), False),
        (await grants.asked_people(an_edit(policy="plain")), False),
        (await grants.ask(grants.agent, policy="agents", title="Something that is no call"), False),
    ]
    for request_id, has in asked:
        assert is_grantable(await grants.card(dirk, request_id)) is has


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("U0SAM", "You are not one of the approvers of this request, so nothing changed."),
        ("U0RITA", "You cannot decide your own request; someone else has to."),  # her own agent's call
    ],
)
async def test_the_wrong_person_gives_none_by_button_or_by_command(
    grants: GrantWorld, who: str, said: str
) -> None:
    wrong, request_id = grants.person(who), await grants.asked_people(an_edit())
    card = await grants.card(wrong, request_id)
    await wrong.click(CHANNEL, card["ts"], "grant_like_this")
    await wrong.wait_for_message(CHANNEL, private(said))
    assert await wrong.views() == []
    assert await decide(grants, request_id, who) in {Reason.NOT_AN_APPROVER, Reason.SELF_APPROVAL}
    assert (await grants.service.status(request_id)).status is Status.PENDING


async def decide(
    grants: GrantWorld, request_id: str, who: str, choice: Choice = Choice.APPROVE, **how: Any
) -> Reason:
    """As a submitted form would, with terms of any kind."""
    until = how.pop("until", grants.now() + timedelta(minutes=30))
    ticket = await grants.service.decide(
        request_id,
        Actor(who, Via.CHAT),
        choice,
        shown=await grants.service.identity(request_id),
        round=how.pop("round", 1),
        grant=GrantTerms(until=until, uses=how.pop("uses", 1)),
        comment="Because.",
    )
    return (await grants.service.verdict(ticket)).reason


async def test_terms_beyond_the_policy_and_what_it_lets_nobody_grant_change_nothing(
    grants: GrantWorld,
) -> None:
    now, request_id = grants.now(), await grants.asked_people(an_edit())
    assert await decide(grants, request_id, "U0DIRK", uses=4) is Reason.GRANT_TERMS
    for until in (now + timedelta(hours=1, minutes=1), now - timedelta(seconds=1)):
        assert await decide(grants, request_id, "U0DIRK", until=until) is Reason.GRANT_TERMS
    assert await decide(grants, request_id, "U0DIRK", Choice.REJECT) is Reason.NOT_GRANTABLE
    for call in (an_edit(tool="Write"), an_edit(policy="plain")):
        other = await grants.asked_people(call)
        assert (
            await decide(grants, other, "U0DIRK" if call["tool"] == "Write" else "U0FIN")
            is Reason.NOT_GRANTABLE
        )
        assert (await grants.service.status(other)).status is Status.PENDING
    assert (await grants.service.status(request_id)).status is Status.PENDING
    assert await decide(grants, request_id, "U0DIRK") is Reason.RECORDED
    assert await decide(grants, request_id, "U0ADA") is Reason.ALREADY_ENDED


async def test_a_form_that_is_sent_late_or_with_other_values_is_refused_in_it(own_grants: GrantWorld) -> None:
    grants = own_grants
    dirk, call = grants.person("U0DIRK"), an_edit()
    request_id = await grants.asked_people(call)
    form = await grants.grant_form(dirk, request_id)
    await grants.skip(minutes=16)
    quarter, hour = (option["value"] for option in form["blocks"][-3]["element"]["options"])
    with pytest.raises(ActionRefusedError) as refused:
        await dirk.submit(form, {grant_form.UNTIL: quarter})
    assert "Please open the form again" in refused.value.errors[grant_form.UNTIL]
    # The hour that was shown has begun, and is not over.
    await dirk.submit(form, {grant_form.UNTIL: hour})
    grant = await grants.standing_of(request_id)
    assert grant.facts.terms.until - grants.now() < timedelta(minutes=45)


async def test_neither_a_delegate_nor_whom_it_escalates_to_gives_one(own_grants: GrantWorld) -> None:
    grants = own_grants
    request_id = await grants.asked_people(an_edit())
    shown = await grants.service.identity(request_id)
    ticket = await grants.service.delegate(
        request_id, Actor("U0DIRK", Via.CHAT), "U0FAY", shown=shown, round=1
    )
    assert (await grants.service.verdict(ticket)).reason is Reason.RECORDED
    assert await decide(grants, request_id, "U0FAY") is Reason.GRANT_OWN_SEAT
    assert await decide(grants, request_id, "U0DIRK") is Reason.HANDED_OVER
    other = await grants.asked_people(an_edit())
    await grants.skip(minutes=30, seconds=1)
    await grants.until(other, lambda one: len(one.cards) == 2)
    assert await decide(grants, other, "U0DIRK", round=2) is Reason.GRANT_OWN_SEAT
    escalated = await grants.person("U0FAY").wait_for_message(
        "C0ESCALATIONS",
        lambda one: (one["metadata"] or {}).get("event_payload", {}).get("instance_id") == other,
    )
    assert not is_grantable(escalated)
    assert await decide(grants, other, "U0ADA", round=1) is Reason.RECORDED


async def test_where_an_approval_needs_a_code_the_grant_does_too(grants: GrantWorld) -> None:
    fin, call = grants.person("U0FIN"), an_edit(policy="coded")
    request_id = await grants.asked_people(call)
    form = await grants.grant_form(fin, request_id)
    await fin.submit(form, {grant_form.USES: "5"})
    text = await fin.wait_for_text(lambda one: "and up to 5 calls like it, until" in one["body"])
    assert grants.grant_cards(request_id) == []
    assert (await grants.service.status(request_id)).status is Status.PENDING
    await grants.asked_people(at(call, "/srv/early.py"))
    code = re.search(r"\b\d{6}\b", text["body"])
    assert code is not None
    await fin.reply_sms(code[0])
    grant = await grants.standing_of(request_id)
    assert (grant.facts.confirmed, grant.facts.terms.uses) == (True, 5)
    assert "given by <@U0FIN>, by code" in grants.says(request_id)
    assert (await grants.by_grant(at(call, "/srv/b.py"))).status is Status.APPROVED


async def test_where_the_policy_changes_while_a_call_is_asked_nothing_may_be_granted_on_it(
    own_grants: GrantWorld,
) -> None:
    """The pattern would follow the old policy, which lets more vary than the policy by which the call is asked."""
    service = copy.copy(own_grants.service)
    old, text = service.book(), own_grants.policies.read_text()
    own_grants.write(text.replace('vary = ["arguments.file_path"]', "vary = []", 1))
    await own_grants.eventually(
        lambda: own_grants.service.book().policies["agents"].digest() != old.policies["agents"].digest()
    )
    new, seen = own_grants.service.book(), [old]
    service.book = lambda: seen.pop() if seen else new
    held = HeldCalls(
        own_grants.client, service, lambda about: [hashlib.sha256(about.encode()).digest()], own_grants.now
    )
    patterns = []
    for path in ("/srv/a.py", "/srv/b.py"):
        call = ToolCall("agents", "claude-code", "Edit", {"file_path": path}, run="session-1")
        progress, _ = await held.ask(call, Actor("U0RITA", Via.API, "agent"))
        patterns.append((await service.view(progress.request_id)).pattern)
    assert (patterns[0], patterns[1] and patterns[1].vary) == (None, [])
