"""Payloads that are too large for the hub, in a store beside it: whole approvals with every payload there."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from decimal import Decimal
from gzip import BadGzipFile
from pathlib import Path

import pytest

from orchestration.domain.commands import Reason
from orchestration.domain.errors import HubUnavailableError
from orchestration.domain.request import ApprovalRequest, Choice, RemarkKind, Status
from orchestration.runtime.connect import HUB_FILE, Connection
from orchestration.runtime.hub_address import HubSettingError
from orchestration.runtime.payload_store import CONTAINER, UNREACHABLE, OurPayloadStore, open_payload_store
from orchestration.service.operations import Operations
from tests.integration.bot.documents.stores import blob
from tests.support.board import Board, BoardOutcomes
from tests.support.core_world import SEAL_KEYS, CoreWorld, by, opened
from tests.support.hub_forms import HubForm, connected, disconnect, running_on
from tests.support.payloads import MemoryPayloadStore

SOME_BYTES = 64  # nearly every payload has more


@pytest.fixture
def memory() -> MemoryPayloadStore:
    return MemoryPayloadStore(SOME_BYTES)


@pytest.fixture
def connection(tmp_path: Path, memory: MemoryPayloadStore) -> Iterator[Connection]:
    """Through the scheduler's client and worker."""
    with running_on(HubForm.SCHEDULER):
        found = connected(tmp_path, SEAL_KEYS, OurPayloadStore(memory))
        yield found
        disconnect(found)


async def test_an_approval_whose_payloads_are_all_stored(
    world: CoreWorld, memory: MemoryPayloadStore, tmp_path: Path
) -> None:
    request_id = await world.ask("wire", amount=Decimal(50_000), description="for the hall in Essen")
    assert await world.say(request_id, "U0ADA", RemarkKind.COMMENT, "is it insured?") is Reason.RECORDED
    await world.decide(request_id, "U0ADA")
    await world.eventually(lambda: bool(world.phones.texts))
    await world.skip(days=3)
    await world.until(request_id, lambda progress: progress.status is Status.ESCALATED)
    await world.skip(days=2)
    outcome = await world.outcome(request_id)
    assert outcome.status is Status.TIMED_OUT
    await world.completed(request_id)
    client = world.connection.client()
    history = await Operations(client, BoardOutcomes(world.board)).history(request_id)
    await client.close()
    assert "is it insured?" in str(history)
    stored = b"".join(memory.kept.values())
    hub_file = b"".join(file.read_bytes() for file in tmp_path.glob(f"{HUB_FILE}*") if file.is_file())
    assert request_id.encode() in hub_file
    for words in (b"for the hall in Essen", b"is it insured?"):
        assert words in stored
        assert words not in hub_file


async def test_whoever_writes_to_the_store_decides_nothing(
    world: CoreWorld, memory: MemoryPayloadStore
) -> None:
    request_id = await world.ask("vote")
    shown = await world.service.identity(request_id)
    changed: list[str] = []

    def approving(text: str) -> str:
        if "Never." in text and '"reject"' in text:
            changed.append(text)
            return text.replace('"reject"', '"approve"')
        return text

    memory.change = approving
    await world.service.decide(request_id, by("U0ADA"), Choice.REJECT, shown=shown, round=1, comment="Never.")
    assert (await world.decide(request_id, "U0SAM", shown=shown)).reason is Reason.NOT_AN_APPROVER
    progress = await world.service.status(request_id)
    assert changed
    assert [vote.choice for level in progress.levels for vote in level.decisions] == []


async def test_what_is_no_text_any_more_is_told_as_a_store_that_fails(
    world: CoreWorld, memory: MemoryPayloadStore, caplog: pytest.LogCaptureFixture
) -> None:
    request_id = await world.ask("vote")
    kept = dict(memory.kept)
    memory.kept.update(dict.fromkeys(kept, b"\xff"))
    with pytest.raises(HubUnavailableError, match=UNREACHABLE):
        await world.service.status(request_id)
    assert f"{CONTAINER}:{request_id}/" in caplog.text
    memory.kept.update(kept)
    assert (await world.service.status(request_id)).status is Status.PENDING


@pytest.mark.parametrize("failure", [BadGzipFile("not a gzip file"), EOFError(), zlib.error("invalid")])
def test_what_cannot_be_unpacked_any_more_is_so_too(memory: MemoryPayloadStore, failure: Exception) -> None:
    def broken(_: str) -> str:
        raise failure

    store = OurPayloadStore(memory)
    name = store.upload(b"some text")
    memory.change = broken
    with pytest.raises(HubUnavailableError, match=UNREACHABLE):
        store.download(name)


async def test_a_store_that_is_away_holds_up_and_loses_nothing(
    world: CoreWorld, memory: MemoryPayloadStore
) -> None:
    request_id = await world.ask("deploy")
    shown = await world.service.identity(request_id)
    memory.down = True
    asked = ApprovalRequest(policy="deploy", title="Another", requester="U0RITA")
    with pytest.raises(HubUnavailableError, match=UNREACHABLE):
        await world.service.start(asked)
    memory.down = False
    await world.decide(request_id, "U0ADA", shown=shown)
    assert (await world.outcome(request_id)).status is Status.APPROVED


@pytest.mark.skipif(
    "COUNTERSIGN_PROOF" not in os.environ, reason="Azurite takes seconds to start: `make proof`"
)
async def test_azures_own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, board: Board) -> None:
    """By its connection string. Nothing of another container of the account is fetched."""
    with blob(monkeypatch), running_on(HubForm.SCHEDULER):
        store = open_payload_store(os.environ["AZURE_STORAGE_CONNECTION_STRING"], None)
        assert store.options.threshold_bytes == 256 * 1024
        store.options.threshold_bytes = SOME_BYTES
        connection = connected(tmp_path, SEAL_KEYS, store)
        async with opened(connection, board, board) as world:
            request_id = await world.ask("deploy", description="of the new release")
            await world.decide(request_id, "U0ADA")
            assert (await world.outcome(request_id)).status is Status.APPROVED
        disconnect(connection)
        name = store.upload(b"some text")
        assert store.is_known_token(name)
        assert store.download(name) == b"some text"
        assert not store.is_known_token(name.replace(CONTAINER, "docs"))


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("https://account.blob.core.windows.net", "give the storage account's connection string"),
        ("AccountName=a;AccountKey=c2VjcmV0;x", "neither the https:// address"),
        ("somewhere", "neither the https:// address"),
        (
            "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net",
            "over http://",
        ),
    ],
)
def test_a_wrong_setting_names_itself_and_says_what_to_do(setting: str, words: str) -> None:
    with pytest.raises(HubSettingError, match=words) as caught:
        open_payload_store(setting, None)
    assert str(caught.value).startswith("COUNTERSIGN_PAYLOAD_STORE: ")
    assert "c2VjcmV0" not in str(caught.value)
