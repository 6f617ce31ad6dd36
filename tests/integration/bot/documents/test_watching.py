"""The watcher by itself: what it reads, and how often."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.documents.folder import DocumentFolder
from bot.documents.place import PlacedDocument, Sink
from bot.documents.reviews import Reviews
from bot.documents.seen import SeenDocuments
from bot.documents.watcher import READ_A_LOOK, WatchedPlace
from bot.slack.ids import SlackIds
from orchestration.domain.commands import Progress
from orchestration.domain.documents import Documents, ReviewedDocument
from orchestration.domain.request import ActionState, Status
from tests.integration.bot.documents.conftest import FIRST, SECOND


class CountedFolder(DocumentFolder):
    """Counts what is read."""

    reads = 0

    def read(self, entry: PlacedDocument, sink: Sink) -> str:
        CountedFolder.reads += 1
        return super().read(entry, sink)


class LockedFolder(CountedFolder):
    """Holds documents that this user may not read."""

    def read(self, entry: PlacedDocument, sink: Sink) -> str:
        if entry.name.startswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return super().read(entry, sink)


class ReviewsInHand(Reviews):
    """Takes every review at once, and decides those in `ended`."""

    def __init__(self) -> None:
        self.documents: list[ReviewedDocument] = []
        self.ended: set[str] = set()

    async def ask(
        self,
        policy: str,
        documents: Documents,
        document: ReviewedDocument,
        still_there: Callable[[], Awaitable[bool]],
    ) -> tuple[str, Progress] | None:
        self.documents.append(document)
        request_id = f"{policy}-{document.sha256[:8]}"
        return request_id, await self.status(request_id)

    async def status(self, request_id: str) -> Progress:
        ended = request_id in self.ended
        return Progress(
            request_id=request_id,
            status=Status.APPROVED if ended else Status.PENDING,
            policy="contract",
            title="Review",
            requester="U0RITA",
            asked_at=datetime(2026, 11, 27, 8, tzinfo=UTC),
            round=1,
            actions=[ActionState(label="published documents", status="done")] if ended else [],
        )


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[WatchedPlace, Path, ReviewsInHand]:
    monkeypatch.setattr(CountedFolder, "reads", 0)
    for name in ("inbox", "published", "archived"):
        (tmp_path / name).mkdir()
    documents = Documents.model_validate(
        {
            **{
                name: str(tmp_path / folder)
                for name, folder in (("place", "inbox"), ("published", "published"))
            },
            "archived": str(tmp_path / "archived"),
            "requester": "U0RITA",
            "unchanged_for": "PT0.2S",
            "open_at_once": 3,
        },
        context=SlackIds(),
    )
    asked = ReviewsInHand()
    place = WatchedPlace("contract", documents, asked, SeenDocuments(tmp_path), CountedFolder)
    return place, tmp_path / "inbox", asked


async def settle(place: WatchedPlace) -> None:
    await place.look()
    await asyncio.sleep(0.25)
    await place.look()


async def test_a_file_that_grows_is_left_alone_until_it_has_stopped(
    watched: tuple[WatchedPlace, Path, ReviewsInHand],
) -> None:
    place, inbox, asked = watched
    with (inbox / "a.pdf").open("wb") as growing:
        for _ in range(4):
            growing.write(FIRST)
            growing.flush()
            await place.look()
            await asyncio.sleep(0.1)
    assert CountedFolder.reads == 0
    await settle(place)
    assert [(one.name, one.size) for one in asked.documents] == [("a.pdf", 4 * len(FIRST))]


async def test_of_ten_thousand_documents_only_as_many_are_read_as_are_asked(
    watched: tuple[WatchedPlace, Path, ReviewsInHand],
) -> None:
    place, inbox, asked = watched
    for number in range(10_000):
        (inbox / f"{number}.txt").write_bytes(b"%d" % number)
    await settle(place)
    assert len(asked.documents) == CountedFolder.reads == 3
    for _ in range(3):
        await place.look()
    assert CountedFolder.reads == 3
    asked.ended = {f"contract-{one.sha256[:8]}" for one in asked.documents[:2]}
    for one in asked.documents[:2]:
        (inbox / one.name).unlink()
    await place.look()
    assert len(asked.documents) == CountedFolder.reads == 5


async def test_what_is_only_touched_is_read_and_not_asked_again(
    watched: tuple[WatchedPlace, Path, ReviewsInHand],
) -> None:
    place, inbox, asked = watched
    (inbox / "a.pdf").write_bytes(FIRST)
    await settle(place)
    (inbox / "a.pdf").touch()
    await settle(place)
    assert CountedFolder.reads == 2
    assert len(asked.documents) == 1


async def test_a_place_that_is_away_is_told_once_and_looked_at_again(
    watched: tuple[WatchedPlace, Path, ReviewsInHand], caplog: pytest.LogCaptureFixture
) -> None:
    place, inbox, asked = watched
    (inbox / "a.pdf").write_bytes(FIRST)
    inbox.rename(inbox.with_name("away"))
    for _ in range(3):
        await place.try_to_look()
    assert [record.getMessage() for record in caplog.records] == [
        f"policies.contract.documents.place: there is no folder {inbox}; make it, or correct its path"
    ]
    inbox.with_name("away").rename(inbox)
    await settle(place)
    assert len(asked.documents) == 1


async def test_names_that_look_the_same_are_not_reviewed(
    watched: tuple[WatchedPlace, Path, ReviewsInHand], caplog: pytest.LogCaptureFixture
) -> None:
    place, inbox, asked = watched
    for name in ("Vertra\u0308ge.pdf", "Vertr\u00e4ge.pdf", "big.pdf"):
        (inbox / name).write_bytes(FIRST)
    with (inbox / "big.pdf").open("r+b") as file:
        file.truncate(100_000_001)
    await settle(place)
    assert asked.documents == []
    assert "another document has a name that looks the same" in caplog.text
    assert "'big.pdf' is not reviewed: it is larger than largest_mb (100)" in caplog.text


async def test_a_name_that_cannot_be_kept_holds_up_no_other_document(
    watched: tuple[WatchedPlace, Path, ReviewsInHand], caplog: pytest.LogCaptureFixture
) -> None:
    place, inbox, asked = watched
    for name in (
        b"\xff.pdf",
        b"a\xff.pdf",
        "\u200b.bashrc".encode(),
        "\u200b..".encode(),
        "\u202e~a".encode(),
    ):
        Path(os.fsdecode(os.fsencode(inbox) + b"/" + name)).write_bytes(FIRST)
    await place.look()
    (inbox / "a.pdf").write_bytes(SECOND)
    await settle(place)
    assert [one.name for one in asked.documents] == ["a.pdf"]
    assert (
        r"'a\udcff.pdf' is not reviewed: its name is too long, shows nothing, or is not UTF-8" in caplog.text
    )
    assert "its name is that of a hidden or unfinished file" in caplog.text


async def test_documents_that_cannot_be_read_hold_up_no_other(
    tmp_path: Path, watched: tuple[WatchedPlace, Path, ReviewsInHand]
) -> None:
    counted, inbox, asked = watched
    place = WatchedPlace("contract", counted.documents, asked, SeenDocuments(tmp_path), LockedFolder)
    for number in range(READ_A_LOOK):
        (inbox / f"locked{number}.pdf").write_bytes(FIRST)
    await settle(place)
    (inbox / "a.pdf").write_bytes(FIRST)
    await settle(place)
    assert [one.name for one in asked.documents] == ["a.pdf"]
