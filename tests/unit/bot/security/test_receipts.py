"""The content of a receipt, rotated and retired keys, and verification without a server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cli.main import main
from bot.security.keys import SigningKeyError, SigningKeys
from bot.security.receipts import TYPE, ReceiptError, outcome_claims, verify
from orchestration.domain.request import Status
from tests.support.receipts import AT, ISSUER, ended, published


def signing(keys: SigningKeys, **changes: Any) -> str:
    """The receipt of an approval, without a log."""
    more = {"iss": ISSUER, "signed_at": datetime.now(UTC).isoformat()}
    return keys.sign(TYPE, outcome_claims(ended(**changes)) | more)


# ---- what it says ----------------------------------------------------------------------------------------


def test_a_receipt_binds_all_that_the_outcome_rests_on(tmp_path: Path) -> None:
    keys = SigningKeys.load(None, tmp_path)
    claims = verify(signing(keys, reason="", comments="Go.", comments_salt="salt"), published(keys))
    (decision,) = claims.pop("decisions")
    assert abs(datetime.now(UTC) - datetime.fromisoformat(claims.pop("signed_at"))) < timedelta(minutes=5)
    assert claims == {
        "iss": ISSUER,
        "sub": "deploy-1",
        "jti": "n" * 22,
        "policy": "deploy",
        "policy_digest": "b" * 64,
        "requester": "U0RITA",
        "asked_with": "ci",
        "asked_without_seal": False,
        "asked_at": "2026-10-31T23:00:00+00:00",
        "digest": "a" * 64,
        "amount": "4200.50",
        "currency": "EUR",
        "status": "approved",
        "reported_by_hub": False,
        "processed_by": "U0ADA",
        "processed_at": AT.isoformat(),
        "reason_digest": None,
        "comments_digest": hmac.digest(b"salt", b"Go.", "sha256").hex(),
    }
    assert (decision["actor"], decision["via"], decision["factor"]) == ("U0ADA", "chat", "sms")
    assert decision["comment_digest"] == hmac.digest(b"pepper", b"Go.", "sha256").hex()


def test_no_text_is_in_it_and_no_guess_at_one_can_be_checked(tmp_path: Path) -> None:
    """Once text and salt are erased, the receipt reveals nothing about the text."""
    keys = SigningKeys.load(None, tmp_path)
    receipt = signing(keys, comments="Yes", comments_salt="salt", reason="No", reason_salt="other")
    said = base64.urlsafe_b64decode(receipt.split(".")[1] + "==").decode()
    assert "Yes" not in said
    assert "Go." not in said
    assert "salt" not in said
    assert "pepper" not in said
    assert hashlib.sha256(b"Yes").hexdigest() not in said


@pytest.mark.parametrize(
    ("status", "by", "hub"),
    [
        (Status.APPROVED, "U0ADA", False),
        (Status.AUTO_APPROVED, None, False),
        (Status.REJECTED, "U0ADA", False),
        (Status.CANCELLED, "U0RITA", False),
        (Status.REJECTED, None, True),  # nobody answered, and the policy then rejects
        (Status.TIMED_OUT, None, True),
        (Status.FAILED, None, True),
        (Status.TERMINATED, None, True),
    ],
)
def test_what_only_the_hub_reports_is_said_to_be_so(
    tmp_path: Path, status: Status, by: str | None, *, hub: bool
) -> None:
    keys = SigningKeys.load(None, tmp_path)
    claims = verify(signing(keys, status=status, processed_by=by), published(keys))
    assert claims["reported_by_hub"] is hub


# ---- by whom ---------------------------------------------------------------------------------------------


def test_a_receipt_of_another_server_is_refused(tmp_path: Path) -> None:
    """The issuer is checked, as staging and production may have the same key."""
    keys = SigningKeys.load(None, tmp_path)
    receipt = signing(keys)
    with pytest.raises(ReceiptError, match=r"of the server https://approvals\.example, not of https://other"):
        verify(receipt, published(keys, "https://other.example"))
    with pytest.raises(ReceiptError, match="not of https://third"):
        verify(receipt, published(keys), issuer="https://third.example")
    assert verify(receipt, published(keys, "https://other.example"), issuer=ISSUER)["sub"] == "deploy-1"


def test_what_is_signed_but_is_no_receipt_is_refused(tmp_path: Path) -> None:
    keys = SigningKeys.load(None, tmp_path)
    with pytest.raises(ReceiptError, match="it is no receipt"):
        verify(keys.sign("countersign-log+jwt", {"iss": ISSUER, "status": "approved"}), published(keys))


def test_a_second_spelling_of_a_signature_is_refused(tmp_path: Path) -> None:
    """64 bytes leave four bits of the last base64 character unused; their other values decode to the same bytes."""
    keys = SigningKeys.load(None, tmp_path)
    receipt = signing(keys)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spelled = receipt[:-1] + letters[letters.index(receipt[-1]) + 1]
    with pytest.raises(ReceiptError, match="not base64url"):
        verify(spelled, published(keys))
    with pytest.raises(ReceiptError):
        verify(receipt + "=", published(keys))


# ---- keys ------------------------------------------------------------------------------------------------


def test_a_rotated_key_signs_at_once_and_the_old_one_still_verifies(tmp_path: Path) -> None:
    """Another process rotates while the server runs."""
    running = SigningKeys.load(None, tmp_path)
    receipt, before = signing(running), published(running)
    SigningKeys.load(None, tmp_path).rotate()
    assert (tmp_path / "signing-keys.json").stat().st_mode & 0o777 == 0o600
    fresh = signing(running)
    assert verify(receipt, published(running))["status"] == "approved"
    assert verify(fresh, published(running))["status"] == "approved"
    with pytest.raises(ReceiptError, match="none of the published keys"):
        verify(fresh, before)
    given = SigningKeys.load((tmp_path / "signing-keys.json").read_text(), tmp_path)
    assert given.public() == running.public()


def test_two_servers_that_start_at_once_have_the_same_key(tmp_path: Path) -> None:
    """The second server finds a file that was created after it had looked."""
    first = SigningKeys.load(None, tmp_path)
    kept = (tmp_path / "signing-keys.json").read_text()
    from bot.security import keys as module  # noqa: PLC0415 - its own step is what is tried

    module._write(tmp_path / "signing-keys.json", [module._fresh()], [], only_first=True)
    assert (tmp_path / "signing-keys.json").read_text() == kept
    assert [path.name for path in tmp_path.iterdir()] == ["signing-keys.json"]
    assert SigningKeys.load(None, tmp_path).public() == first.public()


def rotated(tmp_path: Path) -> tuple[SigningKeys, str, str]:
    """Keys of which the older one has signed a receipt; its name, and the receipt."""
    keys = SigningKeys.load(None, tmp_path)
    receipt, old = signing(keys), keys.listed()[0][0]
    keys.rotate()
    return keys, old, receipt


def test_a_receipt_by_a_retired_key_counts_only_if_it_is_older_and_on_record(tmp_path: Path) -> None:
    keys, old, receipt = rotated(tmp_path)
    keys.retire(old, datetime.now(UTC))
    with pytest.raises(ReceiptError, match=rf"{old}, which was retired at 20.*--log"):
        verify(receipt, published(keys))
    with pytest.raises(ReceiptError, match="the records do not have it"):
        verify(receipt, published(keys), on_record=lambda *_: False)
    assert verify(receipt, published(keys), on_record=lambda _, text: text == receipt)["sub"] == "deploy-1"
    assert verify(signing(keys), published(keys))["sub"] == "deploy-1"


def test_a_receipt_by_a_retired_key_that_was_signed_later_never_counts(tmp_path: Path) -> None:
    keys, old, receipt = rotated(tmp_path)
    keys.retire(old, datetime.now(UTC) - timedelta(hours=1))
    with pytest.raises(ReceiptError, match=r"was signed at 20.* by the key .*, which was retired at 20"):
        verify(receipt, published(keys), on_record=lambda *_: True)


def test_a_library_that_knows_nothing_of_retiring_refuses_too(tmp_path: Path) -> None:
    keys, old, _ = rotated(tmp_path)
    keys.retire(old, AT)
    jwks = published(keys)
    assert old not in {key["kid"] for key in jwks["keys"]}
    (retired,) = jwks["retired_keys"]
    assert (retired["kid"], retired["retired_at"]) == (old, AT.isoformat())
    assert "d" not in retired
    assert len(json.loads((tmp_path / "signing-keys.json").read_text())["keys"]) == 2
    assert sum("d" in key for key in json.loads((tmp_path / "signing-keys.json").read_text())["keys"]) == 1


def test_a_retired_key_is_never_believed_for_longer_again(tmp_path: Path) -> None:
    keys, old, _ = rotated(tmp_path)
    keys.retire(old, AT)
    with pytest.raises(SigningKeyError, match="give an earlier time"):
        keys.retire(old, AT + timedelta(days=1))
    keys.retire(old, AT - timedelta(days=1))
    assert keys.listed()[1] == (old, AT - timedelta(days=1))
    with pytest.raises(SigningKeyError, match="rotate"):
        keys.retire(keys.listed()[0][0], AT)
    with pytest.raises(SigningKeyError, match="there is no key nobody"):
        keys.retire("nobody", AT)
    with pytest.raises(SigningKeyError, match="not over yet"):
        keys.retire(old, datetime.now(UTC) + timedelta(days=1))


def test_a_key_file_that_breaks_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    keys = SigningKeys.load(None, tmp_path)
    known = keys.public()
    (tmp_path / "signing-keys.json").write_text("{}")
    assert keys.public() == known
    assert "the signing keys stay as they were" in caplog.text


# ---- the command line ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        (["--id", "deploy-1"], 0, ""),
        (["--id", "deploy-1", "--policy", "deploy", "--nonce", "n" * 22, "--digest", "a" * 64], 0, ""),
        ([], 1, "may be of an earlier request"),
        (["--policy", "deploy"], 1, "may be of an earlier request"),
        (["--id", "deploy-1", "--policy", "purchase"], 1, "about the policy deploy, not purchase"),
        (["--id", "deploy-other"], 1, "about the request deploy-1, not deploy-other"),
        (["--id", "deploy-1", "--nonce", "other"], 1, "about the nonce"),
        (["--id", "deploy-1", "--digest", "0" * 64], 1, "about the digest"),
        (["--id", "deploy-1", "--issuer", "https://other.example"], 4, "of the server"),
    ],
)
def test_the_command_line_verifies_offline(
    tmp_path: Path, changes: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = SigningKeys.load(None, tmp_path)
    kept = tmp_path / "jwks.json"
    kept.write_text(json.dumps(published(keys)))
    assert main(["verify", signing(keys), "--jwks", str(kept), *changes]) == code
    said = capsys.readouterr()
    assert said.out.startswith("deploy-1 approved by U0ADA") or code == 4
    assert words in said.err
    assert main(["verify", "no.such.receipt", "--jwks", str(kept)]) == 4


def test_keys_are_rotated_listed_and_retired_on_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COUNTERSIGN_DATA_DIR", str(tmp_path))

    def key(*words: str) -> tuple[int, list[str], str]:
        code = main(["key", *words])
        said = capsys.readouterr()
        return code, said.out.splitlines(), said.err

    _, [first], _ = key("list")
    old, state, _ = first.split("\t")
    assert state == "signs"
    code, _, err = key("retire", old)
    assert (code, "key rotate" in err) == (4, True)
    assert key("rotate")[0] == 0
    code, [said], _ = key("retire", old, "--before", "2026-10-01")
    assert (code, f"Nothing counts that {old} signed at 2026-10-01T00:00:00" in said) == (0, True)
    _, [signs, retired], _ = key("list")
    assert signs.split("\t")[1] == "signs"
    assert retired.split("\t")[:2] == [old, "retired"]
    assert retired.split("\t")[2].startswith("2026-10-01T00:00:00")
    monkeypatch.setenv("COUNTERSIGN_SIGNING_KEY", (tmp_path / "signing-keys.json").read_text())
    assert len(key("list")[1]) == 2
    for words in (("rotate",), ("retire", old)):
        code, _, err = key(*words)
        assert (code, "COUNTERSIGN_SIGNING_KEY: is set" in err) == (4, True)


def test_a_request_whose_requester_nobody_checked_is_taken_only_when_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else an approver who can reach the hub could ask in somebody else's name, and approve."""
    keys = SigningKeys.load(None, tmp_path)
    kept = tmp_path / "jwks.json"
    kept.write_text(json.dumps(published(keys)))
    given = ["verify", signing(keys, asked_without_seal=True), "--jwks", str(kept), "--id", "deploy-1"]
    assert main(given) == 1
    assert "nobody checked that it was U0RITA" in capsys.readouterr().err
    assert main([*given, "--asked-without-seal"]) == 0
