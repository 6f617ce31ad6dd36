"""The audit finds manipulated records, and reports no manipulation where a kill or a restart explains them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.records.chain import INDEX
from bot.records.entries import unchecked_claims
from bot.records.log import RecordLog
from orchestration.domain.errors import DeliveryError
from orchestration.domain.gathering import (
    AnswerWay,
    Gathered,
    GatheringStatus,
    RecordGatheringInput,
    SourceAnswer,
)
from orchestration.domain.request import Status
from orchestration.domain.salts import text_digest
from tests.support.logs import Keeper
from tests.support.receipts import ISSUER, NONCE, ended

Change = Callable[[list[bytes]], list[bytes]]


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """Five entries: the opening, and four outcomes."""
    found = Keeper(tmp_path / "data")
    found.write("deploy-1", "deploy-2", "deploy-3", "deploy-4")
    return found


def test_records_that_nobody_touched_are_whole(keeper: Keeper) -> None:
    head = keeper.head()
    receipts = keeper.write("deploy-5", "deploy-1")
    with keeper.open() as records:
        records.purged("deploy-5", NONCE, "U0OPS")
    report = keeper.audit(known=[head, *receipts])
    assert report.findings == []
    [log] = report.logs
    assert (log.id, log.first, log.last, log.entries) == (keeper.log, 1, 7, 7)
    assert (report.receipts, report.outcomes, report.purged) == (5, 5, 1)


def gathered(status: GatheringStatus = GatheringStatus.COMPLETE) -> RecordGatheringInput:
    moment = datetime(2026, 12, 1, 9, tzinfo=UTC)
    answer = SourceAnswer(
        actor="U0ADA", at=moment, way=AnswerWay.CHAT, values={"ready": "Not yet"}, salt="salt"
    )
    result = Gathered(
        request_id="poll-1",
        status=status,
        sources={"ada": answer},
        collected_at=moment,
        is_complete=True,
        digest="d" * 64,
        nonce=NONCE,
    )
    return RecordGatheringInput(
        result=result, policy="poll", policy_digest="p", requester="U0RITA", asked_at=moment, attempt=1
    )


def test_the_result_of_a_gathering_is_on_record_once_without_what_people_wrote(keeper: Keeper) -> None:
    with keeper.open() as records:
        entry = records.record_gathering(gathered())
        assert records.record_gathering(gathered()) == entry
        records.purged("poll-1", NONCE, "U0OPS")
    said = unchecked_claims(entry)
    assert (said["kind"], said["status"]) == ("gathered", "complete")
    assert said["sources"][0]["values_digest"] == text_digest("salt", '{"ready":"Not yet"}')
    assert "Not yet" not in str(said)
    report = keeper.audit()
    assert report.findings == []
    assert (report.receipts, report.outcomes, report.purged) == (4, 5, 1)


def test_a_second_result_of_a_gathering_is_not_put_on_record(keeper: Keeper) -> None:
    with keeper.open() as records:
        records.record_gathering(gathered())
        with pytest.raises(DeliveryError, match="on record, which is complete"):
            records.record_gathering(gathered(GatheringStatus.INCOMPLETE))
    [finding] = keeper.audit().faults
    assert "a second outcome of poll-1 came, which said incomplete" in str(finding)


# ---- manipulation ----------------------------------------------------------------------------------------


def swapped(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[3], lines[2], *lines[4:]]


CHANGES: list[tuple[str, Change, str]] = [
    (
        "an entry in the middle is removed",
        lambda lines: [*lines[:2], *lines[3:]],
        "entry 4: entry 3 is missing",
    ),
    ("two are removed", lambda lines: [*lines[:2], *lines[4:]], "entry 5: entries 3 to 4 are missing"),
    ("the first is removed", lambda lines: lines[1:], "entry 2: entries 1 to 1 are missing"),
    ("two are swapped", swapped, "entry 4: entry 3 is missing"),
    ("one is there twice", lambda lines: [*lines, lines[2]], "entry 3: it stands behind entry 5"),
    (
        "its request is another",
        lambda lines: [*lines[:2], lines[2].replace(b"deploy-2", b"deploy-9", 1), *lines[3:]],
        "entry 3: it was altered: its line says something else",
    ),
    (
        "the last one's request is another",
        lambda lines: [*lines[:4], lines[4].replace(b"deploy-4", b"deploy-9", 1)],
        "entry 5: it was altered: its line says something else",
    ),
    (
        "a receipt passes for a tombstone",
        lambda lines: [*lines[:4], lines[4].replace(b"receipt", b"purged", 1)],
        "entry 5: it was altered: its line says something else",
    ),
    (
        "a signature is of another",
        lambda lines: [*lines[:4], lines[4].replace(lines[4].split(b".")[-1], lines[3].split(b".")[-1])],
        "entry 5: it was altered. Invalid signature",
    ),
    (
        "white space is added",
        lambda lines: [*lines[:2], lines[2].replace(b":", b": ", 1), *lines[3:]],
        "entry 4: entry 3 is missing before it",
    ),
    (
        "the last one is cut short",
        lambda lines: [*lines[:4], lines[4][:-40]],
        "entry 4: behind it are",
    ),
    (
        "something else is written behind it",
        lambda lines: [*lines, b"nothing of ours\n"],
        "entry 5: behind it are 16 bytes that are no entry",
    ),
]


@pytest.mark.parametrize(("change", "words"), [one[1:] for one in CHANGES], ids=[one[0] for one in CHANGES])
def test_what_was_removed_altered_or_put_elsewhere_is_found(
    keeper: Keeper, change: Change, words: str
) -> None:
    keeper.change(change)
    faults = keeper.faults()
    assert any(f"{keeper.log}, {words}" in fault for fault in faults), faults


def test_an_end_that_was_cut_off_is_found_by_whoever_has_a_head_or_a_receipt(keeper: Keeper) -> None:
    head, *receipts = keeper.head(), *keeper.write("deploy-5")
    keeper.change(lambda lines: lines[:4])
    assert keeper.faults() == []  # the log alone cannot show it
    for known in ([head], receipts):
        [fault] = keeper.faults(known=known)
        assert "entry 4: the log ends here, and it had" in fault
    shutil.rmtree(keeper.file.parent)
    keeper.write("deploy-6")
    [fault] = keeper.faults(known=[head])
    assert "the log is missing, which had 5 entries" in fault


def test_a_log_that_was_written_anew_is_found_by_its_head(keeper: Keeper) -> None:
    """Somebody with the signing key writes the log anew without one request."""
    head, log = keeper.head(), keeper.log
    shutil.rmtree(keeper.folder / log)
    (keeper.folder / log).mkdir()
    keeper.write("deploy-1", "deploy-3", "deploy-4", "deploy-5")
    assert keeper.log == log
    assert keeper.faults() == []
    assert keeper.faults(known=[head]) == [f"{log}, entry 5: it is another one than a head names."]


def test_what_is_kept_and_counts_for_nothing_is_a_fault(keeper: Keeper, tmp_path: Path) -> None:
    stranger = Keeper(tmp_path / "stranger")
    [receipt] = stranger.write("deploy-1")
    [fault] = keeper.faults(known=[receipt])
    assert "counts for nothing. It is signed by none of the published keys" in fault
    [fault] = keeper.faults(known=[keeper.keys.sign("jwt", {"log": keeper.log, "sequence": 1})])
    assert "It is neither a head nor a receipt" in fault


# ---- kills and restarts ----------------------------------------------------------------------------------


def test_a_line_that_a_kill_cut_short_is_no_fault_once_it_is_signed_again(keeper: Keeper) -> None:
    keeper.change(lambda lines: [*lines[:4], lines[4][:400]])
    (keeper.file.parent / INDEX).unlink()  # killed before the index was written
    with keeper.open():
        pass
    [fault] = keeper.faults()
    assert "entry 5: the outcome of deploy-4 was cut short before it, and no log has it since" in fault
    keeper.write("deploy-4")
    report = keeper.audit()
    assert report.faults == []
    assert "cut the outcome of deploy-4 short, which was then signed again" in str(report.findings[0])


def test_a_mended_line_that_is_changed_afterwards_is_found(keeper: Keeper) -> None:
    keeper.change(lambda lines: [*lines[:4], lines[4][:400]])
    (keeper.file.parent / INDEX).unlink()
    keeper.write("deploy-4")
    keeper.change(lambda lines: [*lines[:4], lines[4].replace(b"deploy-4", b"deploy-1"), *lines[5:]])
    [fault] = keeper.faults()
    assert "entry 5: before it are 401 bytes that are no entry, and nothing signed says why" in fault


@pytest.fixture
def replicas(keeper: Keeper) -> Iterator[tuple[RecordLog, RecordLog]]:
    """Two servers that share the directory: one continues the existing log, the other began its own."""
    one = RecordLog.open(keeper.folder, keeper.keys, ISSUER)
    other = RecordLog.open(keeper.folder, keeper.keys, ISSUER)
    yield one, other
    one.close()
    other.close()


def test_two_servers_may_both_have_signed_an_outcome(
    keeper: Keeper, replicas: tuple[RecordLog, RecordLog]
) -> None:
    for records in replicas:
        records.sign_receipt(ended("deploy-1"))
        records.sign_receipt(ended("deploy-7"))
    report = keeper.audit()
    assert report.findings == []
    assert (len(report.logs), report.receipts, report.outcomes) == (2, 7, 5)


def test_two_servers_that_signed_two_outcomes_are_found(keeper: Keeper, tmp_path: Path) -> None:
    """Each has its own data directory, so neither could see what the other had signed."""
    other = Keeper(tmp_path / "other")
    other.keys = keeper.keys
    with other.open() as records:
        records.sign_receipt(ended("deploy-1", status=Status.REJECTED))
    shutil.copytree(other.folder, keeper.folder, dirs_exist_ok=True)
    [fault] = keeper.faults()
    assert "deploy-1 is " in fault
    assert "two outcomes of one request" in fault


def test_an_alarm_that_was_raised_is_found_later(keeper: Keeper) -> None:
    with keeper.open() as records, pytest.raises(DeliveryError):
        records.sign_receipt(ended("deploy-1", status=Status.REJECTED))
    [fault] = keeper.faults()
    assert "entry 6: a second outcome of deploy-1 came, which said rejected, and was not signed" in fault


def test_a_damaged_log_and_the_one_after_it_are_told_apart(keeper: Keeper) -> None:
    damaged = keeper.log
    keeper.change(lambda lines: lines[:3])
    keeper.write("deploy-5")
    report = keeper.audit()
    assert [str(one) for one in report.findings if damaged in one.words] == [
        f"note: {one.id}, entry 1: it was begun because the log {damaged} was damaged."
        for one in report.logs
        if one.id != damaged
    ]
    shutil.rmtree(keeper.folder / damaged)
    [fault] = keeper.faults()
    assert fault.startswith(f"{damaged}: the log is missing")


def test_a_request_that_was_asked_anew_without_a_tombstone_is_noted(keeper: Keeper) -> None:
    with keeper.open() as records:
        records.sign_receipt(ended("deploy-1", nonce="m" * 22))
        records.sign_receipt(ended("deploy-2", nonce="m" * 22))
        records.purged("deploy-2", NONCE, "U0OPS")
    report = keeper.audit()
    assert [str(one) for one in report.findings] == [
        (
            "note: all logs: deploy-1 was asked 2 times, and no tombstone says why it could be: the hub forgot it "
            "when its retention was over, or somebody deleted it there."
        )
    ]


# ---- keys ------------------------------------------------------------------------------------------------


def test_what_a_retired_key_signed_counts_once_a_good_key_vouches_for_it(keeper: Keeper) -> None:
    old = keeper.keys.listed()[0][0]
    keeper.keys.rotate()
    keeper.keys.retire(old, datetime.now(UTC))
    [fault] = keeper.faults()
    assert f"{keeper.log}, entry 1: it and 4 more are signed by a key that was retired since" in fault
    assert keeper.faults(known=[keeper.head()]) == []  # signed by the new key
    keeper.write("deploy-5")
    assert keeper.faults() == []


def test_what_a_retired_key_signed_later_is_found(keeper: Keeper) -> None:
    """A thief with a retired key continues a copy of the log."""
    old = keeper.keys.listed()[0][0]
    keeper.keys.rotate()
    keeper.keys.retire(old, datetime.now(UTC) - timedelta(hours=1))
    keeper.write("deploy-5")
    faults = keeper.faults()
    assert len(faults) == 5
    assert "entry 2: it was signed at 20" in faults[1]
    assert f"by the key {old}, which was retired before" in faults[1]


def test_a_log_of_another_servers_keys_is_not_believed(keeper: Keeper, tmp_path: Path) -> None:
    stranger = Keeper(tmp_path / "stranger")
    faults = stranger.faults(keeper.folder)
    assert all("none of the published keys" in fault for fault in faults)
    assert len(faults) == 5
