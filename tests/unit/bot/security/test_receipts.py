"""Keys that rotate, and checking a receipt without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.cli.main import main
from bot.security.receipts import ReceiptError, SigningKeys, verify
from orchestration.domain.effects import SignReceiptInput
from orchestration.domain.request import Choice, Factor, LevelState, Outcome, Status, Via, Vote


@pytest.fixture
def keys_signing() -> Callable[[SigningKeys], str]:
    """Signs one and the same approval: decided in Slack, and confirmed by a code."""
    vote = Vote(
        round=1,
        holder="U0ADA",
        actor="U0ADA",
        choice=Choice.APPROVE,
        via=Via.CHAT,
        factor=Factor.SMS,
        at=datetime(2026, 12, 1, tzinfo=UTC),
    )
    outcome = Outcome(
        request_id="deploy-1",
        status=Status.APPROVED,
        processed_by="U0ADA",
        processed_at=datetime(2026, 12, 1, tzinfo=UTC),
        levels=[LevelState(name="On call", status=Status.APPROVED, decisions=[vote])],
        digest="a" * 64,
    )
    return lambda keys: keys.sign_receipt(
        SignReceiptInput(outcome=outcome, policy="deploy", requester="U0RITA", attempt=1)
    )


def test_a_rotated_key_signs_and_the_old_one_still_verifies(
    tmp_path: Path, keys_signing: Callable[[SigningKeys], str]
) -> None:
    old = SigningKeys.load(None, tmp_path)
    receipt = keys_signing(old)
    new = SigningKeys.rotate(tmp_path)
    assert (tmp_path / "signing-keys.json").stat().st_mode & 0o777 == 0o600
    fresh = keys_signing(new)
    assert verify(receipt, new.public())["status"] == "approved"
    assert verify(fresh, new.public())["status"] == "approved"
    with pytest.raises(ReceiptError):
        verify(fresh, old.public())
    given = SigningKeys.load((tmp_path / "signing-keys.json").read_text(), tmp_path)
    assert given.public() == new.public()


def test_a_receipt_says_which_factor_confirmed_a_decision(
    tmp_path: Path, keys_signing: Callable[[SigningKeys], str]
) -> None:
    """A deploy step can require more than a click."""
    keys = SigningKeys.load(None, tmp_path)
    (decision,) = verify(keys_signing(keys), keys.public())["decisions"]
    assert (decision["actor"], decision["via"], decision["factor"]) == ("U0ADA", "chat", "sms")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ([], 0),
        (["--policy", "deploy"], 0),
        (["--policy", "purchase"], 1),
        (["--id", "deploy-other"], 1),
        (["--digest", "0" * 64], 1),
    ],
)
def test_the_command_line_verifies_offline(
    tmp_path: Path,
    keys_signing: Callable[[SigningKeys], str],
    changes: list[str],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = SigningKeys.load(None, tmp_path)
    kept = tmp_path / "jwks.json"
    kept.write_text(json.dumps(keys.public()))
    assert main(["verify", keys_signing(keys), "--jwks", str(kept), *changes]) == code
    assert capsys.readouterr().out.startswith("deploy-1 approved by U0ADA")
    assert main(["verify", "no.such.receipt", "--jwks", str(kept)]) == 4
