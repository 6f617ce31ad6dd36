"""Reads the answer of the app to a text: TwiML or plain text."""

from typing import Final
from xml.etree import ElementTree as ET

NO_ANSWER: Final = 11200  # HTTP retrieval failure
NOT_XML: Final = 12100  # document parse failure
NOT_TWIML: Final = 12300  # invalid content type
_XML_TYPES: Final = frozenset({"text/xml", "application/xml", "text/html"})


class TwimlError(Exception):
    """The answer is not valid; `code` is the one that Twilio's debugger would show."""

    def __init__(self, code: int) -> None:
        super().__init__(f"Twilio error {code}")
        self.code = code


def messages(content_type: str, body: str) -> list[str]:
    """Return the texts that an answer sends back, in order; none for an empty one.

    As with Twilio, a plain text is itself the message, and any XML is read as TwiML, of which only
    ``<Message>`` sends something to a phone. Raises TwimlError for everything else.
    """
    if not body.strip():
        return []
    if content_type == "text/plain":
        return [body.strip()]
    if content_type not in _XML_TYPES:
        raise TwimlError(NOT_TWIML)
    try:
        # The XML comes from the app under test, and expat itself limits the expansion of entities.
        root = ET.fromstring(body)  # noqa: S314
    except ET.ParseError as error:
        raise TwimlError(NOT_XML) from error
    if root.tag != "Response":
        raise TwimlError(NOT_XML)
    return [text for message in root.iter("Message") if (text := _text(message))]


def _text(message: ET.Element) -> str:
    bodies = message.findall("Body")
    return "".join("".join(part.itertext()) for part in bodies or [message]).strip()
