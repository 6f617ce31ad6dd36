"""A folder as a place: what is seen in it, and what cannot be reached by any name or link."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from slack_sdk import WebClient

from bot.cli.main import main
from bot.documents import names as naming
from bot.documents.folder import DocumentFolder
from bot.documents.mover import find, move
from bot.documents.place import DocumentChangedError, PlacedDocument
from bot.documents.previews import DocumentPreviews
from bot.documents.seen import FILE, Seen, SeenDocuments
from bot.slack.api.files import SlackFiles
from orchestration.domain.documents import DocumentMove, ReviewedDocument
from orchestration.domain.effects import PostPreviewInput
from orchestration.domain.errors import DeliveryError
from orchestration.domain.request import CardRef
from tests.integration.bot.documents.conftest import FIRST, SECOND, names, policy, sha256


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("inbox", "published", "secret"):
        (tmp_path / name).mkdir()
    (tmp_path / "secret" / "key.txt").write_bytes(b"a secret")
    return tmp_path / "inbox"


def order(folder: Path, name: str, data: bytes = FIRST, *, publishes: bool = True) -> DocumentMove:
    return DocumentMove(
        place=str(folder),
        target=str(folder.parent / "published"),
        name=name,
        size=len(data),
        sha256=sha256(data),
        publishes=publishes,
    )


def test_links_pipes_folders_and_unfinished_files_are_no_documents(folder: Path) -> None:
    secret = folder.parent / "secret"
    (folder / "link.txt").symlink_to(secret / "key.txt")
    (folder / "links").symlink_to(secret)
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe.txt")
    for name in (".hidden", "~$report.docx", "a.txt~", "a.part", "a.CRDOWNLOAD", "Thumbs.db", "a.tmp"):
        (folder / name).write_bytes(FIRST)
    (folder / "empty.txt").touch()
    (folder / "real.txt").write_bytes(FIRST)
    place = DocumentFolder(str(folder))
    assert [entry.name for entry in place.entries()] == ["real.txt"]
    assert place.entry("link.txt") is None


@pytest.mark.parametrize("name", ["../secret/key.txt", "..", ".", "", "sub/../../secret/key.txt", "a\0b"])
def test_no_name_leads_out_of_the_place(folder: Path, name: str) -> None:
    assert not naming.is_plain(name)
    assert DocumentFolder(str(folder)).entry(name) is None
    with pytest.raises(DeliveryError, match="any more"):
        move(order(folder, name, b"a secret"))
    assert names(folder.parent / "published") == []


def test_a_document_that_becomes_a_link_is_not_followed(folder: Path) -> None:
    """Between the look and the reading."""
    place = DocumentFolder(str(folder))
    path = folder / "a.txt"
    path.write_bytes(FIRST)
    [entry] = place.entries()
    path.unlink()
    path.symlink_to(folder.parent / "secret" / "key.txt")
    with pytest.raises(DocumentChangedError):
        place.read(entry, lambda _: None)
    assert not place.remove(entry) or path.is_symlink()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DocumentChangedError):
        place.read(entry, lambda _: None)


def test_a_file_whose_time_was_set_back_is_another_one(folder: Path) -> None:
    place, path = DocumentFolder(str(folder)), folder / "a.txt"
    path.write_bytes(FIRST)
    before, stat = place.entry("a.txt"), path.stat()
    path.write_bytes(bytes(reversed(FIRST)))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = place.entry("a.txt")
    assert before is not None
    assert after is not None
    assert (after.name, after.size) == (before.name, before.size)
    assert after != before


def test_a_target_is_never_written_over_not_even_through_a_link(folder: Path) -> None:
    published, secret = folder.parent / "published", folder.parent / "secret" / "key.txt"
    (folder / "a.txt").write_bytes(FIRST)
    (published / "a.txt").symlink_to(secret)
    beside = f"a-{sha256(FIRST)[:12]}.txt"
    assert move(order(folder, "a.txt")) == f"Published as {published}/{beside}"
    assert (published / beside).read_bytes() == FIRST
    assert secret.read_bytes() == b"a secret"
    (folder / "a.txt").write_bytes(SECOND)
    (published / f"a-{sha256(SECOND)[:12]}.txt").write_bytes(b"taken")
    with pytest.raises(DeliveryError, match="Move them away, then try again"):
        move(order(folder, "a.txt", SECOND))
    assert (folder / "a.txt").read_bytes() == SECOND
    assert not [name for name in names(published) if name.startswith(".")]


def test_a_name_in_another_unicode_form_is_found_again(folder: Path) -> None:
    """A Mac writes an accent as a letter of its own, and a request keeps it as one with its letter."""
    (folder / "Vertra\u0308ge.pdf").write_bytes(FIRST)
    found = find(DocumentFolder(str(folder)), "Vertr\u00e4ge.pdf")
    assert found is not None
    assert move(order(folder, "Vertr\u00e4ge.pdf")).startswith("Published as")
    assert names(folder) == []


def test_what_was_seen_is_kept_and_a_broken_file_is_made_anew(tmp_path: Path) -> None:
    seen, one = SeenDocuments(tmp_path), Seen(PlacedDocument("a.txt", 5, "s"), "f" * 64, "contract-1")
    seen.put("contract", "/inbox", one)
    seen.put("contract", "/inbox", replace(one, ended=True))
    seen.close()
    again = SeenDocuments(tmp_path)
    assert again.all("contract", "/inbox") == {"a.txt": replace(one, ended=True)}
    assert again.all("other", "/inbox") == {}
    again.forget("contract", "/inbox", ["a.txt"])
    assert again.all("contract", "/inbox") == {}
    again.close()
    (tmp_path / FILE).write_bytes(b"no database" * 100)
    fresh = SeenDocuments(tmp_path)
    assert fresh.all("contract", "/inbox") == {}
    fresh.close()
    with pytest.raises(sqlite3.ProgrammingError):
        fresh.all("contract", "/inbox")


def test_the_type_is_that_of_the_name() -> None:
    given = {"a.pdf": "application/pdf", "a.md": "text/markdown", "a.tar.gz": naming.UNKNOWN_TYPE}
    assert {name: naming.media_type(name) for name in given} == given


def test_policies_check_names_the_place_that_is_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = folder.parent / "policies.toml"
    file.write_text(policy(folder, folder.parent / "published", folder.parent / "nowhere"))
    assert main(["policies", "check", str(file)]) == 1
    [told] = capsys.readouterr().err.splitlines()
    line = next(
        number for number, text in enumerate(file.read_text().splitlines(), 1) if text.startswith("archived")
    )
    where = folder.parent / "nowhere"
    assert told == (
        f"{file}:{line}: policies.contract.documents.archived: there is no folder {where}; make it, or correct its "
        "path."
    )
    where.mkdir()
    assert main(["policies", "check", str(file)]) == 0


def test_it_is_published_under_the_name_that_was_reviewed(folder: Path) -> None:
    """An invisible mark in a name would make it read backwards for whoever looks at what was published."""
    (folder / "report\u202efdp.exe").write_bytes(FIRST)
    assert move(order(folder, "reportfdp.exe")).endswith("/published/reportfdp.exe")
    assert names(folder.parent / "published") == ["reportfdp.exe"]
    (folder / "reportfdp.exe").write_bytes(FIRST)
    assert move(order(folder, "reportfdp.exe")).endswith("/published/reportfdp.exe")
    assert (names(folder), names(folder.parent / "published")) == ([], ["reportfdp.exe"])


def test_what_was_changed_into_something_huge_is_neither_copied_nor_held_in_memory(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sparse file costs whoever puts it there nothing."""
    with (folder / "a.pdf").open("wb") as huge:
        huge.truncate(64_000_000)
    monkeypatch.setattr(tempfile, "tempdir", str(folder / "no room"))
    with pytest.raises(DeliveryError, match="was changed after it was asked for"):
        move(order(folder, "a.pdf"))
    preview = PostPreviewInput(
        place=str(folder),
        document=ReviewedDocument(
            name="a.pdf", size=len(FIRST), media_type="application/pdf", sha256=sha256(FIRST)
        ),
        ref=CardRef(channel="C0DOCS", ts="1.1", round=1),
        request_id="contract-1",
        attempt=1,
    )
    tracemalloc.start()
    try:
        with pytest.raises(DeliveryError, match="not in its place any more"):
            DocumentPreviews(SlackFiles(WebClient())).post_preview(preview, lambda: True)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
