"""What the doctor says of the server, its public address, its hub, the mail server and the store of the records."""

from __future__ import annotations

import socket
import sqlite3
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
from aiohttp import web

from bot.doctor import hub, mail, records, server
from bot.doctor.examination import examine
from orchestration.hub import Hub, token_file
from orchestration.runtime.connect import HUB_FILE
from tests.support.doctor import environment, faults, findings
from tests.support.mail_server import MailServer, certificate
from tests.support.world import World, policies

PUBLIC = "COUNTERSIGN_PUBLIC_URL"


@pytest.fixture
def port() -> int:
    """A free port. A test in which nothing answers needs a port of its own."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        found: int = reserved.getsockname()[1]
        return found


@asynccontextmanager
async def answering(status: int, context: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[str]:
    """A server that says the same to everything; yields its address."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(
            {"status": "alive"}, status=status, headers={"Location": "https://else.example"}
        )

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=context).start()
    try:
        yield f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.embedded_hub("with any other hub a warning asks for COUNTERSIGN_RECORDS_STORE")
async def test_a_server_that_runs_and_one_that_does_not(tmp_path: Path) -> None:
    """The whole examination, beside the running server, whose hub has its file locked."""
    settings = {"COUNTERSIGN_HUB_CLOCK": "system"}
    async with World(tmp_path, policies("bot"), sms=True, settings=settings) as world:
        running = await examine(world.settings())
        assert [finding for finding in running if finding.severity != "ok"] == []
        told = {finding.text for finding in running}
        assert {
            "COUNTERSIGN_PUBLIC_URL leads to this server.",
            "/slack/events is reached, and refuses what is not signed.",
            "/twilio/sms is reached, and refuses what is not signed.",
        } <= told
        assert [finding.check for finding in running if finding.text.startswith("The server runs at ")] == [
            "server"
        ]
        await world.stop()
        assert await findings(server.check, world.settings()) == [
            f"unchecked The server does not run: nothing answers at {world.url.removeprefix('http://')}.",
            "ok COUNTERSIGN_PUBLIC_URL leads to this server, as was tried with a stand-in for it.",
            "unchecked Not checked, as the server does not run: /slack/events.",
            "unchecked Not checked, as the server does not run: /twilio/sms.",
        ]
        await world.start()
        assert [one[0] for one in await findings(server.check, world.settings())] == ["o"] * 4


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (
            200,
            "leads to another Countersign; correct the address, or give both the same COUNTERSIGN_SECRET",
        ),
        (
            301,
            "leads elsewhere (HTTP 301), and neither Slack nor Twilio follows; give the address itself",
        ),
    ],
)
async def test_a_public_address_that_leads_elsewhere(
    status: int, told: str, port: int, tmp_path: Path
) -> None:
    async with answering(status) as url:
        given = environment(tmp_path, **{PUBLIC: url}, COUNTERSIGN_LISTEN=f"127.0.0.1:{port}")
        assert (await faults(server.check, given))[1:] == [f"error {PUBLIC}: {told}."]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "https://127.0.0.1:9",
            (
                "error COUNTERSIGN_PUBLIC_URL: nothing answers there (Connection refused); see the proxy and "
                "the firewall in front."
            ),
        ),
        (
            "https://nobody.invalid",
            "error COUNTERSIGN_PUBLIC_URL: its name is not known; correct it, or its entry in the DNS.",
        ),
        (
            "http://nobody.invalid",
            (
                "warning COUNTERSIGN_PUBLIC_URL: is no https:// address, so codes and links cross the network "
                "in the clear; put a proxy that speaks TLS in front."
            ),
        ),
    ],
)
async def test_a_public_address_that_nothing_answers_at(
    url: str, told: str, port: int, tmp_path: Path
) -> None:
    given = environment(tmp_path, **{PUBLIC: url}, COUNTERSIGN_LISTEN=f"127.0.0.1:{port}")
    assert told in await faults(server.check, given)


async def test_a_certificate_that_is_not_good_or_ends_soon(
    port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    async with answering(200, context) as url:
        given = environment(tmp_path, **{PUBLIC: url}, COUNTERSIGN_LISTEN=f"127.0.0.1:{port}")
        assert (await faults(server.check, given))[1:] == [
            (
                "error COUNTERSIGN_PUBLIC_URL: its certificate is not good (self-signed certificate); renew "
                "it, or serve the whole chain of it."
            )
        ]
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))  # now it is trusted
        soon = (await faults(server.check, given))[1]
        assert soon.startswith("warning The certificate of COUNTERSIGN_PUBLIC_URL ends on ")
        assert soon.endswith(", in 0 days; renew it.")


async def test_something_else_at_the_server_s_own_port(port: int, tmp_path: Path) -> None:
    async with answering(200, port=port):
        given = environment(tmp_path, COUNTERSIGN_LISTEN=f"127.0.0.1:{port}")
        assert await findings(server.check, given) == [
            (
                f"error COUNTERSIGN_LISTEN: something else answers at 127.0.0.1:{port}, or Countersign with "
                "another secret; stop it, or choose another port."
            )
        ]


async def test_http_needs_an_address_and_socket_mode_does_not(port: int, tmp_path: Path) -> None:
    given = environment(tmp_path, COUNTERSIGN_LISTEN=f"127.0.0.1:{port}")
    assert (await findings(server.check, given))[1:] == [f"ok {server.NOT_NEEDED}"]
    over_http = environment(
        tmp_path, SLACK_APP_TOKEN="", SLACK_SIGNING_SECRET="secret", COUNTERSIGN_LISTEN=f"127.0.0.1:{port}"
    )
    assert (await findings(server.check, over_http))[1:] == [f"warning {server.NOT_SET}"]


async def test_what_is_told_of_the_hub(tmp_path: Path) -> None:
    given, data = environment(tmp_path), tmp_path / "data"
    data.mkdir(mode=0o700)
    file = data / HUB_FILE
    assert await findings(hub.check, given) == [f"ok {file} is not there yet; the first start makes it."]
    file.write_text("not a hub's file, but long enough to have a header of a hundred bytes" * 3)
    assert await findings(hub.check, given) == [
        f"error COUNTERSIGN_DATA_DIR: {file} cannot be read as a hub's file: file is not a database."
    ]
    file.unlink()
    with Hub(file):
        [found] = await findings(hub.check, given)  # while it is served
        assert found.startswith(f"ok {file} has schema 6 and ")
    two_hours_ago = (time.time() - 7260) * 1_000_000
    with closing(sqlite3.connect(file)) as db:
        db.execute("INSERT INTO timer (instance, task, fire_at) VALUES (1, 0, ?)", [int(two_hours_ago)])
        db.commit()
    [found] = await findings(hub.check, given)
    assert found.startswith(f"warning {file} has schema 6 and ")
    assert found.endswith(
        " MB; its oldest work could have been done 2 h ago. It is done once the server runs; where it runs, "
        "look into its log."
    )
    elsewhere = tmp_path / "elsewhere.db"
    with Hub(elsewhere, listen="127.0.0.1:0") as running:
        there = {"COUNTERSIGN_HUB": f"grpc://{running.address}"}
        there["COUNTERSIGN_HUB_TOKEN"] = token_file(elsewhere).read_text()
        [found] = await findings(hub.check, given | there)
        assert found.split(" in ")[0] in {"ok The hub answers", "warning The hub answers"}
        scheduler = {"COUNTERSIGN_HUB": f"Endpoint=http://{running.address};Authentication=None;TaskHub=one"}
        [refused] = await findings(hub.check, given | scheduler)  # the hub's token is not sent with it
        assert refused.startswith("error COUNTERSIGN_HUB: ")
        away = given | {"COUNTERSIGN_HUB": "grpc://127.0.0.1:9"}
        assert await findings(hub.check, away) == [
            "error COUNTERSIGN_HUB: that hub does not answer; start it, or correct its address and token."
        ]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, "ok The mail server takes the connection and the login."),
        (
            {"COUNTERSIGN_SMTP_PASSWORD": "other"},
            (
                "error COUNTERSIGN_SMTP_USER: the mail server refuses the login (535); correct it and "
                "COUNTERSIGN_SMTP_PASSWORD."
            ),
        ),
        (
            {"COUNTERSIGN_SMTP_CA": ""},
            (
                "error COUNTERSIGN_SMTP_HOST: the mail server's certificate is not good (self-signed "
                "certificate); correct the name, or give its authority as COUNTERSIGN_SMTP_CA."
            ),
        ),
        (
            {"COUNTERSIGN_SMTP_HOST": "127.0.0.1:9"},
            (
                "error COUNTERSIGN_SMTP_HOST: the mail server cannot be reached (ConnectionRefusedError); "
                "correct the host and the port."
            ),
        ),
    ],
)
async def test_what_is_told_of_the_mail_server(changed: dict[str, str], told: str, tmp_path: Path) -> None:
    with MailServer(tmp_path) as there:
        found = await findings(mail.check, environment(tmp_path, **there.settings | changed))
        assert found[0] == told
        assert there.messages == []
        if not changed:
            assert all(one.endswith(", in 0 days; renew it.") for one in found[1:])
            assert len(found) == 3


async def test_what_is_told_of_the_store_of_the_records(tmp_path: Path) -> None:
    folder = tmp_path / "records"
    given = environment(tmp_path, COUNTERSIGN_RECORDS_STORE=f"file://{folder}")
    assert await faults(records.check, given) == []
    assert not folder.exists()
    nowhere = environment(tmp_path, COUNTERSIGN_RECORDS_STORE="bucket/records")
    assert await findings(records.check, nowhere) == [
        "error COUNTERSIGN_RECORDS_STORE: 'bucket/records' is no address of a store; give one such as s3://bucket/records."
    ]
