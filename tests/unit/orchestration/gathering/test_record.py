"""The rules of a gathering, without a hub: who may answer, what a correction is, what a repeat is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.slack.ids import SlackIds
from orchestration.domain import policy_file
from orchestration.domain.commands import Reason
from orchestration.domain.gathering import AnswerWay, GatheringAnswer, GatheringRequest, GatheringStatus
from orchestration.domain.people import PersonEntry
from orchestration.domain.request import new_nonce
from orchestration.gathering import projection
from orchestration.gathering.record import COMMANDS_REMEMBERED, CORRECTIONS, VERDICTS_KEPT, GatheringRecord
from orchestration.gathering.state import GatheringInput
from tests.support.world import policies

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
NONCE = new_nonce()


@pytest.fixture
def record() -> GatheringRecord:
    book = policy_file.parse(policies("gathering"), "p.toml", SlackIds())
    request = GatheringRequest(policy="readiness", title="Ready?", requester="U0RITA")
    given = GatheringInput(request=request, policy=book.gatherings["readiness"], nonce=NONCE, salt="salt")
    return GatheringRecord("readiness-x", given, NOW)


def made(source: str = "legal", command_id: str = "c", **changes: object) -> GatheringAnswer:
    given: dict[str, object] = {
        "command_id": command_id,
        "nonce": NONCE,
        "source": source,
        "actor": "U0ADA",
        "way": AnswerWay.CHAT,
        "values": {"ready": "yes"},
    }
    return GatheringAnswer.model_validate(given | changes)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (made(), Reason.RECORDED),
        (made(way=AnswerWay.API), Reason.RECORDED),
        (made(actor="U0FAY"), Reason.NOT_ASKED),
        (made(actor=None), Reason.NOT_ASKED),
        (made(actor=None, way=AnswerWay.HOOK), Reason.NOT_ASKED),
        (made(way=AnswerWay.HOOK), Reason.NOT_ASKED),
        (made("nobody"), Reason.NOT_ASKED),
        (made("scanner", values={"findings": "1"}), Reason.NOT_ASKED),
        (made("scanner", actor=None, way=AnswerWay.HOOK, values={"findings": "1"}), Reason.RECORDED),
        (made("scanner", actor=None, way=AnswerWay.HOOK, values={"ready": "yes"}), Reason.MALFORMED),
        (made(values={}), Reason.MALFORMED),
        (made(values={"ready": "perhaps"}), Reason.MALFORMED),
    ],
)
def test_only_the_asked_answer_for_their_source_by_their_way(
    record: GatheringRecord, answer: GatheringAnswer, reason: Reason
) -> None:
    assert record.take(answer, NOW) is reason
    assert (answer.source in record.state.answers) == (reason is Reason.RECORDED)


def test_a_delegate_answers_for_one_source_until_its_person_has(record: GatheringRecord) -> None:
    """Both are waited for. The person's own answer goes before the delegate's, also with the same words."""
    record.state.delegates["U0ADA"] = "U0BOB"
    assert record.awaited == ["U0ADA", "U0FAY", "U0BOB"]
    assert record.take(made("security", actor="U0BOB"), NOW) is Reason.NOT_ASKED
    assert record.take(made(actor="U0BOB"), NOW) is Reason.RECORDED
    given = record.state.answers["legal"]
    assert (given.actor, given.holder) == ("U0BOB", "U0ADA")
    assert record.awaited == ["U0FAY"]
    assert record.take(made(actor="U0BOB", values={"ready": "no"}), NOW) is Reason.RECORDED
    assert record.take(made(values={"ready": "no"}), NOW) is Reason.RECORDED
    assert record.state.answers["legal"].actor == "U0ADA"
    assert record.take(made(actor="U0BOB"), NOW) is Reason.ANSWERED_BY_HOLDER
    assert record.state.answers["legal"].values == {"ready": "no"}


@pytest.mark.parametrize(
    ("delegates", "may"),
    [(None, {"U0FAY", "U0ENTERED"}), ([], set()), (["U0LISTED", "U0RITA"], {"U0LISTED"})],
)
def test_the_policy_says_who_may_answer_for_somebody_away(
    record: GatheringRecord, delegates: list[str] | None, may: set[str]
) -> None:
    """Whoever asks answers for nobody, nor does who is away themselves and has a delegate."""
    record.policy = record.policy.model_copy(update={"delegates": delegates})
    record.people = {"U0ADA": PersonEntry(delegate="U0ENTERED"), "U0FAY": PersonEntry(delegate="U0OTHER")}
    people = ["U0ADA", "U0FAY", "U0ENTERED", "U0OTHER", "U0LISTED", "U0RITA"]
    assert {one for one in people if record.may_stand_in(one, "U0ADA")} == may
    record.state.delegates["U0FAY"] = "U0OTHER"
    assert not record.may_stand_in("U0FAY", "U0ADA")


def test_a_correction_replaces_the_answer_a_bounded_number_of_times(record: GatheringRecord) -> None:
    for number in range(CORRECTIONS + 1):
        values = {"ready": "yes", "days": str(number)}
        assert record.take(made(values=values), NOW + timedelta(minutes=number)) is Reason.RECORDED
    assert record.take(made(values={"ready": "yes", "days": str(CORRECTIONS)}), NOW) is Reason.UNCHANGED
    assert record.take(made(values={"ready": "no"}), NOW) is Reason.TOO_OFTEN
    kept = record.state.answers["legal"]
    assert (kept.values["days"], kept.corrections) == (str(CORRECTIONS), CORRECTIONS)


def test_a_repeat_undoes_nothing_once_its_verdict_is_forgotten(record: GatheringRecord) -> None:
    first = made(command_id="first")
    record.give_verdict("first", record.take(first, NOW), first.fingerprint())
    for number in range(VERDICTS_KEPT):
        record.give_verdict(f"other-{number}", Reason.NOT_ASKED, "x")
    assert not record.has_verdict("first", first.fingerprint())
    assert record.known_verdict(first) is Reason.UNCHANGED
    assert record.known_verdict(made(command_id="first", values={"ready": "no"})) is Reason.ID_REUSED
    assert record.known_verdict(made(command_id="second")) is None
    for number in range(2 * COMMANDS_REMEMBERED):
        record.give_verdict(f"c{number}", Reason.UNCHANGED, "x")
    assert len(record.state.handled) == COMMANDS_REMEMBERED


def test_what_is_of_another_start_or_too_late_is_not_looked_at(record: GatheringRecord) -> None:
    assert record.unfit(made()) is None
    assert record.unfit(made(nonce=new_nonce())) is Reason.OUTDATED
    record.end(GatheringStatus.INCOMPLETE, NOW)
    assert record.unfit(made()) is Reason.ALREADY_ENDED


def test_the_result_has_who_answered_and_names_who_did_not(record: GatheringRecord) -> None:
    record.take(made(), NOW)
    record.end(GatheringStatus.INCOMPLETE, NOW + timedelta(days=2), reason="The time was over.")
    result = projection.result(record)
    assert list(result.sources) == ["legal"]
    assert result.missing == ["security", "scanner"]
    assert not result.is_complete
    assert result.collected_at == NOW + timedelta(days=2)


def test_the_request_shortens_the_time_and_never_lengthens_it(record: GatheringRecord) -> None:
    assert record.state.deadline == NOW + timedelta(days=2)
    assert record.state.remind_at == NOW + timedelta(hours=12)
    for asked, waits, reminds in (
        (timedelta(hours=6), timedelta(hours=6), False),
        (timedelta(days=9), timedelta(days=2), True),
    ):
        request = record.request.model_copy(update={"timeout": asked})
        given = GatheringInput(request=request, policy=record.policy, nonce=NONCE)
        other = GatheringRecord("x", given, NOW)
        assert other.state.deadline == NOW + waits
        assert (other.state.remind_at is not None) is reminds
