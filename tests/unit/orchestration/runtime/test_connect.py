from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.runtime.connect import SDK_LOG, HubSettingError, Scheduler, connect, parse_scheduler
from tests.support.core_world import SEAL_KEYS


def test_a_connection_string_is_read_as_the_scheduler_writes_it() -> None:
    text = "Endpoint=https://approvals.westeurope.durabletask.io;Authentication=ManagedIdentity;ClientID=1;TaskHub=prod"
    assert parse_scheduler(text) == Scheduler(
        "approvals.westeurope.durabletask.io:443",
        secure=True,
        task_hub="prod",
        authentication="ManagedIdentity",
        client_id="1",
    )
    local = parse_scheduler("endpoint=http://localhost:8080;taskhub=default;authentication=none")
    assert (local.host, local.secure, local.authentication) == ("localhost:8080", False, "None")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Authentication=None;TaskHub=t", "has no Endpoint="),
        ("Endpoint=http://h;TaskHub=t", "has no Authentication="),
        ("Endpoint=http://h;Authentication=None", "has no TaskHub="),
        ("Endpoint=h:8080;Authentication=None;TaskHub=t", "Endpoint must be an https://"),
        (
            "Endpoint=http://h;Authentication=Password;TaskHub=t",
            "Authentication must be one of ManagedIdentity",
        ),
    ],
)
def test_a_wrong_connection_string_names_the_part(text: str, words: str) -> None:
    with pytest.raises(HubSettingError, match=words):
        parse_scheduler(text)


@pytest.mark.parametrize("setting", ["", "sqlite", "grpc://", "grpc://host"])
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
    for authentication in ("ManagedIdentity", "DefaultAzure", "None"):
        text = f"Endpoint=https://h.example;Authentication={authentication};TaskHub=t"
        connection = connect(text, tmp_path, SEAL_KEYS)
        client = connection.client()
        connection.worker()
        await client.close()
        connection.close()


def test_a_cancelled_timer_that_fires_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    """The SDK warns of each cancelled timer that fires. Only that warning is dropped."""
    SDK_LOG.warning("purchase-1: Ignoring unexpected timerFired event with ID = 32.")
    SDK_LOG.warning("purchase-1: something else")
    assert [record.getMessage() for record in caplog.records] == ["purchase-1: something else"]
