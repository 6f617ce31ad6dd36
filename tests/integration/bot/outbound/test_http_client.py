"""The one HTTP client, over both ways in: callbacks and outcome actions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import JsonValue

from bot.outbound.actions import OutcomeActions
from bot.outbound.callbacks import CallbackSender
from bot.outbound.cloud_events import CloudEvents
from bot.outbound.http_client import HttpClient, allowed_hosts, allowed_networks
from bot.security.secrets import Secrets
from bot.setting_sources import SettingError
from orchestration.domain.effects import RunActionInput, SendCallbackInput
from orchestration.domain.errors import DeliveryError, ThrottledError, TryFailedError
from orchestration.domain.request import EventFormat
from tests.support.order_server import OrderServer

Send = Callable[[str, str | None], str]


def never_revoked(_: str | None) -> bool:
    return False


@pytest.fixture(params=["callback", "action", "cloud event"])
def send(request: pytest.FixtureRequest, tmp_path: Path) -> Send:
    """POSTs to a URL, with the value of COUNTERSIGN_CALLBACK_NETWORKS."""

    def callback(url: str, networks: str | None) -> str:
        http = HttpClient(allowed_networks(networks))
        sender = CallbackSender(
            Secrets.load(None, tmp_path), http, CloudEvents("https://a.example", http), never_revoked
        )
        return sender.send_callback(SendCallbackInput(url=url, id="x", event={}, attempt=1))

    def action(url: str, networks: str | None) -> str:
        http = HttpClient(allowed_networks(networks))
        actions = OutcomeActions(
            {}, http, Secrets.load(None, tmp_path), CloudEvents("https://a.example", http)
        )
        return actions.run_action(
            RunActionInput(policy="purchase", post=url, activity=None, key="x", event={}, attempt=1)
        )

    def cloud_event(url: str, networks: str | None) -> str:
        http = HttpClient(allowed_networks(networks))
        sender = CallbackSender(
            Secrets.load(None, tmp_path), http, CloudEvents("https://a.example", http), never_revoked
        )
        event: JsonValue = {"type": "t", "timestamp": "now", "data": {"outcome": {"request_id": "x"}}}
        callback = SendCallbackInput(url=url, id="x", format=EventFormat.CLOUDEVENTS, event=event, attempt=1)
        return sender.send_callback(callback)

    return {"callback": callback, "action": action, "cloud event": cloud_event}[request.param]


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://0.0.0.0:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://2130706433:{port}/",
        "http://169.254.169.254/latest/meta-data",
        "http://168.63.129.16/machine/",
        "http://192.0.0.192/latest/",
        "http://100.100.100.200/latest/meta-data/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://[64:ff9b::7f00:1]:{port}/",
        "http://[64:ff9b::a9fe:a9fe]/",
        "http://[64:ff9b:1::a00:1]/",
        "http://[::ffff:0:7f00:1]:{port}/",
        "http://[::7f00:1]:{port}/",
        "http://[2002:7f00:1::]/",
        "http://[2002:a9fe:a9fe::1]/",
        "http://[2001:0:5db8:d822:8000:63bf:80ff:fffe]/",
        "http://[fe80::5efe:7f00:1]/",
        "http://[2a00:1450::200:5efe:a00:1]/",
        "http://[fec0::1]/",
        "http://[fd00:ec2::254]/",
        "http://[ff02::1]/",
        "http://[::]:{port}/",
        "http://10.0.0.1/",
        "http://[fe80::1]/",
    ],
)
@pytest.mark.parametrize("networks", [None, "192.168.0.0/16"])
def test_no_private_address_is_reached_however_it_is_written(
    send: Send, server: OrderServer, target: str, networks: str | None
) -> None:
    """Refused at the socket, for good and before anything is sent."""
    with pytest.raises(DeliveryError, match=r"not an? (public )?address"):
        send(target.format(port=server.server_port), networks)
    assert server.asked == []


def test_with_a_list_of_hosts_no_other_is_called(tmp_path: Path, server: OrderServer) -> None:
    """However the host is written; the list names hosts, and not addresses that they resolve to."""
    networks = allowed_networks("127.0.0.0/8")
    for setting, reached in (
        ("127.0.0.1", True),
        ("LOCALHOST, 127.0.0.1", True),
        ("localhost", False),
        ("*.0.0.1", True),
        ("*.127.0.0.1", False),
        ("erp.example *.example.com", False),
        ("", False),
    ):
        server.asked.clear()
        http = HttpClient(networks, allowed_hosts(setting))
        sender = CallbackSender(
            Secrets.load(None, tmp_path), http, CloudEvents("https://a.example", http), never_revoked
        )
        callback = SendCallbackInput(url=server.url, id="x", event={}, attempt=1)
        if reached:
            sender.send_callback(callback)
        else:
            with pytest.raises(DeliveryError, match="COUNTERSIGN_CALLBACK_HOSTS"):
                sender.send_callback(callback)
        assert bool(server.asked) is reached


@pytest.mark.parametrize("setting", ["https://erp.example", "erp.example:443", "erp.example/x", "*", "a b*c"])
def test_what_is_no_host_is_said_at_the_start(setting: str) -> None:
    with pytest.raises(SettingError, match=r"^COUNTERSIGN_CALLBACK_HOSTS: .*; give names such as erp"):
        allowed_hosts(setting)


@pytest.mark.parametrize(
    "host", ["a" * 64 + ".example", "a..example", ".example", "xn--" + "ü" * 60 + ".example"]
)
def test_a_name_that_cannot_be_one_is_said_in_words(send: Send, host: str) -> None:
    with pytest.raises((DeliveryError, TryFailedError), match=r"cannot be resolved|that can be called"):
        send(f"http://{host}/", "127.0.0.0/8")


def test_an_allowed_network_is_reached(send: Send, server: OrderServer) -> None:
    assert "20" in send(server.url, "10.0.0.0/8, 127.0.0.0/8")
    assert len(server.asked) == 1


@pytest.mark.parametrize("setting", ["10.0.0.0/33", "127.0.0.1/8", "example.com"])
def test_what_is_no_network_is_said_at_the_start(setting: str) -> None:
    with pytest.raises(SettingError, match=r"^COUNTERSIGN_CALLBACK_NETWORKS: .*; give networks such as 10\."):
        allowed_networks(setting)


def test_no_redirect_is_followed_and_410_is_final(send: Send, server: OrderServer) -> None:
    for status in (302, 410):
        server.answer = (status, {"Location": "/elsewhere"}, b"")
        with pytest.raises(DeliveryError, match=str(status)):
            send(server.url, "127.0.0.0/8")
    assert [path for path, _, _ in server.asked] == ["/orders", "/orders"]


def test_a_system_that_asks_to_wait_is_tried_again_then(send: Send, server: OrderServer) -> None:
    server.answer = (503, {"Retry-After": "7"}, b"")
    with pytest.raises(ThrottledError) as told:
        send(server.url, "127.0.0.0/8")
    assert told.value.retry_after == 7


@pytest.mark.parametrize("url", ["http://[::1", "http://127.0.0.1:99999/"])
def test_what_is_no_url_is_not_tried_again(send: Send, url: str) -> None:
    with pytest.raises(DeliveryError, match="is not an address that can be called"):
        send(url, "127.0.0.0/8")


def test_a_proxy_of_the_environment_is_not_used(
    send: Send, server: OrderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy would connect to addresses that are refused here."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(DeliveryError, match="is not a public address"):
        send("http://10.0.0.1/", "127.0.0.0/8")
    assert server.asked == []


def test_a_long_answer_is_not_read_to_its_end(send: Send, server: OrderServer) -> None:
    server.answer = (200, {"Content-Length": "100000000"}, json.dumps({"id": "x" * 20_000}).encode())
    assert "200" in send(server.url, "127.0.0.0/8")


def test_nobody_there_is_tried_again(send: Send) -> None:
    with pytest.raises(TryFailedError, match=r"^127\.0\.0\.1 could not be reached \(Connection refused\)\.$"):
        send("http://127.0.0.1:9/secret-path", "127.0.0.0/8")
