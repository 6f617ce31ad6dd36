"""The notifier and the directory against the simulated workspace, whose errors are Slack's own."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from slack_sdk import WebClient

from bot.demo.manifest import APP
from bot.simulator import Person, Simulator
from bot.simulator.workspace.messages import Message
from bot.simulator.workspace.seed import Member
from bot.slack.api.directory import SlackDirectory
from bot.slack.api.history import PAGES
from bot.slack.api.notifier import SlackNotifier, web_client
from bot.slack.api.pace import Pace
from bot.slack.api.poster import Poster
from bot.slack.input.target import Target
from bot.twilio.error_codes import remedy_for
from orchestration.domain.cards import Card, Notice, Step, StepKind
from orchestration.domain.effects import RemoveCopiesInput, SendMessageInput
from orchestration.domain.errors import DeliveryError, ThrottledError, TryFailedError
from orchestration.domain.request import CardRef, Choice, Status, Via
from tests.support.identity import OTHER_NONCE
from tests.support.messages import actions_of, whole_text
from tests.support.simulated import BOT_TOKEN, calls, fault, granted, running_simulator
from tests.support.slack import PURCHASES
from tests.support.story import ASKED, RequestStory


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with running_simulator(app=APP) as open_workspace:
        open_workspace.workspace.now = ASKED.timestamp
        yield open_workspace


@pytest.fixture
def client(simulator: Simulator) -> WebClient:
    return web_client(BOT_TOKEN, simulator.api_url)


@pytest.fixture
def notifier(client: WebClient) -> SlackNotifier:
    return SlackNotifier(Poster(client, Pace(0.01)))


@pytest.fixture
def card() -> Card:
    return RequestStory().card(1)


def ended(card: Card) -> Card:
    return card.model_copy(
        update={"status": Status.APPROVED, "ended_by": "U0ADA", "ended_at": ASKED, "open": False}
    )


def outcome(card: Card, where: CardRef) -> SendMessageInput:
    return SendMessageInput(
        message_id="1", user="U0RITA", notice=Notice.PROGRESS, card=ended(card), where=where, attempt=1
    )


async def posted_card(notifier: SlackNotifier, card: Card, notify: Sequence[str]) -> CardRef:
    ref = await asyncio.to_thread(notifier.post_card, PURCHASES, card, notify)
    assert ref is not None
    return ref


async def find(
    notifier: SlackNotifier, card: Card, *, channel: str = PURCHASES, **other: Any
) -> CardRef | None:
    return await asyncio.to_thread(notifier.find_card, channel, card.model_copy(update=other))


async def test_a_card_is_posted_found_and_edited_in_place(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    ref = await posted_card(notifier, card, ["S0MANAGERS"])
    assert await find(notifier, card) == ref
    async with Person(simulator.url, "U0ADA") as ada:
        [posted] = await ada.messages(PURCHASES)
        assert actions_of(posted) == ["approve", "reject", "more"]
        assert "Asked: <!subteam^S0MANAGERS>" in whole_text(posted)
        await asyncio.to_thread(notifier.edit_card, ref, ended(card))
        [edited] = await ada.messages(PURCHASES)
    assert (edited["ts"], actions_of(edited)) == (ref.ts, [])
    assert "*Approved* by <@U0ADA>" in whole_text(edited)
    assert edited["metadata"] == posted["metadata"]  # else a later retry would not find it, and post again
    assert await find(notifier, card) == ref


async def test_only_the_same_round_of_the_same_request_is_found_whatever_the_clocks_say(
    notifier: SlackNotifier, card: Card
) -> None:
    await asyncio.to_thread(notifier.post_card, PURCHASES, card, [])
    assert await find(notifier, card, round=2) is None
    assert await find(notifier, card, request_id="purchase-00000000") is None
    assert (
        await find(notifier, card, nonce=OTHER_NONCE) is None
    )  # asked again under the old ID, after a purge
    assert await find(notifier, card, channel="C0GENERAL") is None
    # Asked while the hub's clock was a year ahead of Slack's.
    assert await find(notifier, card, asked_at=ASKED + timedelta(days=365)) is not None


async def test_a_card_that_was_posted_before_a_change_is_found_and_its_copy_goes(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    """Otherwise the copy would stay, and show for ever what is not asked any more."""
    first, again = [await posted_card(notifier, card, []) for _ in "ab"]
    changed = card.model_copy(update={"digest": "e" * 64})
    assert await find(notifier, changed) in {first, again}
    removal = RemoveCopiesInput(
        request_id=card.request_id, identity=changed.identity, place=PURCHASES, ref=first, round=1, attempt=1
    )
    await asyncio.to_thread(notifier.remove_copies, removal)
    async with Person(simulator.url, "U0ADA") as ada:
        assert [message["ts"] for message in await ada.messages(PURCHASES)] == [first.ts]


async def test_a_card_is_found_behind_a_page_of_talk(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    ref = await posted_card(notifier, card, [])
    async with Person(simulator.url, "U0RITA") as rita:
        for number in range(PAGES[0]):
            await rita.say(PURCHASES, f"talk {number}")
    assert await find(notifier, card) == ref
    assert len(await calls(simulator, "conversations.history")) == 2


async def test_metadata_that_someone_else_wrote_is_not_ours(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    """Any app in the channel can write our event type. We could never edit its message."""
    metadata = Target.of(card.request_id, 1, card.identity).metadata()
    simulator.workspace.messages.post(Message(PURCHASES, "U0SAM", text="Approve!", metadata=metadata))
    assert await find(notifier, card) is None


async def test_no_way_to_look_is_said_once_a_channel(card: Card, caplog: pytest.LogCaptureFixture) -> None:
    async with running_simulator(app=granted(frozenset({"chat:write"}))) as simulator:
        notifier = SlackNotifier(Poster(web_client(BOT_TOKEN, simulator.api_url)))
        with caplog.at_level(logging.WARNING, "bot.slack"):
            for channel in (PURCHASES, PURCHASES, "C0GENERAL"):
                assert await find(notifier, card, channel=channel) is None
    warned = [record.getMessage() for record in caplog.records if record.name == "bot.slack.api.history"]
    assert [line.split()[5] for line in warned] == [PURCHASES, "C0GENERAL"]
    assert all("missing_scope" in line for line in warned)


@pytest.mark.parametrize("error", ["message_not_found", "cant_update_message", "is_archived"])
async def test_a_card_that_is_gone_is_no_error(
    simulator: Simulator, notifier: SlackNotifier, card: Card, error: str
) -> None:
    await fault(simulator, "chat.update", error)
    await asyncio.to_thread(
        notifier.edit_card, CardRef(channel=PURCHASES, ts="1.000001", round=1), ended(card)
    )


async def test_throttling_says_for_how_long(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    await fault(simulator, "chat.postMessage", "ratelimited", retry_after=7)
    with pytest.raises(ThrottledError) as throttled:
        await asyncio.to_thread(notifier.post_card, PURCHASES, card, [])
    assert throttled.value.retry_after == 7


@pytest.mark.parametrize(
    ("via", "ago", "round_", "told"),
    [
        (Via.CHAT, timedelta(0), 1, 1),
        (Via.API, timedelta(0), 1, 0),
        (Via.CHAT, timedelta(minutes=5), 1, 0),
        (Via.CHAT, timedelta(0), 2, 0),
    ],
)
async def test_only_who_has_just_pressed_on_this_copy_is_told_that_it_is_recorded(
    simulator: Simulator,
    notifier: SlackNotifier,
    via: Via,
    ago: timedelta,
    round_: int,
    told: int,
) -> None:
    story = RequestStory()
    story.vote("U0ADA", Choice.APPROVE, 10)
    shown = story.card(1)
    [vote] = shown.levels[0].decisions
    pressed = vote.model_copy(update={"via": via, "at": datetime.now(UTC) - ago, "round": round_})
    level = shown.levels[0].model_copy(update={"decisions": [pressed]})
    card = shown.model_copy(update={"levels": [level]})
    ref = await posted_card(notifier, card, [])
    await fault(simulator, "chat.update", "ratelimited", retry_after=30)
    for _ in range(2):  # once for all that is tried
        with pytest.raises(ThrottledError):
            await asyncio.to_thread(notifier.edit_card, ref, card)
    assert len(await calls(simulator, "chat.postEphemeral")) == told


async def test_an_outage_is_raised_as_temporary_and_not_retried_here(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    await fault(simulator, "chat.postMessage", "http_500", count=-1)
    with pytest.raises(TryFailedError, match=r"HTTP 500") as failed:
        await asyncio.to_thread(notifier.post_card, PURCHASES, card, [])
    assert failed.value.maybe_done
    assert len(await calls(simulator, "chat.postMessage")) == 1


async def test_a_channel_that_is_not_there_is_a_permanent_error(notifier: SlackNotifier, card: Card) -> None:
    with pytest.raises(DeliveryError, match=r"invite the app, or mend the policy \(channel_not_found\)"):
        await asyncio.to_thread(notifier.post_card, "C0NOWHERE", card, [])


async def test_the_requester_is_told_with_a_link_to_the_card(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    ref = await posted_card(notifier, card, [])
    for _ in range(2):
        await asyncio.to_thread(notifier.send_message, outcome(card, ref))
    async with Person(simulator.url, "U0RITA") as rita:
        told = await rita.messages("D0RITA")
    assert len(told) == 2
    assert told[0]["text"].startswith(
        "✓ <@U0ADA> approved *“New laptops for the team”* (4,200.00 USD). <http"
    )
    assert told[0]["text"].endswith("|See the card>")
    assert len(await calls(simulator, "conversations.open")) == 1


async def test_the_requester_is_told_without_a_link_where_none_is_to_be_had(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    await fault(simulator, "auth.test", "internal_error")
    gone = CardRef(channel=PURCHASES, ts="1.000001", round=1)
    await asyncio.to_thread(notifier.send_message, outcome(card, gone))
    async with Person(simulator.url, "U0RITA") as rita:
        [told] = await rita.messages("D0RITA")
    assert told["text"] == "✓ <@U0ADA> approved *“New laptops for the team”* (4,200.00 USD)."


async def test_who_is_in_a_group(client: WebClient) -> None:
    directory = SlackDirectory(client)
    assert sorted(await asyncio.to_thread(directory.members, "S0MANAGERS")) == ["U0ADA", "U0FAY"]
    with pytest.raises(DeliveryError):
        await asyncio.to_thread(directory.members, "S0NOBODY")


async def test_a_group_that_cannot_be_read_is_an_error_and_not_an_empty_group() -> None:
    async with running_simulator(app=granted(frozenset({"chat:write"}))) as simulator:
        directory = SlackDirectory(web_client(BOT_TOKEN, simulator.api_url))
        with pytest.raises(TryFailedError, match="missing_scope"):
            await asyncio.to_thread(directory.members, "S0MANAGERS")


@pytest.mark.parametrize(
    ("person", "active"),
    [
        (Member("U0NEW", "new", "New Here"), True),
        (Member("U0HOOK", "hook", "Hook", is_bot=True), False),
        (Member("U0GONE", "gone", "Gone", is_deactivated=True), False),
        (Member("U0FAR", "far", "Of another workspace", team_id="T0FAR"), False),
        (Member("USLACKBOT", "slackbot", "Slackbot"), False),
    ],
    ids=lambda one: one.name if isinstance(one, Member) else "",
)
async def test_who_is_a_member(simulator: Simulator, client: WebClient, person: Member, active: bool) -> None:
    simulator.workspace.people.add(person)
    assert await asyncio.to_thread(SlackDirectory(client).is_active, person.id) is active


async def test_an_id_that_is_nobody_s_is_no_member_and_a_failure_is_no_answer(
    simulator: Simulator, client: WebClient
) -> None:
    directory = SlackDirectory(client)
    assert not await asyncio.to_thread(directory.is_active, "U0NOBODY")
    for error in ("missing_scope", "internal_error"):
        await fault(simulator, "users.info", error)
        with pytest.raises(TryFailedError, match=error):
            await asyncio.to_thread(directory.is_active, "U0ADA")


async def test_what_keeps_codes_from_arriving_is_told_with_the_remedy(
    simulator: Simulator, notifier: SlackNotifier
) -> None:
    remedy = remedy_for(30006, "not_mobile")
    await asyncio.to_thread(notifier.undelivered, PURCHASES, "+1•••••0142", "U0ADA", remedy)
    [message] = simulator.workspace.messages.in_channel(PURCHASES)
    assert message.text == (
        "✗ A code for <@U0ADA>'s number +1•••••0142 could not be delivered. Ask them for the number of a mobile phone "
        "of theirs, and correct 'phone' in the policy file. Twilio's error 30006: "
        "<https://www.twilio.com/docs/api/errors/30006> This is said once a day."
    )


# ---- the thread, and messages elsewhere -------------------------------------------------------------------


def said(number: int = 1) -> Step:
    return Step(number=number, kind=StepKind.COMMENT, at=ASKED, actor="U0ADA", text="Fine.")


async def test_a_step_is_added_to_the_thread_and_found_there_again(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    ref = await posted_card(notifier, card, [])
    place = (ref, card.request_id)
    assert not await asyncio.to_thread(notifier.has_reply, *place, [said()])
    await asyncio.to_thread(notifier.post_reply, *place, [said()])
    assert await asyncio.to_thread(notifier.has_reply, *place, [said()])
    assert not await asyncio.to_thread(notifier.has_reply, *place, [said(2)])
    assert not await asyncio.to_thread(notifier.has_reply, ref, "purchase-00000000", [said()])
    async with Person(simulator.url, "U0ADA") as ada:
        _, reply = await ada.thread(PURCHASES, ref.ts)
        assert reply["text"] == "<@U0ADA> comments:\n> Fine."
        assert len(await ada.messages(PURCHASES)) == 1  # none of it stands in the channel


async def test_a_step_under_a_deleted_card_leaves_nothing_in_the_channel(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    ref = await posted_card(notifier, card, [])
    async with Person(simulator.url, "U0ADA") as ada:
        await ada.delete(PURCHASES, ref.ts)
        for number in (1, 2):
            await asyncio.to_thread(notifier.post_reply, ref, card.request_id, [said(number)])
            assert await ada.messages(PURCHASES) == []
    assert not await asyncio.to_thread(notifier.has_reply, ref, card.request_id, [said()])
    assert len(await calls(simulator, "chat.delete")) == 1  # a deleted card is remembered


async def test_who_may_not_read_a_thread_finds_nothing_in_it(card: Card) -> None:
    async with running_simulator(app=granted(frozenset({"chat:write", "chat:write.public"}))) as simulator:
        notifier = SlackNotifier(Poster(web_client(BOT_TOKEN, simulator.api_url)))
        ref = await posted_card(notifier, card, [])
        assert not await asyncio.to_thread(notifier.has_reply, ref, card.request_id, [said()])


async def test_an_outcome_can_go_to_a_channel(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    tell = SendMessageInput(
        message_id="2", user="C0GENERAL", notice=Notice.OUTCOME, card=ended(card), attempt=1
    )
    await asyncio.to_thread(notifier.send_message, tell)
    async with Person(simulator.url, "U0SAM") as sam:
        [message] = await sam.messages("C0GENERAL")
    assert message["text"].startswith("✓ <@U0ADA> approved *“New laptops for the team”*")
    assert await calls(simulator, "conversations.open") == []


async def test_a_429_holds_its_own_channel_and_no_other(
    simulator: Simulator, notifier: SlackNotifier, card: Card
) -> None:
    await fault(simulator, "chat.postMessage", "ratelimited", retry_after=30, channel=PURCHASES)
    for _ in range(2):  # the second is not even sent
        with pytest.raises(ThrottledError):
            await asyncio.to_thread(notifier.post_card, PURCHASES, card, [])
    assert len(await calls(simulator, "chat.postMessage")) == 1
    await asyncio.to_thread(notifier.post_card, "C0GENERAL", card, [])
