"""The background work on the records: heads, copies in a store, and a webhook that gets every head."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import fsspec
import pytest
from standardwebhooks import Webhook

from bot.outbound.http_client import HttpClient
from bot.records.head_file import HeadFile
from bot.records.head_webhook import HeadWebhook, webhook_secret
from bot.records.keeper import RecordKeeper
from bot.records.log import RecordLog
from bot.records.reading import Logs
from bot.records.store import RecordStore
from bot.security.secrets import Secrets
from bot.security.signatures import PublishedKeys
from bot.setting_sources import SettingError
from tests.support.logs import Keeper
from tests.support.receipts import ISSUER, NONCE, ended, published

SECRETS = Secrets(b"s" * 32)
numbers = itertools.count()


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(tmp_path / "data")


@pytest.fixture(params=["memory", "file"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    return f"memory://records-{next(numbers)}" if request.param == "memory" else f"file://{tmp_path}/store"


def looking_after(keeper: Keeper, records: RecordLog, **how: Any) -> RecordKeeper:
    return RecordKeeper(records, keeper.keys, ISSUER, **how)


def objects(address: str) -> list[str]:
    """The names in the store, without the folder of the log."""
    files, root = fsspec.core.url_to_fs(address)
    files.invalidate_cache()
    return sorted(name.rpartition("/")[2] for name in files.find(root))


# ---- heads -----------------------------------------------------------------------------------------------


def test_a_head_is_signed_when_the_log_has_grown_and_when_another_key_signs(keeper: Keeper) -> None:
    with keeper.open() as records:
        background = looking_after(keeper, records, head_every=0)

        def heads() -> list[tuple[str, int]]:
            background.round()
            keys = PublishedKeys(published(keeper.keys))
            found = [keys.read(text) for text in Logs(str(keeper.folder)).heads(keeper.log)]
            return [(one.kid, one.claims["sequence"]) for one in found]

        old = keeper.keys.listed()[0][0]
        assert heads() == [(old, 1)]
        assert heads() == [(old, 1)]
        records.sign_receipt(ended("deploy-1"))
        assert heads() == [(old, 1), (old, 2)]
        keeper.keys.rotate()
        new = keeper.keys.listed()[0][0]
        assert heads() == [(old, 1), (old, 2), (new, 2)]
        last = HeadFile(records.chain.folder).last
        assert last is not None
        assert (last.kid, last.sequence) == (new, 2)
        records.sign_receipt(ended("deploy-2"))
        looking_after(keeper, records).round()  # by default not twice within the hour
        assert len(heads()) == 4
    assert keeper.faults() == []
    keeper.change(lambda lines: lines[:2])
    assert any("the log ends here, and it had 3 entries" in fault for fault in keeper.faults())


def test_a_head_that_a_kill_cut_short_is_none(keeper: Keeper) -> None:
    with keeper.open() as records:
        looking_after(keeper, records).round()
        with (records.chain.folder / "heads.jsonl").open("a") as file:
            file.write("eyJhbGciOi")
        assert keeper.faults() == []
        records.sign_receipt(ended("deploy-1"))
        looking_after(keeper, records, head_every=0).round()
    assert keeper.faults() == []
    assert len(list(Logs(str(keeper.folder)).heads(keeper.log))) == 2


# ---- the store -------------------------------------------------------------------------------------------


def test_the_store_gets_every_entry_once_and_can_be_audited(keeper: Keeper, address: str) -> None:
    store = RecordStore(address)
    with keeper.open() as records:
        background = looking_after(keeper, records, store=store, head_every=0)
        for number in range(3):
            records.sign_receipt(ended(f"deploy-{number}"))
            background.round()
        background.round()
    keeper.change(
        lambda lines: [*lines, b'{"log":"torn']
    )  # a kill; after a restart the copy continues where it stopped
    with keeper.open() as records:
        records.purged("deploy-1", NONCE, "U0OPS")
        looking_after(keeper, records, store=store, head_every=0).round()
    names = [name for name in objects(address) if name.startswith("entries")]
    assert names == [
        "entries-000000000001-000000000002.jsonl",
        "entries-000000000003-000000000003.jsonl",
        "entries-000000000004-000000000004.jsonl",
        "entries-000000000005-000000000006.jsonl",
    ]
    report = keeper.audit(address)
    assert report.faults == []
    assert (report.receipts, report.purged, report.logs[0].last) == (3, 1, 6)
    assert b"".join(line + b"\n" for line in Logs(address).lines(keeper.log)) == keeper.file.read_bytes()


def test_the_last_outcome_before_the_end_is_copied(keeper: Keeper, address: str) -> None:
    """The copy must not wait for the next start: a container's disk is lost with it."""
    with keeper.open() as records:
        background = looking_after(keeper, records, store=RecordStore(address))
        records.sign_receipt(ended("deploy-0"))
        background.start()
        while not any(name.startswith("heads") for name in objects(address)):
            time.sleep(0.01)  # wait for the end of the first round; the next one is a minute away
        records.sign_receipt(ended("deploy-1"))
        background.stop()
    assert keeper.audit(address).receipts == 2


def test_the_store_shows_what_somebody_cut_off_here(keeper: Keeper, address: str) -> None:
    with keeper.open() as records:
        for number in range(3):
            records.sign_receipt(ended(f"deploy-{number}"))
        looking_after(keeper, records, store=RecordStore(address)).round()
    heads = list(Logs(address).heads(keeper.log))
    keeper.change(lambda lines: lines[:2])
    (keeper.file.parent / "index.db").unlink()
    assert any("it was cut" in fault for fault in keeper.faults(known=heads))
    (keeper.file.parent / "heads.jsonl").unlink()
    with keeper.open() as records:
        records.sign_receipt(ended("deploy-9"))
        background = looking_after(keeper, records, store=RecordStore(address))
        background.round()
        assert background._failures == 1  # the store has more entries than this disk
    assert keeper.audit(address).receipts == 3


def test_a_store_that_is_away_holds_nothing_up_and_gets_all_of_it_later(
    keeper: Keeper, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "store"
    blocked.write_text("a file where the folder would be")
    with keeper.open() as records:
        background = looking_after(keeper, records, store=RecordStore(f"file://{blocked}"))
        for number in range(3):
            background.round()
            records.sign_receipt(ended(f"deploy-{number}"))
        assert "the records: the store does not take the entries (" in caplog.text
        assert "ALARM" not in caplog.text
        blocked.unlink()
        background.round()
        assert background._failures == 0
    report = keeper.audit(blocked)
    assert (report.faults, report.receipts) == ([], 3)


def test_what_is_in_the_store_is_never_written_over(
    keeper: Keeper, address: str, caplog: pytest.LogCaptureFixture
) -> None:
    files, root = fsspec.core.url_to_fs(
        address, **({"auto_mkdir": True} if address.startswith("file") else {})
    )
    with keeper.open() as records:
        records.sign_receipt(ended("deploy-1"))
        path = f"{root}/{records.chain.id}/entries-000000000001-000000000002.jsonl"
        whole = keeper.file.read_bytes()
        for there, alarm in ((whole[:100], False), (whole, False), (b"something else", True)):
            if files.exists(path):
                files.rm(path)
            files.pipe_file(path, there)
            caplog.clear()
            background = looking_after(keeper, records, store=RecordStore(address))
            background._copied = 0  # as where the store's listing does not show it yet
            background.round()
            assert ("ALARM the records: the store does not take the entries" in caplog.text) is alarm
            assert files.cat_file(path) == (there if alarm else whole)


def test_the_log_of_a_server_that_is_no_more_is_copied_too(keeper: Keeper, address: str) -> None:
    with keeper.open(), keeper.open() as other:
        other.sign_receipt(ended("deploy-7"))
    with keeper.open() as records:
        looking_after(keeper, records, store=RecordStore(address)).round()
    report = keeper.audit(address)
    assert (report.faults, len(report.logs), report.receipts) == ([], 2, 1)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("bucket/records", "is no address of a store"),
        ("https://example.com/records", "is no address of a store"),
        ("nonsense://place", "cannot be used"),
    ],
)
def test_an_address_that_is_no_store_stops_the_start(address: str, words: str) -> None:
    with pytest.raises(SettingError, match="COUNTERSIGN_RECORDS_STORE") as raised:
        RecordStore(address)
    assert words in str(raised.value)


# ---- the webhook -----------------------------------------------------------------------------------------


class HeadReceiver(HTTPServer):
    """Answers with each status in turn, then 204."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/heads"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, HeadReceiver)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[HeadReceiver]:
    with HeadReceiver() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_every_head_is_sent_signed_until_it_is_taken(keeper: Keeper, receiver: HeadReceiver) -> None:
    webhook = HeadWebhook(receiver.url, SECRETS, HttpClient([ip_network("127.0.0.1/32")]))
    receiver.statuses = [500, 500]
    with keeper.open() as records:
        background = looking_after(keeper, records, webhook=webhook)
        for failures in (1, 2, 0, 0):
            background.round()
            assert background._failures == failures
    assert len(receiver.got) == 3
    ids = {headers["webhook-id"] for headers, _ in receiver.got}
    headers, body = receiver.got[-1]
    event = Webhook(webhook_secret(SECRETS)).verify(body, headers)
    assert (len(ids), event["type"], event["data"]["sequence"]) == (1, "records.head", 1)
    claims = PublishedKeys(published(keeper.keys)).read(event["data"]["head"]).claims
    assert claims["hash"] == event["data"]["hash"]
    assert keeper.faults(known=[event["data"]["head"]]) == []
    assert json.loads(body)["timestamp"] == claims["signed_at"]


def test_a_webhook_that_is_gone_is_not_asked_again_for_the_same_head(
    keeper: Keeper, receiver: HeadReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    webhook = HeadWebhook(receiver.url, SECRETS, HttpClient([ip_network("127.0.0.1/32")]))
    receiver.statuses = [410]
    with keeper.open() as records:
        background = looking_after(keeper, records, webhook=webhook)
        background.round()
        background.round()
    assert len(receiver.got) == 1
    assert "it wants no more heads" in caplog.text
