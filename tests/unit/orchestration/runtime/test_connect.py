from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from orchestration.hub import token_file
from orchestration.runtime.connect import HUB_FILE, connect
from orchestration.runtime.hub_address import HubSettingError
from orchestration.runtime.scheduler import Scheduler, parse_scheduler
from tests.support.core_world import SEAL_KEYS


def test_a_connection_string_is_read_as_the_scheduler_writes_it() -> None:
    text = "Endpoint=https://approvals.westeurope.durabletask.io;Authentication=ManagedIdentity;ClientID=1;TaskHub=prod"
    assert parse_scheduler(text) == Scheduler(
        "approvals.westeurope.durabletask.io:443",
        secure=True,
        task_hub="prod",
        authentication="ManagedIdentity",
        more={"client_id": "1"},
    )
    local = parse_scheduler("endpoint=http://localhost:8080;taskhub=default;authentication=none")
    assert (local.host, local.secure, local.authentication) == ("localhost:8080", False, "None")
    assert parse_scheduler("Endpoint=http://[::1];Authentication=None;TaskHub=t").host == "[::1]:80"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Authentication=None;TaskHub=t", "has no Endpoint="),
        ("Endpoint=http://h;TaskHub=t", "has no Authentication="),
        ("Endpoint=http://h;Authentication=None", "has no TaskHub="),
        ("Endpoint=h:8080;Authentication=None;TaskHub=t", "Endpoint must be an https://"),
        ("Endpoint=https://h:99999;Authentication=None;TaskHub=t", "Endpoint must be an https://"),
        ("Endpoint=https://h:port;Authentication=None;TaskHub=t", "Endpoint must be an https://"),
        ("Endpoint=https://[::1;Authentication=None;TaskHub=t", "Endpoint must be an https://"),
        ("Endpoint=https://me:pass@h;Authentication=None;TaskHub=t", "Endpoint must be an https://"),
        ("Endpoint=http://h;Authentication=ManagedIdentity;TaskHub=t", "no token is sent to h over http://"),
        ("Endpoint=https://h;Authentication=None;TaskHub=t;ClientID=1", "clientid does not go with"),
        ("Endpoint=https://h;Authentication=DefaultAzure;TaskHub=t;Colour=red", "colour does not go with"),
        (
            "Endpoint=http://h;Authentication=Password;TaskHub=t",
            "Authentication must be one of ManagedIdentity",
        ),
    ],
)
def test_a_wrong_connection_string_names_the_part(text: str, words: str) -> None:
    with pytest.raises(HubSettingError, match=words):
        parse_scheduler(text)


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "sqlite",
        "grpc://",
        "grpc://host",
        "grpc://host:port",
        "grpc://host:70000",
        "grpc://[::1:40",
        "grpc://me@host:40",
    ],
)
def test_a_wrong_hub_says_what_is_possible(setting: str, tmp_path: Path) -> None:
    with pytest.raises(HubSettingError, match="grpc://"):
        connect(setting, tmp_path, SEAL_KEYS)


def test_a_hub_file_that_is_in_use_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    first = connect("embedded", tmp_path, SEAL_KEYS)
    try:
        with pytest.raises(HubSettingError) as caught:
            connect("embedded", tmp_path, SEAL_KEYS)
        assert "\n" not in str(caught.value)
        assert "hub.db" in str(caught.value)
    finally:
        first.close()


async def test_every_way_of_authenticating_makes_a_client_and_a_worker(tmp_path: Path) -> None:
    """Nothing is sent: credentials are asked for a token at the first call."""
    file = tmp_path / "token"
    workload = f"WorkloadIdentity;ClientID=1;TenantId=2;TokenFilePath={file}"
    for authentication in ("ManagedIdentity", workload, "DefaultAzure", "Environment", "AzureCLI", "None"):
        text = f"Endpoint=https://h.example;Authentication={authentication};TaskHub=t"
        connection = connect(text, tmp_path, SEAL_KEYS)
        client = connection.client()
        connection.worker()
        await client.close()
        connection.close()


def test_an_identity_that_is_not_complete_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(
        HubSettingError, match="COUNTERSIGN_HUB: Authentication=WorkloadIdentity is not complete"
    ):
        connect("Endpoint=https://h;Authentication=WorkloadIdentity;TaskHub=t", tmp_path, SEAL_KEYS)


def test_a_socket_of_somebody_else_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "hub"
    with socket.socket(socket.AF_UNIX) as theirs:
        theirs.bind(str(place))
        connect(f"unix:{place}", tmp_path, SEAL_KEYS).close()
        if os.geteuid() == 0:
            os.chown(place, 65534, 65534)
            with pytest.raises(HubSettingError, match="belongs to another user"):
                connect(f"unix:{place}", tmp_path, SEAL_KEYS)
    (tmp_path / "file").write_text("")
    with pytest.raises(HubSettingError, match="is not a socket"):
        connect(f"unix://{tmp_path / 'file'}", tmp_path, SEAL_KEYS)


def test_the_hubs_token_does_not_leave_the_machine(tmp_path: Path) -> None:
    with pytest.raises(HubSettingError, match="nothing is encrypted"):
        connect("grpc://hub.example.com:4001", tmp_path, SEAL_KEYS, token="t" * 43)
    token_file(tmp_path / HUB_FILE).write_text("t" * 43)
    assert connect("grpc://hub.example.com:4001", tmp_path, SEAL_KEYS)._metadata is None
    for host in ("127.0.0.1", "localhost", "[::1]"):
        assert connect(f"grpc://{host}:4001", tmp_path, SEAL_KEYS)._metadata == [
            ("authorization", "Bearer " + "t" * 43)
        ]
