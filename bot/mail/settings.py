"""Reads and checks the settings of e-mail."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from enum import StrEnum
from pathlib import Path
from typing import Final

from bot.setting_list import DEFAULTS
from bot.setting_sources import SettingError
from orchestration.domain.emails import email_address

HOST: Final = "COUNTERSIGN_SMTP_HOST"
LOCAL: Final = "localhost"


class MailTls(StrEnum):
    """How the connection to the mail server is encrypted."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


PORTS: Final = {MailTls.STARTTLS: 587, MailTls.IMPLICIT: 465, MailTls.NONE: 25}


@dataclass(frozen=True)
class MailSettings:
    """A mail server, and as whom it is sent to. `sender` is the From header, `address` the address in it."""

    host: str
    port: int
    tls: MailTls
    user: str | None
    password: str | None = field(repr=False)
    sender: str
    address: str
    ca: Path | None

    def context(self) -> ssl.SSLContext:
        """Checks the server's certificate and name against the system's authorities, or those of the file."""
        return ssl.create_default_context(cafile=str(self.ca) if self.ca else None)


def read_mail(given: Mapping[str, str]) -> MailSettings | None:
    """The mail server, or None where none is set. Raises `SettingError`, which names the setting and the remedy."""
    if not given:
        return None
    if HOST not in given:
        raise SettingError(
            f"{HOST}: is not set, but other COUNTERSIGN_SMTP_ settings are; set it, or none of them."
        )
    tls = _tls(given.get("COUNTERSIGN_SMTP_TLS", DEFAULTS["COUNTERSIGN_SMTP_TLS"]))
    host, port = _host(given[HOST], PORTS[tls])
    if tls is MailTls.NONE and not _is_loopback(host):
        raise SettingError(
            f"COUNTERSIGN_SMTP_TLS: is none, and {host} is another machine, so codes would cross the network in the "
            "clear; set starttls or implicit."
        )
    if ("COUNTERSIGN_SMTP_USER" in given) != ("COUNTERSIGN_SMTP_PASSWORD" in given):
        raise SettingError(
            "COUNTERSIGN_SMTP_USER and COUNTERSIGN_SMTP_PASSWORD: go together; set both or neither."
        )
    for name in ("COUNTERSIGN_SMTP_USER", "COUNTERSIGN_SMTP_PASSWORD"):
        if not given.get(name, "").isascii():
            raise SettingError(
                f"{name}: has a character that is not ASCII, which a login cannot have; choose another."
            )
    sender, address = _sender(given.get("COUNTERSIGN_SMTP_FROM"))
    found = MailSettings(
        host=host,
        port=port,
        tls=tls,
        user=given.get("COUNTERSIGN_SMTP_USER"),
        password=given.get("COUNTERSIGN_SMTP_PASSWORD"),
        sender=sender,
        address=address,
        ca=Path(given["COUNTERSIGN_SMTP_CA"]).expanduser() if "COUNTERSIGN_SMTP_CA" in given else None,
    )
    _check_ca(found)
    return found


def _tls(text: str) -> MailTls:
    try:
        return MailTls(text)
    except ValueError:
        raise SettingError(
            f"COUNTERSIGN_SMTP_TLS: must be starttls, implicit, or none for a server on this machine, not {text!r}."
        ) from None


def _host(text: str, unset: int) -> tuple[str, int]:
    host, port = text, str(unset)
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":") or port
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    if not host or not host.isascii() or not host.isprintable() or set(host) & set(" /@"):
        raise SettingError(
            f"{HOST}: {text!r} is no host; give HOST or HOST:PORT, such as mail.example.com:587."
        )
    if not (port.isascii() and port.isdigit()) or not 1 <= int(port) <= 65535:
        raise SettingError(
            f"{HOST}: {text!r} has no port; give HOST or HOST:PORT, such as mail.example.com:587."
        )
    return host, int(port)


def _is_loopback(host: str) -> bool:
    if host == LOCAL:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _sender(text: str | None) -> tuple[str, str]:
    name = "COUNTERSIGN_SMTP_FROM"
    if text is None:
        raise SettingError(
            f"{name}: is not set; give the address that codes come from, such as no-reply@example.com."
        )
    _, address = parseaddr(text)
    try:
        email_address(address)
    except ValueError:
        address = ""
    if not address or not text.isprintable():
        raise SettingError(
            f"{name}: {text!r} is no address; give one such as no-reply@example.com, or Acme <no-reply@example.com>."
        )
    return text, address


def _check_ca(settings: MailSettings) -> None:
    if settings.ca is None:
        return
    try:
        settings.context()
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "it holds no certificate in PEM"
        raise SettingError(
            f"COUNTERSIGN_SMTP_CA: {settings.ca} cannot be read ({reason}); give a file of certificates in PEM."
        ) from error
