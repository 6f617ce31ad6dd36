"""Settings of a mail server are refused with a reason where codes would be sent unencrypted or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.mail.settings import MailTls, read_mail
from bot.setting_sources import SettingError

FROM = {"COUNTERSIGN_SMTP_FROM": "Acme <no-reply@acme.example>"}


def given(host: str = "mail.example", **more: str) -> dict[str, str]:
    return {"COUNTERSIGN_SMTP_HOST": host, **FROM, **{f"COUNTERSIGN_SMTP_{k}": v for k, v in more.items()}}


def test_without_a_setting_there_is_none() -> None:
    assert read_mail({}) is None


@pytest.mark.parametrize(
    ("host", "tls", "expected"),
    [
        ("mail.example", None, ("mail.example", 587)),
        ("mail.example", "implicit", ("mail.example", 465)),
        ("mail.example:2525", "starttls", ("mail.example", 2525)),
        ("[2001:db8::1]:26", "implicit", ("2001:db8::1", 26)),
        ("localhost", "none", ("localhost", 25)),
        ("127.0.0.1:1025", "none", ("127.0.0.1", 1025)),
        ("::1", "none", ("::1", 25)),
    ],
)
def test_a_server_that_codes_may_go_to(host: str, tls: str | None, expected: tuple[str, int]) -> None:
    found = read_mail(given(host, **({"TLS": tls} if tls else {})))
    assert found is not None
    assert (found.host, found.port, found.tls) == (*expected, MailTls(tls or "starttls"))
    assert (found.sender, found.address) == ("Acme <no-reply@acme.example>", "no-reply@acme.example")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (FROM, "COUNTERSIGN_SMTP_HOST: is not set"),
        ({"COUNTERSIGN_SMTP_HOST": "mail.example"}, "COUNTERSIGN_SMTP_FROM: is not set"),
        (given(TLS="none"), "COUNTERSIGN_SMTP_TLS: is none, and mail.example is another machine"),
        (given("localhost.evil.example", TLS="none"), "is another machine"),
        (given("10.0.0.1", TLS="none"), "is another machine"),
        (given(TLS="ssl"), "COUNTERSIGN_SMTP_TLS: must be starttls, implicit, or none"),
        (given("mail.example:0"), "has no port"),
        (given("https://mail.example"), "is no host|has no port"),
        (given("mail example"), "is no host"),
        (given(USER="u"), "go together"),
        (given(PASSWORD="p"), "go together"),
        ({**given(), "COUNTERSIGN_SMTP_FROM": "nobody"}, "COUNTERSIGN_SMTP_FROM: 'nobody' is no address"),
        ({**given(), "COUNTERSIGN_SMTP_FROM": "a@b.example\nBcc: c@d.example"}, "is no address"),
        (
            given(USER="u", PASSWORD="pässword"),
            "COUNTERSIGN_SMTP_PASSWORD: has a character that is not ASCII",
        ),
        (given(CA="/nowhere.pem"), "COUNTERSIGN_SMTP_CA: /nowhere.pem cannot be read"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(settings: dict[str, str], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        read_mail(settings)


def test_a_file_without_certificates_is_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SettingError, match=r"COUNTERSIGN_SMTP_CA: .* give a file of certificates in PEM"):
        read_mail(given(CA=str(tmp_path / "ca.pem")))


def test_the_password_is_in_no_repr() -> None:
    assert "hush" not in repr(read_mail(given(USER="u", PASSWORD="hush")))
