"""One log on a real file, after a kill, on a full disk, and after manipulation."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.records.chain import ENTRIES, INDEX, Chain, DamagedLogError, LogInUseError
from bot.records.entries import FIRST, TYPE, Entry, Kind, Place, hash_of, read_line, unchecked_claims
from bot.security.keys import SigningKeys
from tests.support import ROOT
from tests.support.room import room_for


class Log:
    """One folder with a log, and how to write to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.keys = SigningKeys.load(None, folder.parent)

    def sign(self, place: Place, claims: dict[str, Any]) -> str:
        return self.keys.sign(TYPE, claims | place.claims())

    @contextmanager
    def open(self) -> Iterator[Chain]:
        chain = Chain(self.folder, self.sign)
        try:
            yield chain
        finally:
            chain.close()

    def add(self, chain: Chain, request: str = "deploy-1") -> Entry:
        return chain.append(
            Kind.PURGED, lambda place: self.sign(place, {"sub": request}), request, f"nonce-{request}"
        )

    @property
    def file(self) -> Path:
        return self.folder / ENTRIES

    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines()


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "0123456789abcdef")


def test_each_entry_names_the_hash_of_the_one_before(log: Log) -> None:
    with log.open() as chain:
        for number in range(1, 4):
            entry = log.add(chain, f"deploy-{number}")
            assert entry.place.sequence == number
    with log.open() as chain:
        log.add(chain, "deploy-4")
        assert [entry.request for entry, _ in chain.lines()] == [f"deploy-{n}" for n in range(1, 5)]
        assert [entry.request for entry, _ in chain.lines(after=2)] == ["deploy-3", "deploy-4"]
    lines = log.lines()
    assert json.loads(lines[0])["previous"] == FIRST
    for before, line in itertools.pairwise(lines):
        assert json.loads(line)["previous"] == hash_of(before)
        assert unchecked_claims(json.loads(line)["jws"])["previous"] == hash_of(before)
    assert log.file.stat().st_mode & 0o777 == 0o600


def test_an_entry_is_found_by_its_start_of_the_request(log: Log) -> None:
    with log.open() as chain:
        first = log.add(chain)
        assert chain.find("deploy-1", "nonce-deploy-1", Kind.PURGED) == [first]
        assert chain.find("deploy-1", "another", Kind.PURGED) == []
        assert chain.find("deploy-1", "nonce-deploy-1", Kind.RECEIPT) == []


def test_one_process_writes_one_log(log: Log) -> None:
    with log.open():
        program = f"""
from pathlib import Path
from bot.records.chain import Chain, LogInUseError
try:
    Chain(Path({str(log.folder)!r}), None)
except LogInUseError:
    print("in use")
"""
        out = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
        assert out.stdout == b"in use\n"
        with pytest.raises(LogInUseError):
            Chain(log.folder, log.sign)
    with log.open() as chain:
        assert chain.last.sequence == 0


# ---- a kill ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [1, 40, 200, -1])
def test_a_line_that_a_kill_cut_short_is_told_by_the_entry_after_it(log: Log, kept: int) -> None:
    with log.open() as chain:
        first = log.add(chain, "deploy-1")
        torn = _next_line(log, first)
    with log.file.open("ab") as file:
        file.write(torn[:kept])
    with log.open() as chain:
        assert chain.last.sequence == 2
        assert log.add(chain, "deploy-2").place.sequence == 3
    lines = log.lines()
    if kept == -1:  # all but its last character
        assert read_line(lines[1]) is None
    mended = json.loads(lines[2])
    assert (mended["kind"], mended["previous"]) == ("mended", first.hash)
    assert unchecked_claims(mended["jws"])["torn_bytes"] == len(lines[1]) + 1
    assert log.file.read_bytes().startswith(first.line() + b"\n" + torn[:kept] + b"\n")
    (log.folder / INDEX).unlink()
    with log.open() as chain:
        assert chain.last.sequence == 3
        assert [bytes_ for entry, bytes_ in chain.lines() if entry.kind is Kind.MENDED] == [
            lines[1] + b"\n" + lines[2] + b"\n"
        ]


def _next_line(log: Log, before: Entry, request: str = "deploy-2") -> bytes:
    place = Place(before.place.log, before.place.sequence + 1, before.hash)
    return Entry(place, Kind.PURGED, request, f"nonce-{request}", log.sign(place, {"sub": request})).line()


def test_an_entry_that_lacks_only_the_end_of_its_line_is_one(log: Log) -> None:
    with log.open() as chain:
        line = _next_line(log, log.add(chain, "deploy-1"))
    with log.file.open("ab") as file:
        file.write(line)
    with log.open() as chain:
        assert chain.last.sequence == 2
        assert [entry.request for entry in chain.find("deploy-2", "nonce-deploy-2", Kind.PURGED)] == [
            "deploy-2"
        ]
        log.add(chain, "deploy-3")
    (log.folder / INDEX).unlink()
    with log.open() as chain:
        assert chain.last.sequence == 3


def test_a_kill_while_it_is_mended_is_mended_too(log: Log) -> None:
    with log.open() as chain:
        log.add(chain, "deploy-1")
    with log.file.open("ab") as file:
        file.write(b'{"log":"0123456789abcdef","sequ')
    before = log.file.read_bytes()
    with log.open():
        pass
    whole = log.file.read_bytes()
    for kept in (len(before) + 1, len(before) + 50, len(whole) - 2):
        log.file.write_bytes(whole[:kept])
        (log.folder / INDEX).unlink(missing_ok=True)
        with log.open() as chain:
            assert chain.last.sequence == 2
            assert log.add(chain, "deploy-2").place.sequence == 3


def test_the_index_is_made_again_from_the_log(log: Log) -> None:
    with log.open() as chain:
        entries = [log.add(chain, f"deploy-{number}") for number in range(5)]
    for spoil in (lambda path: path.unlink(), lambda path: path.write_bytes(b"no database at all" * 500)):
        spoil(log.folder / INDEX)
        with log.open() as chain:
            assert chain.last.sequence == 5
            assert chain.find("deploy-3", "nonce-deploy-3", Kind.PURGED) == [entries[3]]


# ---- a full disk -----------------------------------------------------------------------------------------


def test_what_the_disk_does_not_take_is_not_in_the_log(log: Log) -> None:
    with log.open() as chain:
        first = log.add(chain, "deploy-1")
        with room_for(log.file, 100), pytest.raises(OSError, match="too large"):
            log.add(chain, "deploy-2")
        assert log.file.read_bytes() == first.line() + b"\n"
        assert log.add(chain, "deploy-2").place == Place(chain.id, 2, first.hash)


def test_where_nothing_can_be_taken_back_the_rest_of_a_write_is_told(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a partial write cannot be removed, as on a file that may only grow (`chattr +a`), that is reported."""

    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    with log.open() as chain:
        first = log.add(chain, "deploy-1")
        with monkeypatch.context() as patch:
            patch.setattr(os, "ftruncate", refused)
            with room_for(log.file, 100), pytest.raises(OSError, match="too large"):
                log.add(chain, "deploy-2")
        assert len(log.file.read_bytes()) == len(first.line()) + 101
        assert log.add(chain, "deploy-2").place.sequence == 3
    assert [json.loads(line)["kind"] for line in (log.lines()[0], *log.lines()[2:])] == [
        "purged",
        "mended",
        "purged",
    ]


# ---- manipulation ----------------------------------------------------------------------------------------


def test_a_log_that_was_cut_is_not_gone_on_with(log: Log) -> None:
    """The index records how long the log was on disk, so a shorter log cannot come from a kill."""
    with log.open() as chain:
        for number in range(3):
            log.add(chain, f"deploy-{number}")
    whole = log.file.read_bytes()
    two_lines = len(b"\n".join(log.lines()[:2])) + 1
    for kept in (two_lines, len(whole) - 1, len(whole) - 30, 0):
        log.file.write_bytes(whole[:kept])
        with pytest.raises(DamagedLogError, match="was cut; it had 3 entries"):
            Chain(log.folder, log.sign)
        assert log.file.read_bytes() == whole[:kept]


def test_a_log_that_was_changed_is_not_gone_on_with(log: Log) -> None:
    with log.open() as chain:
        entries = [log.add(chain, f"deploy-{number}") for number in range(3)]
    lines = [entry.line() for entry in entries]
    changed = [
        [lines[0], lines[1].replace(b"deploy-1", b"deploy-9"), lines[2]],
        [lines[0], lines[2]],
        [lines[0], lines[2], lines[1]],
        [lines[1], lines[2]],
        [lines[0], lines[1], lines[1], lines[2]],
    ]
    for kept in changed:
        log.file.write_bytes(b"\n".join(kept) + b"\n")
        (log.folder / INDEX).unlink(missing_ok=True)
        with pytest.raises(DamagedLogError, match="does not follow"):
            Chain(log.folder, log.sign)


def test_an_entry_that_was_changed_while_it_is_open_is_not_read(log: Log) -> None:
    with log.open() as chain:
        log.add(chain)
        log.file.write_bytes(log.file.read_bytes().replace(b"purged", b"opened"))
        with pytest.raises(DamagedLogError, match="entry 1 was changed"):
            chain.find("deploy-1", "nonce-deploy-1", Kind.PURGED)
