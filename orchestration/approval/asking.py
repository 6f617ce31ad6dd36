"""How it stands with the direct messages on which people can decide: what each is to show now. Pure."""

from __future__ import annotations

from typing import Final

from orchestration.approval.outbox_items import SendMessage
from orchestration.approval.record import Record
from orchestration.domain.cards import AskState
from orchestration.domain.commands import AskMessage

# They are in the custom status, so that they can be corrected however the request ends. Whoever is asked after these
# gets a message with a link to the card.
DECIDABLE: Final = 50  # messages of a request


def asking(record: Record, message: SendMessage | AskMessage) -> AskState | None:
    """Whether its person can decide by this message now, or why not any more. None where it is no such message."""
    messages = record.state.messages
    at = next((at for at, one in enumerate(messages) if one.message_id == message.message_id), None)
    round_ = message.ref.round if isinstance(message, AskMessage) else message.round
    if round_ is None or (at is None and len(messages) >= DECIDABLE):
        return None
    later = messages[at + 1 :] if at is not None else []
    repeated = any((one.user, one.ref.round) == (message.user, round_) for one in later)
    return _standing(record, message.user, round_, repeated=repeated)


def _standing(record: Record, person: str, round_: int, *, repeated: bool) -> AskState:
    voters, past = record.voting.voters(), record.state.past_levels
    votes = [*(vote for level in past for vote in level.decisions), *record.state.votes]
    if any((vote.round, vote.actor) == (round_, person) for vote in votes):
        return AskState.VOTED
    of_round = voters.round(round_)
    if of_round is None or voters.barred(person) or person in voters.delegates_in(of_round):
        return AskState.OVER
    return AskState.REPEATED if repeated else AskState.OPEN


def drawn_from(record: Record, message: SendMessage | AskMessage) -> str:
    """All that decides what such a message shows: where it is the same, the message is."""
    code = "code" if message.user in record.state.confirming else ""
    status = record.state.status if record.ended else ""
    return " ".join([str(asking(record, message)), record.identity.digest, code, status])


def is_over(record: Record, message: AskMessage) -> bool:
    """Whether nothing will change any more what it shows, once it shows what is true now."""
    closed = message.ref.round not in record.state.open_rounds
    return closed or asking(record, message) in {AskState.OVER, AskState.REPEATED}
