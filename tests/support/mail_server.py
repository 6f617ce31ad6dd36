"""A real mail server on a free port, over TLS with a self-signed certificate. It keeps all mail it takes."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import re
import ssl
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "countersign", "mail-password"
SENDER = "no-reply@acme.example"


def certificate(place: Path) -> Path:
    """Writes a key and a self-signed certificate for 127.0.0.1; returns the file of both."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the mail server of the tests")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = place / "mail.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


class OnAnyPort(Controller):
    """A controller on a free port. It checks that its server answers, so it has to learn the port."""

    def _trigger_server(self) -> None:
        server: Any = self.server
        self.port = server.sockets[0].getsockname()[1]
        super()._trigger_server()


class MailServer:
    """A mail server, as a context manager. `tls` is starttls, implicit or none.

    `refusals` are given, in turn, to the next recipients, and `data_refusals` to the next messages. `goodbye` answers
    QUIT. A message is scanned for `looking` seconds before it is taken. Its sender gets the answer once `free` is set.
    """

    def __init__(self, place: Path, tls: str = "starttls") -> None:
        self.tls = tls
        self.pem = certificate(place)
        self.refusals: list[str] = []
        self.data_refusals: list[str] = []
        self.tried = 0
        self.looking = 0.0
        self.free = threading.Event()
        self.free.set()
        self.goodbye = "221 2.0.0 bye"
        self._lock = threading.Lock()
        self._taken: list[tuple[str, EmailMessage]] = []
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.pem)
        starttls: dict[str, Any] = (
            {"tls_context": context, "require_starttls": True} if tls == "starttls" else {}
        )
        self._controller = OnAnyPort(
            self,
            hostname="127.0.0.1",
            port=0,
            ssl_context=context if tls == "implicit" else None,
            authenticator=self._authenticate,
            auth_require_tls=tls == "starttls",
            **starttls,
        )
        self.port = 0

    def __enter__(self) -> Self:
        self._controller.start()
        self.port = self._controller.port
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    @property
    def settings(self) -> dict[str, str]:
        """The product's settings for this mail server."""
        given = {
            "COUNTERSIGN_SMTP_HOST": f"127.0.0.1:{self.port}",
            "COUNTERSIGN_SMTP_TLS": self.tls,
            "COUNTERSIGN_SMTP_FROM": f"Acme <{SENDER}>",
            "COUNTERSIGN_SMTP_CA": str(self.pem),
        }
        if self.tls != "none":
            given |= {"COUNTERSIGN_SMTP_USER": USER, "COUNTERSIGN_SMTP_PASSWORD": PASSWORD}
        return given

    @property
    def messages(self) -> list[EmailMessage]:
        """The messages that were taken, oldest first."""
        with self._lock:
            return [message for _, message in self._taken]

    def code_for(self, address: str) -> str | None:
        """The code in the newest message to that address."""
        with self._lock:
            to = [message for taken, message in self._taken if taken == address]
        found = re.search(r"Your code is (\d+)", to[-1].get_content()) if to else None
        return found[1] if found else None

    # ---- what aiosmtpd calls, in its thread ------------------------------------------------------------------

    def _authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        right = LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=data == right, handled=False)

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        with self._lock:
            self.tried += 1
            if self.refusals:
                return self.refusals.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.looking)
        with self._lock:
            if self.data_refusals:
                return self.data_refusals.pop(0)
            message = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(message, EmailMessage)
            self._taken += [(address, message) for address in envelope.rcpt_tos]
        while not self.free.is_set():
            await asyncio.sleep(0.01)
        return "250 2.0.0 taken"

    async def handle_QUIT(self, _server: Any, _session: Any, _envelope: Any) -> str:  # noqa: N802
        return self.goodbye
