"""Sends codes through a mail server, by SMTP (RFC 5321) over TLS."""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime, localtime
from typing import Final

from bot.mail import replies
from bot.mail.replies import MailReply
from bot.mail.settings import MailSettings, MailTls
from orchestration import telemetry
from orchestration.challenge.models import Trouble
from orchestration.domain.errors import MailRefusedError

TIMEOUT: Final = 10.0  # seconds, for each answer of the server but the one to the message
# Many servers look through a message before they say that they took it. RFC 5321, section 4.5.3.2.6, has ten minutes.
TAKING: Final = 30.0  # seconds
SUBJECT: Final = "Your confirmation code"
# Fixed words: nothing that anybody wrote comes into a mail.
TEXT: Final = """\
Your code is {code}

It ends in {minutes} minutes. Enter it where you were asked for it, and give it to nobody.
If you did not ask for it, you need not do anything.
"""


class MailUnsentError(Exception):
    """The mail server did not take the message; its texts are left out, as they may hold the address."""


class SmtpSender:
    """See `MailSender`. A connection of its own for each message; safe to share between threads."""

    def __init__(self, settings: MailSettings, timeout: float = TIMEOUT) -> None:
        """`timeout` is in seconds."""
        self._settings = settings
        self._timeout = timeout

    def send(self, address: str, code: str, minutes: int, challenge_id: str) -> None:
        """Each try has the same Message-ID, by which a mailbox may know a copy. Raises `MailUnsentError` besides."""
        message = self._message(address, code, minutes, challenge_id)
        try:
            self._deliver(message, address)
        except smtplib.SMTPRecipientsRefused as error:
            status, text = error.recipients.get(address, (554, b""))
            _refuse(replies.refused_at_recipient(status, _bytes(text)), status)
        except smtplib.SMTPDataError as error:
            _refuse(replies.refused_message(error.smtp_code, _bytes(error.smtp_error)), error.smtp_code)
        except smtplib.SMTPNotSupportedError:
            # It offers no STARTTLS, or no way to log in. The code is not sent in the clear.
            raise MailRefusedError(Trouble.MAIL_REFUSED) from None
        except smtplib.SMTPServerDisconnected:
            raise MailUnsentError("The mail server hung up.") from None
        except smtplib.SMTPResponseException as error:
            _refuse(replies.refused_as_sender(error.smtp_code), error.smtp_code)
        except smtplib.SMTPException as error:
            raise MailUnsentError(f"The mail server is not understood ({type(error).__name__}).") from None
        except ssl.SSLCertVerificationError:
            raise MailRefusedError(Trouble.MAIL_REFUSED) from None
        except OSError as error:
            raise MailUnsentError(f"The mail server cannot be reached ({type(error).__name__}).") from None

    def _deliver(self, message: EmailMessage, address: str) -> None:
        given = self._settings
        server = self._connected()
        try:
            if given.tls is MailTls.STARTTLS:
                server.starttls(context=given.context())
            if given.user is not None and given.password is not None:
                server.login(given.user, given.password)
            _wait_for_answers(server, TAKING)
            with telemetry.call("smtp send"):
                server.send_message(message, from_addr=given.address, to_addrs=[address])
            _wait_for_answers(server, self._timeout)
            # The message is taken. What the server says to the goodbye changes nothing of that.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
        finally:
            server.close()

    def _connected(self) -> smtplib.SMTP:
        given = self._settings
        if given.tls is MailTls.IMPLICIT:
            return smtplib.SMTP_SSL(given.host, given.port, timeout=self._timeout, context=given.context())
        return smtplib.SMTP(given.host, given.port, timeout=self._timeout)

    def _message(self, address: str, code: str, minutes: int, challenge_id: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.sender
        message["To"] = address
        message["Subject"] = SUBJECT
        message["Date"] = format_datetime(localtime())
        message["Message-ID"] = f"<{challenge_id}@{self._settings.address.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"  # so that no out-of-office note answers it (RFC 3834)
        message.set_content(TEXT.format(code=code, minutes=minutes))
        return message


def _wait_for_answers(server: smtplib.SMTP, seconds: float) -> None:
    if server.sock is not None:
        server.sock.settimeout(seconds)


def _refuse(reply: MailReply, code: int) -> None:
    if reply.again:
        raise MailUnsentError(f"The mail server answered {code}.") from None
    raise MailRefusedError(reply.trouble, code) from None


def _bytes(text: bytes | str) -> bytes:
    return text.encode("utf-8", "replace") if isinstance(text, str) else text
