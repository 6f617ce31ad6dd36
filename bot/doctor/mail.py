"""Checks e-mail: connects, encrypts and logs in as for a code, but sends nothing."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import AsyncGenerator, Iterator
from typing import Final

from cryptography import x509

from bot.doctor import certificates
from bot.doctor.aside import aside
from bot.doctor.finding import DoctorFinding, error, ok, unchecked
from bot.doctor.subject import Subject
from bot.mail.sender import SmtpSender
from bot.mail.settings import MailSettings

HOST: Final = "COUNTERSIGN_SMTP_HOST"
LOGIN: Final = (
    "COUNTERSIGN_SMTP_USER: the mail server refuses the login ({code}); correct it and "
    "COUNTERSIGN_SMTP_PASSWORD."
)
NOT_SUPPORTED: Final = (
    "COUNTERSIGN_SMTP_TLS: the mail server offers no {tls} or no login there; see what it offers."
)
REFUSED: Final = f"{HOST}: the mail server refuses this machine ({{code}}); ask whoever runs it."
CERTIFICATE: Final = (
    "COUNTERSIGN_SMTP_HOST: the mail server's certificate is not good ({why}); correct the name, or give its "
    "authority as COUNTERSIGN_SMTP_CA."
)
UNREACHABLE: Final = f"{HOST}: the mail server cannot be reached ({{why}}); correct the host and the port."


async def check(subject: Subject) -> AsyncGenerator[DoctorFinding, None]:
    """Runs all checks of e-mail."""
    mail = subject.mail
    if mail is None:
        if subject.settings.smtp:
            yield unchecked("mail", "Not checked, as the COUNTERSIGN_SMTP_ settings cannot be used.")
        else:
            yield ok("mail", "No COUNTERSIGN_SMTP_ setting is given: no code goes by e-mail.")
        return
    for finding in await aside(lambda: list(_tried(mail))):
        yield finding


def _tried(mail: MailSettings) -> Iterator[DoctorFinding]:
    """Tries the connection. Leaves out the server's own texts, as they may hold an address."""
    try:
        with SmtpSender(mail).session() as server:
            peer = server.sock.getpeercert() if isinstance(server.sock, ssl.SSLSocket) else None
    except smtplib.SMTPAuthenticationError as failure:
        yield error("mail", LOGIN.format(code=failure.smtp_code))
    except smtplib.SMTPNotSupportedError:
        yield error("mail", NOT_SUPPORTED.format(tls=mail.tls))
    except smtplib.SMTPResponseException as failure:
        yield error("mail", REFUSED.format(code=failure.smtp_code))
    except ssl.SSLCertVerificationError as failure:
        yield error("mail", CERTIFICATE.format(why=failure.verify_message))
    except (smtplib.SMTPException, OSError) as failure:
        yield error("mail", UNREACHABLE.format(why=type(failure).__name__))
    else:
        yield ok("mail", "The mail server takes the connection" + (" and the login." if mail.user else "."))
        yield from certificates.lasting("mail.certificate", "the mail server", certificates.ends(peer))
        if mail.ca is not None:
            for one in x509.load_pem_x509_certificates(mail.ca.read_bytes()):
                yield from certificates.lasting(
                    "mail.certificate", "COUNTERSIGN_SMTP_CA", one.not_valid_after_utc
                )
