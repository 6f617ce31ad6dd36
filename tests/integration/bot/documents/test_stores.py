"""Documents in S3 and in Blob storage: the same as in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from s3fs import S3FileSystem

from bot.documents.mover import move
from bot.documents.place import DocumentChangedError
from bot.documents.places import open_place
from orchestration.domain.documents import DocumentMove
from orchestration.domain.errors import DeliveryError, TryFailedError
from tests.integration.bot.documents.conftest import FIRST, SECOND, Shelf, policy, request_of, sha256
from tests.integration.bot.documents.stores import blob, s3


@dataclass(frozen=True)
class Bucket:
    """A bucket or a container of the tests, and how its objects are addressed."""

    files: Any
    scheme: str

    def address(self, folder: str) -> str:
        return f"{self.scheme}://docs/{folder}"

    def put(self, name: str, data: bytes = FIRST) -> None:
        self.files.pipe_file(f"docs/{name}", data)

    def names(self) -> list[str]:
        self.files.invalidate_cache()
        return sorted(name.removeprefix("docs/") for name in self.files.find("docs"))

    def read(self, name: str) -> bytes:
        found: bytes = self.files.cat_file(f"docs/{name}")
        return found

    def order(self, name: str, data: bytes = FIRST, *, publishes: bool = True) -> DocumentMove:
        target = self.address("published" if publishes else "archived")
        return DocumentMove(
            place=self.address("inbox"),
            target=target,
            name=name,
            size=len(data),
            sha256=sha256(data),
            publishes=publishes,
        )


@pytest.fixture(scope="module", params=["s3", "az"])
def opened(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    with (
        pytest.MonkeyPatch.context() as environment,
        (s3 if request.param == "s3" else blob)(environment) as files,
    ):
        yield Bucket(files, request.param)


@pytest.fixture
def bucket(opened: Bucket) -> Bucket:
    for name in opened.names():
        opened.files.rm_file(f"docs/{name}")
    return opened


def test_only_finished_documents_that_lie_in_the_place_itself_are_seen(bucket: Bucket) -> None:
    inbox = open_place(bucket.address("inbox"))
    assert inbox.entries() == []
    assert inbox.fault() is None
    for name in ("inbox/a.pdf", "inbox/sub/b.pdf", "inbox/.hidden", "inbox/c.part", "inbox2/d.pdf", "e.pdf"):
        bucket.put(name)
    bucket.put("inbox/empty.pdf", b"")
    [entry] = inbox.entries()
    assert (entry.name, entry.size) == ("a.pdf", len(FIRST))
    assert inbox.read(entry, lambda _: None) == sha256(FIRST)
    assert inbox.entry("a.pdf") == entry
    for name in ("../e.pdf", "sub/b.pdf", "..", ""):
        assert inbox.entry(name) is None
    bucket.put("inbox/a.pdf", SECOND)
    with pytest.raises(DocumentChangedError):
        inbox.read(entry, lambda _: None)
    assert not inbox.remove(entry)


def test_a_document_is_moved_once_and_nothing_is_written_over(bucket: Bucket) -> None:
    bucket.put("inbox/a.pdf")
    assert move(bucket.order("a.pdf")) == f"Published as {bucket.address('published')}/a.pdf"
    assert bucket.names() == ["published/a.pdf"]
    # As after a kill between the copy and the removal, and then after one before the answer.
    bucket.put("inbox/a.pdf")
    for _ in range(2):
        assert move(bucket.order("a.pdf")) == f"Published as {bucket.address('published')}/a.pdf"
    assert bucket.names() == ["published/a.pdf"]

    bucket.put("inbox/a.pdf", SECOND)
    beside = f"a-{sha256(SECOND)[:12]}.pdf"
    assert move(bucket.order("a.pdf", SECOND)) == f"Published as {bucket.address('published')}/{beside}"
    assert (bucket.read("published/a.pdf"), bucket.read(f"published/{beside}")) == (FIRST, SECOND)

    bucket.put("inbox/a.pdf", b"Something else.")
    with pytest.raises(DeliveryError, match="was changed after it was asked for"):
        move(bucket.order("a.pdf", b"What was reviewed."))
    assert "was changed meanwhile" in move(bucket.order("a.pdf", b"What was reviewed.", publishes=False))
    with pytest.raises(DeliveryError, match=r"gone\.pdf is not in .* any more"):
        move(bucket.order("gone.pdf"))
    assert "not in" in move(bucket.order("gone.pdf", publishes=False))
    assert bucket.read("inbox/a.pdf") == b"Something else."


def test_a_store_that_is_not_there_is_a_sentence_with_the_remedy(bucket: Bucket) -> None:
    missing = open_place(f"{bucket.scheme}://missing/inbox")
    assert (
        missing.fault()
        == f"{bucket.scheme}://missing/inbox: there is no missing; make it, or correct the address"
    )
    bucket.put("inbox/a.pdf")
    order = bucket.order("a.pdf").model_copy(update={"target": f"{bucket.scheme}://missing/published"})
    with pytest.raises((DeliveryError, TryFailedError)):
        move(order)
    assert bucket.names() == ["inbox/a.pdf"]


def test_a_store_that_cannot_be_reached_is_a_sentence_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    S3FileSystem.clear_instance_cache()
    fault = open_place("s3://docs/inbox").fault()
    assert fault is not None
    assert fault.startswith("s3://docs/inbox cannot be reached; check its address and the network")
    S3FileSystem.clear_instance_cache()


async def test_a_document_in_a_bucket_is_reviewed_and_published(bucket: Bucket, tmp_path: Path) -> None:
    async with Shelf(tmp_path) as shelf:
        shelf.write(policy(*(bucket.address(name) for name in ("inbox", "published", "archived"))))
        bucket.put("inbox/contract.pdf")
        bucket.put("inbox/no.pdf", SECOND)
        card, no = await shelf.card("contract.pdf", sha256(FIRST)), await shelf.card("no.pdf", sha256(SECOND))
        await shelf.eventually(lambda: len(shelf.files_under(card)) == 1)
        await shelf.press("U0ADA", card)
        await shelf.reject("U0FIN", no)
        await shelf.says(request_of(card), f"Published as {bucket.address('published')}/contract.pdf")
        await shelf.says(request_of(no), f"Archived as {bucket.address('archived')}/no.pdf")
    assert bucket.names() == ["archived/no.pdf", "published/contract.pdf"]
