"""Addresses shown of our own instances contain the host, and no part that may be a secret."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus

from bot.http.api.hidden_addresses import text_without_paths
from bot.http.api.instance_json import instance_json

NOW: Final = datetime(2026, 11, 27, tzinfo=UTC)
WRITTEN: Final = [
    '{"callback_url": "https://flows.example/done?code=s3cret"}',
    '{"callback_url": "https:\\/\\/flows.example\\/done?code=s3cret"}',
    '{"callback_url": "https\\u003a//flows.example/done?code=s3cret"}',
    '{"amount": NaN, "callback_url": "https://flows.example/done?code=s3cret"}',
    '{"title": "a", "title": "b", "respond": {"url": "https://u:s3cret@flows.example/"}}',
]


def shown(given: str) -> object:
    state = OrchestrationState(
        "reconcile-1", "reconcile", OrchestrationStatus.RUNNING, NOW, NOW, given, None, None, None
    )
    return instance_json(state, with_input=True)["input"]


@pytest.mark.parametrize("given", WRITTEN)
def test_a_key_is_hidden_however_another_program_wrote_the_address(given: str) -> None:
    for said in (str(text_without_paths(given)), str(shown(given))):
        assert "https://flows.example/…" in said
        assert "s3cret" not in said


def test_a_text_without_an_address_stays_as_it_was_written() -> None:
    given = '{ "amount": 1.50, "fields": {"url": "none"} }'
    assert text_without_paths(given) == given
