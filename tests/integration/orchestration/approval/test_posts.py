"""A message that may have been posted is looked for until it is correct or certainly absent; failed posts are told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from bot.slack.messages.notices import notice
from orchestration.approval.state import ApprovalInput
from orchestration.domain.cards import Card, Notice, Step
from orchestration.domain.effects import SendMessageInput
from orchestration.domain.errors import DeliveryError, ThrottledError, TryFailedError
from orchestration.domain.request import ApprovalRequest, CardRef, Choice, RemarkKind, Status
from orchestration.reconcile.workflow import ReconcileInput
from tests.support.board import Begin, Board, at_once
from tests.support.core_world import CoreWorld

LOST = ConnectionResetError("the answer was lost")


class LateBoard(Board):
    """What is to be `late` is not there yet when it is looked for: it arrives when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.late = ""
        self.arrivals: list[Callable[[], object]] = []
        self.order: list[str] = []
        self.threads: list[list[str]] = []
        self.editing, self.may_edit = threading.Event(), threading.Event()
        self.may_edit.set()

    def arrive(self) -> None:
        """Let the posts arrive that were on their way."""
        for arrival in self.arrivals:
            arrival()

    def _delay(self, method: str, arrival: Callable[[], object]) -> None:
        if self.late == method:
            self.late = ""
            self.arrivals.append(arrival)
            raise LOST

    def post_card(
        self, channel: str, card: Card, notify: Sequence[str], begin: Begin = at_once
    ) -> CardRef | None:
        self._delay("post_card", lambda: Board.post_card(self, channel, card, notify))
        self.order.append(f"card {card.round}")
        return super().post_card(channel, card, notify, begin)

    def edit_card(self, ref: CardRef, card: Card) -> None:
        self.editing.set()
        assert self.may_edit.wait(20)
        self.order.append(f"edit {ref.round}")
        super().edit_card(ref, card)

    def post_reply(
        self, ref: CardRef, request_id: str, steps: Sequence[Step], begin: Begin = at_once
    ) -> None:
        self._delay("post_reply", lambda: Board.post_reply(self, ref, request_id, steps))
        self.order += [f"line {step.kind}" for step in steps]
        super().post_reply(ref, request_id, steps, begin)
        self.threads.append([step.text for step in steps])

    def send_message(self, message: SendMessageInput, begin: Begin = at_once) -> CardRef | None:
        self._delay("send_message", lambda: Board.send_message(self, message))
        self.order.append(f"message {message.notice}")
        return super().send_message(message, begin)


@pytest.fixture
def board() -> LateBoard:
    return LateBoard()


async def start(world: CoreWorld, policy: str) -> str:
    return await world.service.start(ApprovalRequest(policy=policy, title="x", requester="U0RITA"))


# ---- the deadline comes while nobody knows ---------------------------------------------------------------


async def test_a_card_that_may_be_there_is_found_after_the_deadline_and_says_how_it_ended(
    world: CoreWorld,
) -> None:
    world.board.problems["after post_card"] = [LOST]
    world.board.problems["find_card"] = [ConnectionResetError("it is still down")] * 100
    request_id = await start(world, "deploy")
    await world.eventually(lambda: world.board.posts == 1)
    await world.skip(minutes=30)
    assert (await world.outcome(request_id)).status is Status.TIMED_OUT
    assert world.board.card("C0DEPLOYS").open
    world.board.problems["find_card"] = []
    await world.hasten(lambda: not world.board.card("C0DEPLOYS").open)
    assert world.board.posts == 1


async def test_a_deadline_has_the_card_looked_for_at_once(world: CoreWorld) -> None:
    """Asked to wait for an hour, the outbox would look long after the deadline of half an hour."""
    world.board.problems["after post_card"] = [LOST]
    world.board.problems["find_card"] = [ThrottledError(3600)]
    request_id = await start(world, "deploy")
    await world.due_within(seconds=2)
    await world.skip(seconds=2)
    await world.eventually(lambda: not world.board.problems["find_card"])
    await world.skip(minutes=30)
    assert (await world.outcome(request_id)).status is Status.TIMED_OUT
    await world.eventually(lambda: not world.board.card("C0DEPLOYS").open)


async def test_a_level_without_a_card_is_escalated_at_its_deadline(world: CoreWorld) -> None:
    world.board.problems["post_card"] = [ConnectionResetError("it is down")] * 40
    request_id = await start(world, "quick")
    await world.skip(hours=1)
    await world.until(request_id, lambda progress: progress.status is Status.ESCALATED)
    world.board.problems["post_card"] = []
    await world.hasten(lambda: world.board.has("C0QUICKER") and world.board.has("C0QUICK"))


# ---- what is on its way when it is looked for --------------------------------------------------------------


@pytest.mark.parametrize("late", ["post_card", "post_reply", "send_message"])
async def test_what_arrives_after_it_was_looked_for_is_removed_again(
    world: CoreWorld, board: LateBoard, late: str
) -> None:
    if late == "post_card":
        board.late = late
    request_id = await start(world, "deploy")
    if late != "post_card":
        await world.until(request_id, lambda progress: bool(progress.cards))
        board.late = late
        await world.say(request_id, "U0ADA", RemarkKind.QUESTION, "Why?")

    def posted() -> int:
        asked = [one for one in board.messages if one.notice is Notice.QUESTION]
        return len({"post_card": board.cards, "post_reply": board.replies, "send_message": asked}[late])

    await world.due_within(seconds=2)
    await world.skip(seconds=2)  # not as far as the look for copies
    await world.eventually(lambda: posted() == 1)
    board.arrive()
    assert posted() == 2
    await world.hasten(lambda: posted() == 1)
    if late == "post_card":
        [ref] = (await world.service.status(request_id)).cards
        assert list(board.cards) == [(ref.channel, ref.ts)]


async def test_a_card_that_arrives_after_a_termination_is_removed(world: CoreWorld, board: LateBoard) -> None:
    board.late = "post_card"
    request_id = await start(world, "deploy")
    await world.eventually(lambda: bool(board.arrivals))
    client = world.connection.client()
    progress = await world.service.status(request_id)
    state = await client.get_orchestration_state(request_id)
    assert state is not None
    await client.terminate_orchestration(request_id)
    await world.outcome(request_id)
    given = state.get_input(ApprovalInput)
    assert given is not None
    ended = ReconcileInput(given=given, progress=progress, status=Status.TERMINATED)
    await client.schedule_new_orchestration("reconcile", input=ended)
    await client.close()
    await world.eventually(lambda: len(board.cards) == 1)
    board.arrive()
    assert [card.open for card in board.cards.values()] == [False, True]
    await world.hasten(lambda: [card.open for card in board.cards.values()] == [False])


async def test_a_message_whose_answer_was_lost_is_not_sent_again(world: CoreWorld) -> None:
    request_id = await world.ask("deploy")
    world.board.problems["after send_message"] = [LOST]
    await world.decide(request_id, "U0ADA")
    await world.hasten(lambda: world.board.lookups == 1)
    await world.hasten(lambda: world.board.copy_lookups == 1)
    assert world.board.told == [("U0RITA", Status.APPROVED)]


async def test_what_was_certainly_not_done_is_not_looked_for(world: CoreWorld) -> None:
    """To look costs calls that Slack counts."""
    world.board.problems["post_card"] = [TryFailedError("Slack does not accept the token.", maybe_done=False)]
    await start(world, "deploy")
    await world.hasten(lambda: world.board.posts == 1)
    assert (world.board.lookups, world.board.copy_lookups) == (0, 0)


# ---- the order -------------------------------------------------------------------------------------------


async def test_what_people_act_on_goes_first(world: CoreWorld, board: LateBoard) -> None:
    request_id = await world.ask("budget")
    await world.until(request_id, lambda progress: bool(progress.cards))
    board.order.clear()
    await world.decide(request_id, "U0ADA")
    await world.eventually(lambda: "line level_passed" in board.order)
    assert sorted(board.order[:2]) == ["card 2", "edit 1"]
    assert board.order[2:5] == ["message progress", "line voted", "line level_passed"]


async def test_lines_that_wait_together_are_one_message_and_what_was_tried_stays_its_own(
    world: CoreWorld, board: LateBoard
) -> None:
    request_id = await world.ask("deploy")
    board.late = "post_reply"
    await world.say(request_id, "U0ADA", RemarkKind.COMMENT, "1")
    await world.eventually(lambda: bool(board.arrivals))
    board.problems["post_reply"] = [ThrottledError(300)]
    await world.due_within(seconds=2)
    await world.skip(seconds=2)
    await world.eventually(lambda: not board.problems["post_reply"])
    for number in range(2, 9):
        await world.say(request_id, "U0ADA", RemarkKind.COMMENT, str(number))
    await world.skip(minutes=5)
    await world.eventually(lambda: len(board.replies) == 8)
    assert board.threads == [["1"], [*"23456"], [*"78"]]


# ---- what cannot be posted -------------------------------------------------------------------------------

ARCHIVED = DeliveryError("the channel is archived (is_archived).")


def told(world: CoreWorld, kind: Notice) -> list[SendMessageInput]:
    return [message for message in world.board.messages if message.notice is kind]


async def test_an_escalation_into_an_archived_channel_reaches_its_people_and_the_requester_reads_so(
    world: CoreWorld,
) -> None:
    request_id = await world.ask("purchase")
    world.board.problems["post_card"] = [ARCHIVED]
    await world.skip(days=2)
    await world.eventually(lambda: bool(told(world, Notice.CARD_NOT_POSTED)))
    [asked] = told(world, Notice.ASKED)
    assert (asked.user, asked.where) == ("U0DIRK", None)
    assert "You can decide it from my Home tab" in notice(asked, {}).text
    [truth] = told(world, Notice.CARD_NOT_POSTED)
    assert truth.user == "U0RITA"
    assert notice(truth, {}).text == (
        "✗ *“New laptops”* (4,200.00 USD) for *Manager* was to be escalated to <#C0ESCALATIONS>, but its card could "
        "not be posted there. the channel is archived (is_archived). "
        "These people were asked by direct message instead: <@U0DIRK>."
    )
    assert world.board.told == [], "nobody was told that it was escalated there"
    assert (await world.decide(request_id, "U0DIRK", round=2)).accepted
    assert (await world.outcome(request_id)).status is Status.APPROVED


async def test_a_first_card_that_is_refused_for_good_is_told_and_its_deadline_escalates(
    world: CoreWorld,
) -> None:
    world.board.problems["post_card"] = [ARCHIVED]
    request_id = await start(world, "quick")
    await world.eventually(lambda: len(told(world, Notice.CARD_NOT_POSTED)) == 2)
    assert {one.user for one in told(world, Notice.CARD_NOT_POSTED)} == {"U0RITA", "U0OLGA"}
    assert sorted(one.user for one in told(world, Notice.ASKED)) == ["U0ADA", "U0FIN"]
    assert (await world.decide(request_id, "U0ADA")).accepted
    await world.skip(hours=1)
    await world.eventually(lambda: world.board.has("C0QUICKER"))
    assert (await world.decide(request_id, "U0DAN", Choice.REJECT, round=2, comment="No.")).accepted


async def test_a_card_that_keeps_failing_is_told_within_minutes_and_its_deadline_escalates(
    world: CoreWorld,
) -> None:
    refused = TryFailedError("The app lacks a scope (missing_scope).", maybe_done=False)
    world.board.problems["post_card"] = [refused] * 60
    request_id = await start(world, "quick")
    while not told(world, Notice.CARD_LATE):
        await world.due_within(minutes=2)
        await world.skip(seconds=20)
    progress = await world.service.status(request_id)
    assert progress.status is Status.PENDING
    await world.eventually(lambda: len(told(world, Notice.CARD_LATE)) == 2)
    assert {one.user for one in told(world, Notice.CARD_LATE)} == {"U0RITA", "U0OLGA"}
    late = told(world, Notice.CARD_LATE)[0]
    assert (late.where, "missing_scope" in notice(late, {}).text) == (None, True)
    await world.skip(hours=1)
    await world.until(request_id, lambda progress: progress.status is Status.ESCALATED)
    world.board.problems["post_card"] = []
    await world.hasten(lambda: world.board.has("C0QUICKER"))
    words = [(one.user, notice(one, {}).text) for one in told(world, Notice.CARD_LATE)]
    assert len(words) <= 4, "once a card, to each of the two"
    assert len(set(words)) == len(words)
    assert (await world.cancel(request_id, "U0RITA")).value == "recorded"


# ---- edits that wait for their turn ----------------------------------------------------------------------


async def test_how_it_ended_does_not_wait_for_the_turn_of_an_edit_that_says_less(world: CoreWorld) -> None:
    """Slack takes no edit for an hour, as far as the first try knows. The last edit is tried at once all the same."""
    request_id = await world.ask("vote")
    world.board.problems["edit_card"] = [ThrottledError(3600)]
    await world.decide(request_id, "U0ADA")
    await world.eventually(lambda: not world.board.problems["edit_card"])
    await world.due_within(hours=1)
    assert world.board.edits == 0
    await world.decide(request_id, "U0FAY")
    await world.eventually(lambda: world.board.card("C0VOTE").status is Status.APPROVED)
    assert world.board.edits == 1, "the one says all"


async def test_edits_that_wait_for_their_turn_become_one(world: CoreWorld) -> None:
    request_id = await world.ask("deploy")
    world.board.problems["edit_card"] = [ThrottledError(20)]
    hub = world.hub
    await world.say(request_id, "U0ADA", RemarkKind.COMMENT, "0")
    # What changes while the first try is under way is tried at once; the others are to find it waiting.
    soon = hub.clock.now() + timedelta(seconds=30)
    await world.eventually(lambda: (at := hub.next_timer()) is not None and at <= soon)
    for number in (1, 2):
        await world.say(request_id, "U0ADA", RemarkKind.COMMENT, f"{number}")
    await world.hasten(lambda: world.board.edits > 0)
    await world.decide(request_id, "U0ADA")
    await world.completed(request_id)
    assert [remark.text for remark in world.board.card("C0DEPLOYS").remarks] == ["0", "1", "2"]
    assert world.board.edits == 2


async def test_what_changes_during_an_edit_that_is_sent_away_is_tried_at_once(world: CoreWorld) -> None:
    """It is tried only once: the two edits have become one."""
    board = world.board
    assert isinstance(board, LateBoard)
    request_id = await world.ask("vote")
    board.may_edit.clear()
    board.problems["edit_card"] = [ThrottledError(3600)]
    await world.decide(request_id, "U0ADA")
    await world.eventually(board.editing.is_set)
    await world.decide(request_id, "U0FAY")
    board.may_edit.set()
    await world.eventually(lambda: board.card("C0VOTE").status is Status.APPROVED)
    await world.completed(request_id)
    assert board.edits == 1
