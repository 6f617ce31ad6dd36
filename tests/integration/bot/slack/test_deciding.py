"""From a press to an edited card: by approvers and others, too early, too late, and while something is broken."""

import asyncio
import json
from typing import Any

import pytest

from bot.simulator import Person
from bot.simulator.control.person import ActionRefusedError
from bot.slack.input.target import Target
from bot.slack.listeners.verdicts import verdict_on
from orchestration.domain.commands import Reason
from orchestration.domain.request import Choice, Status, Via
from orchestration.service.approvals import Actor
from tests.support.messages import actions_of, has_button, private, says, whole_text
from tests.support.simulated import fault
from tests.support.slack import ESCALATIONS, PURCHASES, ask, deliver, pressed
from tests.support.world import World, policies


@pytest.mark.parametrize("world", ["http", "socket mode"], indirect=True)
async def test_approving_is_one_press(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    await ada.click(PURCHASES, card["ts"], "approve")
    ended = await ada.wait_for_message(PURCHASES, says("✓ *Approved* by <@U0ADA>"))
    assert (ended["ts"], actions_of(ended)) == (card["ts"], [])
    assert ended["metadata"] == card["metadata"]
    told = await rita.wait_for_message("D0RITA", lambda message: "approved" in message["text"])
    assert told["text"].startswith("✓ <@U0ADA> approved *“New laptops”* (4,200.00 USD). <http")
    assert not any(message["ephemeral"] for message in await ada.messages(PURCHASES))


@pytest.mark.parametrize("world", ["http", "socket mode"], indirect=True)
async def test_rejecting_asks_for_the_reason(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    await ada.click(PURCHASES, card["ts"], "reject")
    form = await ada.wait_for_view("reject_reason")
    assert form["blocks"][0]["text"]["text"] == "*“New laptops”*\nAsked for by <@U0RITA>"
    with pytest.raises(ActionRefusedError) as refused:
        await ada.submit(form)
    assert list(refused.value.errors) == ["reason"]
    await ada.submit(form, {"reason": "Too dear.\nAsk again in May."})
    ended = await ada.wait_for_message(PURCHASES, says("✗ *Rejected* by <@U0ADA>"))
    assert "> Too dear.\n> Ask again in May." in whole_text(ended)
    await rita.wait_for_message("D0RITA", lambda message: "> Too dear." in message["text"])
    assert await ada.views() == []


async def told_again(person: Person, said: str, before: int) -> bool:
    return len([message for message in await person.messages(PURCHASES) if private(said)(message)]) > before


@pytest.mark.parametrize(
    ("who", "said"),
    [
        ("U0SAM", "You are not one of the approvers of this request, so nothing changed."),
        ("U0RITA", "You cannot decide your own request; someone else has to."),
    ],
)
async def test_the_wrong_person_is_told_in_private_and_nothing_changes(
    world: World, who: str, said: str
) -> None:
    rita, wrong = world.person("U0RITA"), world.person(who)
    card = await ask(rita)
    await wrong.click(PURCHASES, card["ts"], "approve")
    await wrong.wait_for_message(PURCHASES, private(said))
    told = len([message for message in await wrong.messages(PURCHASES) if private(said)(message)])
    await wrong.click(PURCHASES, card["ts"], "reject")
    await wrong.wait_for(lambda person: told_again(person, said, told))
    assert await wrong.views() == [], "nobody writes a reason in vain"
    ada = world.person("U0ADA")
    [seen] = await ada.messages(PURCHASES)
    assert (seen["blocks"], seen["edited"]) == (card["blocks"], None)


async def test_a_late_press_is_told_how_it_ended(world: World) -> None:
    rita, ada, fay = [world.person(user) for user in ("U0RITA", "U0ADA", "U0FAY")]
    card = await ask(rita)
    await ada.click(PURCHASES, card["ts"], "approve")
    await ada.wait_for_message(PURCHASES, says("Approved"))
    for action in ("approve", "reject"):
        assert await deliver(world, **pressed("U0FAY", card, action)) == (200, "")
    late = "This request was already approved, so nothing changed."
    await fay.wait_for(lambda person: two_private(person, late))
    assert await fay.views() == []  # nobody is to write a reason in vain


async def test_a_press_delivered_twice_is_one_press(world: World) -> None:
    """Slack may deliver a press again. The second must not be answered as too late."""
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    for _ in range(2):
        assert await deliver(world, **pressed("U0ADA", card)) == (200, "")
    await ada.wait_for_message(PURCHASES, says("✓ *Approved* by <@U0ADA>"))
    await deliver(world, **pressed("U0ADA", card))
    request_id = card["metadata"]["event_payload"]["instance_id"]
    assert [verdict.reason for verdict in (await world.service.status(request_id)).verdicts] == [
        Reason.RECORDED
    ]
    assert not any(message["ephemeral"] for message in await ada.messages(PURCHASES))


async def test_silence_escalates_and_either_card_decides(world: World) -> None:
    rita, ada, dirk = [world.person(user) for user in ("U0RITA", "U0ADA", "U0DIRK")]
    card = await ask(rita)
    await world.skip(days=1)
    escalated = await dirk.wait_for_message(ESCALATIONS, has_button("approve"))
    assert "○ *Manager* · no decision by" in whole_text(escalated)
    original = await ada.wait_for_message(PURCHASES, says("→ *Escalated* to <#C0ESCALATIONS>"))
    assert (original["ts"], actions_of(original)) == (card["ts"], ["approve", "reject", "more"])
    await rita.wait_for_message("D0RITA", lambda message: "escalated to <#C0ESCALATIONS>" in message["text"])
    await ada.click(PURCHASES, card["ts"], "reject")  # the original stays decidable
    form = await ada.wait_for_view("reject_reason")
    await ada.close_view(form)
    await dirk.click(ESCALATIONS, escalated["ts"], "approve")
    for person, channel in ((ada, PURCHASES), (dirk, ESCALATIONS)):
        ended = await person.wait_for_message(channel, says("✓ *Approved* by <@U0DIRK>"))
        assert actions_of(ended) == []


async def test_when_nobody_answers_at_all_every_card_says_so(world: World) -> None:
    rita, dirk = world.person("U0RITA"), world.person("U0DIRK")
    await ask(rita)
    await world.skip(days=1)
    await dirk.wait_for_message(ESCALATIONS, has_button("approve"))
    await world.skip(days=1)
    for person, channel in ((rita, PURCHASES), (dirk, ESCALATIONS)):
        ended = await person.wait_for_message(channel, says("✗ *Timed out*"))
        assert (actions_of(ended), "Nobody answered in time." in whole_text(ended)) == ([], True)
    await rita.wait_for_message("D0RITA", lambda message: "ended without a decision" in message["text"])


async def test_a_card_that_lost_its_metadata_still_decides(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    assert await deliver(world, **pressed("U0ADA", card, metadata=None)) == (200, "")
    await ada.wait_for_message(PURCHASES, says("✓ *Approved* by <@U0ADA>"))


async def test_a_card_that_says_nothing_is_refused_with_a_sentence(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    form = pressed("U0ADA", card, metadata=None)
    payload = json.loads(form["payload"])
    payload["actions"][0]["value"] = "approve"
    assert await deliver(world, payload=json.dumps(payload)) == (200, "")
    await ada.wait_for_message(PURCHASES, private("This card no longer says which request it belongs to"))


async def test_a_request_that_the_hub_does_not_know_is_said_so(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    card = json.loads(
        json.dumps(card).replace(card["metadata"]["event_payload"]["instance_id"], "purchase-00000000")
    )
    assert await deliver(world, **pressed("U0ADA", card)) == (200, "")
    await ada.wait_for_message(PURCHASES, private("I don't know this request."))


async def test_a_press_while_the_hub_is_gone_is_told_that_nothing_was_recorded(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    await world.lose_hub()
    await ada.click(PURCHASES, card["ts"], "approve")
    await ada.wait_for_message(PURCHASES, private("so nothing was recorded. Please try again in a moment."))


async def test_a_command_on_disk_is_not_said_to_be_lost_when_the_hub_goes_then(world: World) -> None:
    """After the commit, "nothing was recorded" would be false, even if the hub stops then."""
    await world.rest()
    rita = world.person("U0RITA")
    await rita.command(PURCHASES, "/request-approval purchase New laptops")
    asked = await rita.wait_for_message(PURCHASES, private("Request sent"))
    request_id = asked["text"].split("`")[1]
    shown = await world.service.identity(request_id)
    ada = Actor("U0ADA", Via.CHAT)
    ticket = await world.service.decide(request_id, ada, Choice.APPROVE, shown=shown, round=1)
    await world.lose_hub()
    assert (await verdict_on(world.service, ticket, within=1)).reason is Reason.NO_ANSWER_YET


async def test_a_press_that_slack_took_is_on_disk(world: World) -> None:
    """The ack waits for the commit alone: it comes without a worker, and the vote counts later."""
    await world.rest()
    rita = world.person("U0RITA")
    await rita.command(PURCHASES, "/request-approval purchase New laptops")
    asked = await rita.wait_for_message(PURCHASES, private("Request sent"))
    request_id = asked["text"].split("`")[1]
    target = Target.of(request_id, 1, await world.service.identity(request_id))
    card = {
        "channel": PURCHASES,
        "ts": "1.000001",
        "metadata": target.metadata(),
        "blocks": [{"type": "actions", "elements": [{"action_id": "approve", "value": target.value()}]}],
    }
    assert await deliver(world, **pressed("U0ADA", card)) == (200, "")
    await world.stop()
    await world.start()
    outcome = await world.service.wait(target.instance_id, timeout=5)
    assert outcome
    assert (outcome.status, outcome.processed_by) == (Status.APPROVED, "U0ADA")


async def test_a_card_of_a_round_that_is_over_says_so(world: World) -> None:
    finance = '[[policies.purchase.levels]]\nname = "Finance"\napprovers = ["U0FIN"]\ntimeout = "1d"\n\n'
    world.write(
        policies("slack").replace(
            "[policies.purchase.escalation]", finance + "[policies.purchase.escalation]"
        )
    )
    rita, ada, fay = [world.person(user) for user in ("U0RITA", "U0ADA", "U0FAY")]
    first = await ask(rita)
    await ada.click(PURCHASES, first["ts"], "approve")
    second = await rita.wait_for_message(
        PURCHASES, lambda message: has_button("approve")(message) and message["ts"] != first["ts"]
    )
    assert second["metadata"]["event_payload"]["round"] == 2
    for action in ("approve", "reject"):
        assert await deliver(world, **pressed("U0FAY", first, action)) == (200, "")
    await fay.wait_for(lambda person: two_private(person, "This step is finished"))
    assert await fay.views() == []
    settled = await rita.wait_for_message(PURCHASES, lambda message: message["ts"] == first["ts"])
    assert (actions_of(settled), "✓ *Manager* · <@U0ADA>" in whole_text(settled)) == ([], True)


@pytest.mark.parametrize("required", [True, False])
async def test_whether_a_reason_is_needed_says_the_policy_that_was_asked_under(
    world: World, required: bool
) -> None:
    def with_reason(needed: bool) -> str:
        words = f"[policies.purchase]\nrequire_reason = {str(needed).lower()}"
        return policies("slack").replace("[policies.purchase]", words)

    world.write(with_reason(required))
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    world.write(with_reason(not required))
    await ada.click(PURCHASES, card["ts"], "reject")
    form = await ada.wait_for_view("reject_reason")
    if required:
        with pytest.raises(ActionRefusedError) as refused:
            await ada.submit(form)
        assert list(refused.value.errors) == ["reason"]
        await ada.submit(form, {"reason": "Too dear."})
    else:
        await ada.submit(form)
    await ada.wait_for_message(PURCHASES, says("✗ *Rejected* by <@U0ADA>"))


@pytest.mark.parametrize(("broken", "where"), [(1, PURCHASES), (2, "D0SAM")])
async def test_a_sentence_that_slack_refuses_is_sent_another_way(
    world: World, broken: int, where: str
) -> None:
    """By the response URL where the ephemeral message is refused; by direct message where there is none."""
    rita, sam = world.person("U0RITA"), world.person("U0SAM")
    card = await ask(rita)
    await fault(world.simulator, "chat.postEphemeral", "user_not_in_channel")
    if broken == 1:
        await sam.click(PURCHASES, card["ts"], "approve")
    else:
        await deliver(world, **pressed("U0SAM", card))  # which has no response URL
    said = await sam.wait_for_message(where, lambda message: "not one of the approvers" in message["text"])
    assert said["ephemeral"] is (broken == 1)


@pytest.mark.one_bot("it reads the log of the bot's process")
async def test_a_form_that_does_not_say_what_it_is_about_says_so_and_leaves_no_trace_in_the_log(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    await ada.click(PURCHASES, card["ts"], "reject")
    view = await ada.wait_for_view("reject_reason")
    payload = {
        "type": "view_submission",
        "user": {"id": "U0ADA"},
        "team": {"id": "T0ACME"},
        "trigger_id": "1.2.3",
        "view": {**view, "private_metadata": "{}", "state": {"values": {}}},
    }
    status, body = await deliver(world, payload=json.dumps(payload))
    assert status == 200
    assert "This form no longer says what it is about" in json.loads(body)["errors"]["reason"]
    assert not any(record.exc_info for record in caplog.records)


async def test_a_form_that_cannot_be_opened_is_said_so(world: World) -> None:
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    await fault(world.simulator, "views.open", "expired_trigger_id")
    await ada.click(PURCHASES, card["ts"], "reject")
    await ada.wait_for_message(PURCHASES, private("Please press once more."))


async def test_an_edit_that_is_throttled_is_made_later(world: World) -> None:
    """The decision counts at once. The card is edited when Slack allows it."""
    rita, ada = world.person("U0RITA"), world.person("U0ADA")
    card = await ask(rita)
    await fault(world.simulator, "chat.update", "ratelimited", retry_after=1)
    await ada.click(PURCHASES, card["ts"], "approve")
    request_id = card["metadata"]["event_payload"]["instance_id"]
    outcome = await world.service.wait(request_id, timeout=5)
    assert outcome
    assert outcome.status is Status.APPROVED
    told = private("Recorded: you approved *“New laptops”*")
    await ada.wait_for_message(PURCHASES, told)
    await ada.wait_for_message(PURCHASES, says("✓ *Approved* by <@U0ADA>"))
    assert len([message for message in await ada.messages(PURCHASES) if message["ephemeral"]]) == 1
    assert not any("Recorded" in message["text"] for message in await rita.messages(PURCHASES))


async def test_two_people_at_once_get_one_outcome_and_both_the_truth(world: World) -> None:
    rita, ada, fay = [world.person(user) for user in ("U0RITA", "U0ADA", "U0FAY")]
    card = await ask(rita)
    await asyncio.gather(
        ada.click(PURCHASES, card["ts"], "approve"), fay.click(PURCHASES, card["ts"], "approve")
    )
    ended = await rita.wait_for_message(PURCHASES, says("✓ *Approved* by"))
    first, second = (ada, fay) if "by <@U0ADA>" in whole_text(ended) else (fay, ada)
    await second.wait_for_message(
        PURCHASES, private("This request was already approved, so nothing changed.")
    )
    assert not any(message["ephemeral"] for message in await first.messages(PURCHASES))


async def two_private(person: Any, said: str) -> bool:
    return len([message for message in await person.messages(PURCHASES) if private(said)(message)]) == 2
