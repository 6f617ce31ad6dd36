"""A server's records have one entry for each outcome, despite repeats, concurrency and conflicting outcomes."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from bot.records.chain import ENTRIES, INDEX
from bot.records.entries import TYPE
from bot.records.log import RecordLog
from bot.security.keys import SigningKeys
from bot.security.receipts import verify
from bot.security.signatures import PublishedKeys
from orchestration.domain.effects import SignReceiptInput
from orchestration.domain.errors import DeliveryError, RecordsUnavailableError
from orchestration.domain.gathering import RecordGatheringInput
from orchestration.domain.request import Status
from tests.support import ROOT
from tests.support.receipts import ISSUER, NONCE, ended, published
from tests.support.room import room_for


class Server:
    """One data directory, and the records of the processes that share it."""

    def __init__(self, data: Path) -> None:
        self.keys = SigningKeys.load(None, data)
        self.folder = data / "records"

    @contextmanager
    def open(self) -> Iterator[RecordLog]:
        records = RecordLog.open(self.folder, self.keys, ISSUER)
        try:
            yield records
        finally:
            records.close()

    def logs(self) -> list[Path]:
        return sorted(path / ENTRIES for path in self.folder.iterdir())

    def entries(self, file: Path | None = None) -> list[tuple[str, dict[str, Any]]]:
        """The kind of each entry of the only log, and the claims in its signature."""
        [file] = [file] if file else self.logs()
        keys = PublishedKeys(published(self.keys))
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        return [(line["kind"], keys.read(line["jws"]).claims) for line in lines]


@pytest.fixture
def server(tmp_path: Path) -> Server:
    return Server(tmp_path)


def test_a_receipt_says_where_in_which_log_it_stands(server: Server) -> None:
    with server.open() as records:
        receipt = records.sign_receipt(ended())
    claims = verify(receipt, published(server.keys))
    (opened, first), (kind, on_record) = server.entries()
    assert (opened, kind, on_record) == ("opened", "receipt", claims)
    assert (first["iss"], first["damaged"]) == (ISSUER, [])
    assert (claims["log"], claims["sequence"]) == (server.logs()[0].parent.name, 2)
    assert len(claims["previous"]) == 64
    assert claims["iss"] == ISSUER


def test_the_same_outcome_again_gets_the_same_receipt_and_no_second_entry(server: Server) -> None:
    """Also after a restart, as where the process was killed after signing and before answering."""
    with server.open() as records:
        receipt = records.sign_receipt(ended())
        assert records.sign_receipt(ended().model_copy(update={"attempt": 2})) == receipt
    with server.open() as records:
        assert records.sign_receipt(ended()) == receipt
        other = records.sign_receipt(ended(nonce="m" * 22, digest="c" * 64))
        assert other != receipt  # another start of the same ID, after a purge
    assert [kind for kind, _ in server.entries()] == ["opened", "receipt", "receipt"]


def test_an_outcome_is_counted_once_however_often_it_comes_and_by_whichever_process(server: Server) -> None:
    """Repeats come from this process, after a restart, or from another process after a kill."""
    counted: list[str] = []

    def count(given: SignReceiptInput | RecordGatheringInput) -> None:
        counted.append(given.policy)

    with server.open() as records:
        records.recorded = count
        records.sign_receipt(ended())
        records.sign_receipt(ended())
        with server.open() as replica:
            replica.recorded = count
            replica.sign_receipt(ended())
    with server.open() as records:
        records.recorded = count
        records.sign_receipt(ended())
        assert counted == ["deploy"]
        records.sign_receipt(ended(nonce="m" * 22))
        with suppress(DeliveryError):
            records.sign_receipt(ended(status=Status.REJECTED))
        assert records.conflicts() == 1
    assert counted == ["deploy", "deploy"]


KILLED = """
import os, signal, sys
from pathlib import Path
from bot.records.index import Index
from bot.records.log import RecordLog
from bot.security.keys import SigningKeys
from tests.support.receipts import ISSUER, ended

data, where = Path(sys.argv[1]), sys.argv[2]
keys = SigningKeys.load(None, data)
records = RecordLog.open(data / "records", keys, ISSUER)
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if where == "signed":
    sign = keys.sign
    keys.sign = lambda *given: (sign(*given), die())
elif where == "half written":
    write = os.write
    os.write = lambda file, line: (write(file, line[:300]), die())
elif where == "written":
    os.fsync = die
else:
    Index.add = die
records.sign_receipt(ended())
"""


@pytest.mark.parametrize("where", ["signed", "half written", "written", "on disk"])
def test_a_kill_between_signing_and_answering_leaves_one_entry(server: Server, where: str) -> None:
    command = [sys.executable, "-c", KILLED, str(server.folder.parent), where]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with server.open() as records:
        receipt = records.sign_receipt(ended())
    found = [line for line in server.logs()[0].read_text().splitlines() if line.endswith("}")]
    lines = [json.loads(line) for line in found]
    assert [line["jws"] for line in lines if line["kind"] == "receipt"] == [receipt]
    assert [line["kind"] for line in lines if line["kind"] == "mended"] == ["mended"] * (
        where == "half written"
    )


@pytest.mark.parametrize(
    "changes",
    [{"status": Status.REJECTED}, {"processed_by": "U0EVE"}, {"digest": "f" * 64}, {"levels": []}],
)
def test_another_outcome_of_the_same_start_is_not_signed_and_raises_an_alarm(
    server: Server, changes: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with server.open() as records:
        receipt = records.sign_receipt(ended())
        for _ in range(2):
            with pytest.raises(
                DeliveryError, match="Another outcome of this request is on record, which is approved"
            ):
                records.sign_receipt(ended(**changes))
        assert records.sign_receipt(ended()) == receipt
    assert "ALARM deploy-1: entry 2 of the log" in caplog.text
    kinds = [kind for kind, _ in server.entries()]
    assert kinds == ["opened", "receipt", "conflict"]
    conflict = server.entries()[2][1]
    assert (conflict["sub"], conflict["jti"], conflict["on_record"]) == ("deploy-1", NONCE, 2)
    assert conflict["refused"]["status"] == changes.get("status", "approved")


def test_a_claim_that_a_later_release_has_learned_to_make_is_no_other_outcome() -> None:
    """The process was killed after signing, and updated before it signs again."""
    from bot.records.log import _agree  # noqa: PLC0415 - its own step is what is tried

    old = {"status": "approved", "decisions": [{"actor": "U0ADA"}]}
    new = {"status": "approved", "decisions": [{"actor": "U0ADA", "device": "x"}], "since": 2}
    assert _agree(old, new)
    assert not _agree(old, new | {"decisions": [{"actor": "U0EVE"}]})
    assert not _agree(old, new | {"decisions": []})


def test_a_tombstone_is_set_once_for_each_start(server: Server) -> None:
    with server.open() as records:
        records.sign_receipt(ended())
        records.purged("deploy-1", NONCE, "U0OPS with root-1")
        records.purged("deploy-1", NONCE, "U0OPS with root-1")
        records.purged("deploy-1", "m" * 22, "an address with a key")
    tombstones = [claims for kind, claims in server.entries() if kind == "purged"]
    assert [(claims["sub"], claims["jti"], claims["by"]) for claims in tombstones] == [
        ("deploy-1", NONCE, "U0OPS with root-1"),
        ("deploy-1", "m" * 22, "an address with a key"),
    ]


def test_many_threads_make_one_chain(server: Server) -> None:
    with server.open() as records, ThreadPoolExecutor(8) as pool:
        wanted = [ended(f"deploy-{number % 20}") for number in range(60)]
        receipts = list(pool.map(records.sign_receipt, wanted))
    assert len(set(receipts)) == 20
    assert [claims["sequence"] for _, claims in server.entries()] == list(range(1, 22))


def test_two_processes_that_share_a_directory_write_a_log_each(server: Server) -> None:
    with server.open() as one, server.open() as other:
        assert one.chain.id != other.chain.id
        one.sign_receipt(ended("deploy-1"))
        other.sign_receipt(ended("deploy-1"))
    assert [len(server.entries(file)) for file in server.logs()] == [2, 2]
    with server.open() as again, server.open() as beside:
        assert {again.chain.id, beside.chain.id} == {one.chain.id, other.chain.id}


@pytest.mark.parametrize("still_written", [True, False])
def test_another_outcome_than_in_another_log_here_is_not_signed(
    server: Server, *, still_written: bool
) -> None:
    """As after the hub's file was restored from an older copy, and people decided again."""
    with server.open() as other, ExitStack() as closing:
        one = closing.enter_context(server.open())
        one.sign_receipt(ended())
        if not still_written:
            closing.close()
        for _ in range(2):
            with pytest.raises(DeliveryError, match="which is approved"):
                other.sign_receipt(ended(status=Status.REJECTED))
        [warning] = other.warnings()
    assert "A second outcome of deploy-1 came: approved is on record" in warning
    _, (kind, conflict) = server.entries(other.chain.folder / ENTRIES)
    assert (kind, conflict["on_record"], conflict["on_record_in"]) == ("conflict", 2, one.chain.id)


def test_a_log_beside_it_that_cannot_be_read_holds_up_no_outcome(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with server.open() as records:
        with server.open() as other:
            other.sign_receipt(ended())
        (other.chain.folder / INDEX).write_bytes(b"no index, and longer than the head of one" * 20)
        assert verify(records.sign_receipt(ended("deploy-2")), published(server.keys))["sequence"] == 2
    assert f"the log {other.chain.id} cannot be looked at" in caplog.text


def test_a_damaged_log_is_left_as_it_is_and_another_is_begun(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with server.open() as records:
        records.sign_receipt(ended())
        damaged = records.chain.id
    [file] = server.logs()
    cut = file.read_bytes()[:-40]
    file.write_bytes(cut)
    with server.open() as records:
        records.sign_receipt(ended("deploy-2"))
        [warning] = records.warnings()
        assert f"The log {damaged} of the records was cut or changed" in warning
    assert f"ALARM the log {damaged} is damaged" in caplog.text
    assert file.read_bytes() == cut
    [other] = [path for path in server.logs() if path != file]
    (_, opened), _ = server.entries(other)
    assert [(one["log"], "was cut" in one["why"]) for one in opened["damaged"]] == [(damaged, True)]
    with server.open() as records:  # and continued at the next start
        assert records.chain.last.sequence == 2


def test_on_a_full_disk_nothing_is_signed_and_words_say_why(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with server.open() as records:
        [file] = server.logs()
        with room_for(file, 100):
            for ask in (
                lambda: records.sign_receipt(ended()),
                lambda: records.purged("deploy-1", NONCE, "U0OPS"),
            ):
                with pytest.raises(RecordsUnavailableError):
                    ask()
        assert (
            "the records: deploy-1 cannot be put on record ([Errno 27] File too large). It is tried again."
            in (caplog.text)
        )
        [warning] = records.warnings()
        assert "Nothing can be put on record ([Errno 27] File too large)" in warning
        receipt = records.sign_receipt(ended())
        assert records.warnings() == []
        assert verify(receipt, published(server.keys))["sequence"] == 2
    assert [kind for kind, _ in server.entries()] == ["opened", "receipt"]


@pytest.mark.parametrize("before", [[], ["opened", "receipt"]])
def test_a_server_starts_on_a_full_disk_and_signs_once_there_is_room(
    server: Server, tmp_path: Path, before: list[str]
) -> None:
    nothing = tmp_path / "nothing"
    nothing.touch()
    if before:
        with server.open() as records:
            records.sign_receipt(ended("deploy-0"))
    with room_for(nothing, 0):
        records = RecordLog.open(server.folder, server.keys, ISSUER)
        with pytest.raises(RecordsUnavailableError):
            records.sign_receipt(ended())
        [warning] = records.warnings()
    assert "no outcome is signed and none goes out" in warning
    records.sign_receipt(ended())
    assert records.warnings() == []
    records.close()
    assert [kind for kind, _ in server.entries()] == [*(before or ["opened"]), "receipt"]


@pytest.mark.parametrize("alone", [False, True])
def test_what_another_program_has_locked_is_waited_for(server: Server, alone: bool) -> None:
    """Another program locks the log for writing, or entirely, so that it cannot be opened either."""
    with server.open() as records:
        [file] = server.logs()
    other = sqlite3.connect(file.with_name(INDEX), isolation_level=None)
    for statement in ["PRAGMA locking_mode = EXCLUSIVE"] if alone else ["BEGIN EXCLUSIVE"]:
        other.execute(statement)
    other.execute("UPDATE entries SET kind = kind")
    with server.open() as records:
        with pytest.raises(RecordsUnavailableError):
            records.sign_receipt(ended())
        [warning] = records.warnings()
        assert "database is locked" in warning
        other.close()
        assert verify(records.sign_receipt(ended()), published(server.keys))["sequence"] == 2
    assert [kind for kind, _ in server.entries()] == ["opened", "receipt"]


def test_a_full_disk_at_the_start_does_not_hide_that_a_log_was_cut(server: Server, tmp_path: Path) -> None:
    """The index alone knows how long the log was."""
    nothing = tmp_path / "nothing"
    nothing.touch()
    with server.open() as records:
        for request in ("deploy-1", "deploy-2"):
            records.sign_receipt(ended(request))
    with room_for(nothing, 0), server.open():
        pass
    [file] = server.logs()
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:-1]))
    with server.open() as records:
        [warning] = records.warnings()
    assert "was cut or changed" in warning


@pytest.mark.parametrize("page", [2, 3], ids=["of the entries", "of the requests"])
@pytest.mark.parametrize("running", [False, True])
def test_an_index_that_the_disk_has_damaged_is_made_again(
    server: Server, caplog: pytest.LogCaptureFixture, *, page: int, running: bool
) -> None:
    with ExitStack() as closing:
        records = closing.enter_context(server.open())
        receipt = records.sign_receipt(ended())
        index = server.logs()[0].with_name(INDEX)
        if running:
            records.chain._known._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        else:
            closing.close()
        size = int.from_bytes(index.read_bytes()[16:18], "big")
        with index.open("r+b") as file:
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
        if running:
            records.chain._known._db.execute("PRAGMA shrink_memory")
        else:
            records = closing.enter_context(server.open())
        with suppress(RecordsUnavailableError):  # tried again, as the workflow does
            records.sign_receipt(ended("deploy-2"))
        records.sign_receipt(ended("deploy-2"))
        assert records.sign_receipt(ended()) == receipt
    assert "cannot be read, and is made again" in caplog.text
    assert [kind for kind, _ in server.entries()] == ["opened", "receipt", "receipt"]


def test_a_folder_that_can_never_hold_a_log_stops_the_start(server: Server) -> None:
    server.folder.write_text("a file")
    with pytest.raises(RecordsUnavailableError), server.open():
        pass


def test_a_receipt_whose_place_in_the_index_was_lost_is_found_again(server: Server) -> None:
    """The disk was full only for the index: the entry is on record, but its receipt was never returned."""
    with server.open() as records:
        add = records.chain._known.add

        def full(*_: object) -> None:
            raise sqlite3.OperationalError("database or disk is full")

        records.chain._known.add = full  # type: ignore[method-assign, assignment]
        with pytest.raises(RecordsUnavailableError):
            records.sign_receipt(ended())
        records.chain._known.add = add  # type: ignore[method-assign]
        receipt = records.sign_receipt(ended())
        assert verify(receipt, published(server.keys))["sequence"] == 2
    assert [kind for kind, _ in server.entries()] == ["opened", "receipt"]


def test_entries_that_are_no_receipts_pass_for_none(server: Server) -> None:
    with server.open() as records:
        records.purged("deploy-1", NONCE, "U0OPS")
    keys = PublishedKeys(published(server.keys))
    [file] = server.logs()
    assert {keys.read(json.loads(line)["jws"]).type for line in file.read_text().splitlines()} == {TYPE}
