"""What each direct message on which a person can decide has to show now. Pure."""

from __future__ import annotations

from typing import Final

from orchestration.approval.outbox_items import SendMessage
from orchestration.approval.record import Record
from orchestration.domain.cards import AskState
from orchestration.domain.commands import AskMessage
from orchestration.domain.request import Vote
from orchestration.domain.rounds import EligibleVoters, Members, Round

# These messages are in the custom status, so that they can be corrected however the request ends. Once there are this
# many, further people get a message with a link to the card.
DECIDABLE: Final = 50  # messages of a request


def asking(record: Record, message: SendMessage | AskMessage) -> AskState | None:
    """Whether the message's person can decide by it now, or why they no longer can.

    None if the message has no buttons. A posted message that is no longer tracked has none, because nobody would remove
    them.
    """
    messages, posted = record.state.messages, isinstance(message, AskMessage)
    at = next((at for at, one in enumerate(messages) if one.message_id == message.message_id), None)
    round_ = message.ref.round if isinstance(message, AskMessage) else message.round
    if round_ is None or (at is None and not posted and len(messages) >= DECIDABLE):
        return None
    later = messages[at + 1 :] if at is not None else []
    repeated = any((one.user, one.ref.round) == (message.user, round_) for one in later)
    found = _standing(record, message, round_, repeated=repeated)
    return None if posted and at is None and found is AskState.OPEN else found


def _standing(
    record: Record, message: SendMessage | AskMessage, round_: int, *, repeated: bool = False
) -> AskState:
    voters, person = record.voting.voters(), message.user
    of_round = voters.round(round_)
    lost = isinstance(message, AskMessage) and message.lost_seat
    if lost or (of_round is not None and not _decides(voters, of_round, person, message.seat)):
        return AskState.NO_SEAT
    if _votes_of(record, person, round_):
        return AskState.VOTED
    if of_round is None or voters.barred(person) or person in voters.delegates_in(of_round):
        return AskState.OVER
    return AskState.REPEATED if repeated else AskState.OPEN


def _decides(voters: EligibleVoters, round_: Round, person: str, seat: str) -> bool:
    """Whether this person still decides for the holder of `seat`, or from their own seat.

    Group members are not known here. While a holder is away, they can use a code to hand their vote to another delegate
    than the one who was asked.
    """
    if seat in {"", person} or person in round_.named:
        return True
    return person in voters.delegates_in(round_).values()


def _votes_of(record: Record, person: str, round_: int) -> list[Vote]:
    levels = [level.decisions for level in record.state.past_levels]
    votes = [vote for decisions in [*levels, record.state.votes] for vote in decisions]
    return [vote for vote in votes if (vote.round, vote.actor) == (round_, person)]


def seat_of(record: Record, person: str, round_: int) -> str:
    """The seat for which the person is asked in that round: that of the holder they decide for, else their own."""
    voters = record.voting.voters()
    of_round = voters.round(round_)
    delegates = voters.delegates_in(of_round) if of_round is not None else {}
    return next((holder for holder, to in delegates.items() if to == person), person)


def newest_round_of(record: Record, delegate: str) -> int | None:
    """The newest open round in which this person votes for somebody else.

    In a round that needs a code, only a confirmed delegate votes.
    """
    voters = record.voting.voters()
    found = [one.number for one in voters.rounds if delegate in voters.delegates_in(one).values()]
    return max(found, default=None)


def with_seat_of(record: Record, message: AskMessage, members: Members) -> AskMessage:
    """The message, with a note if its person has lost their seat, given the present `members` of the groups."""
    voters = record.voting.voters()
    of_round = voters.round(message.ref.round)
    if of_round is None or _standing(record, message, of_round.number) is AskState.OVER:
        return message
    lost = message.lost_seat or voters.seat(message.user, of_round, members) is None
    return message.model_copy(update={"lost_seat": lost})


def drawn_from(record: Record, message: SendMessage | AskMessage) -> str:
    """Everything that decides what such a message shows: equal values mean equal messages."""
    state, found = record.state, asking(record, message)
    if found is AskState.NO_SEAT:
        return found
    code = "code" if message.user in state.confirming else ""
    status = state.status if record.ended else ""
    round_ = message.ref.round if isinstance(message, AskMessage) else message.round
    votes = _votes_of(record, message.user, round_) if found is AskState.VOTED and round_ else []
    choice = votes[-1].choice if votes else ""
    until = state.deadline.isoformat() if found in {None, AskState.OPEN} and state.deadline else ""
    return " ".join([str(found), record.identity.digest, code, status, choice, until])


def is_over(record: Record, message: AskMessage) -> bool:
    """Whether the message, once it shows the present state, will never change again."""
    closed = message.ref.round not in record.state.open_rounds
    return closed or asking(record, message) in {AskState.OVER, AskState.REPEATED, AskState.NO_SEAT}
