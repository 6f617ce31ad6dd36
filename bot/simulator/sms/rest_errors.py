"""The errors of Twilio's REST API: codes, HTTP status and messages."""

from string import Formatter
from typing import Any

# By code: the HTTP status and the message. Source: https://www.twilio.com/docs/api/errors
_KNOWN = {
    20003: (401, "Authenticate"),
    20404: (404, "The requested resource {uri} was not found"),
    20429: (429, "Too Many Requests"),
    20500: (500, "An internal server error has occurred"),
    21211: (400, "The 'To' number {to} is not a valid phone number."),
    21408: (
        400,
        "Permission to send an SMS has not been enabled for the region indicated by the 'To' number: {to}",
    ),
    21602: (400, "Message body is required."),
    21603: (400, "A 'From' phone number is required."),
    21604: (400, "A 'To' phone number is required."),
    21606: (
        400,
        (
            "The 'From' phone number {sender} is not a valid, SMS-capable inbound phone number or short code"
            " for your account."
        ),
    ),
    21609: (400, "The 'StatusCallback' URL {callback} is not a valid URL."),
    21610: (400, "Attempt to send to unsubscribed recipient"),
    21612: (400, "The 'To' phone number: {to}, is not currently reachable using the 'From' phone number."),
    21614: (400, "'To' number: {to}, is not a valid mobile number"),
    21617: (400, "The concatenated message body exceeds the 1600 character limit."),
    21705: (400, "The Messaging Service Sid is invalid."),
}

KNOWN_CODES = frozenset(_KNOWN)


def playable(*details: str) -> frozenset[int]:
    """Return the codes whose messages need no other `details` than these."""
    return frozenset(
        code
        for code, (_, words) in _KNOWN.items()
        if {field for _, field, _, _ in Formatter().parse(words) if field} <= set(details)
    )


class RestError(Exception):
    """A REST call that Twilio refuses with this code; `details` complete its message.

    `retry_after`, in seconds, becomes the header of that name.
    """

    def __init__(self, code: int, *, retry_after: int | None = None, **details: str) -> None:
        self.status, words = _KNOWN[code]
        super().__init__(words.format(**details))
        self.code = code
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """Return the response body."""
        return {
            "code": self.code,
            "message": str(self),
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }

    def headers(self) -> dict[str, str]:
        """Return the response headers."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
