"""The keywords by which a person opts out or in. Twilio itself answers them."""

from typing import Final, Literal

Keyword = Literal["STOP", "START", "HELP"]

# Source: https://help.twilio.com/articles/223134027 (opt-out keywords)
_STOP: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"})
_START: Final = frozenset({"START", "YES", "UNSTOP"})
_HELP: Final = frozenset({"HELP", "INFO"})

STANDARD_REPLIES: Final[dict[Keyword, str]] = {
    "STOP": (
        "You have successfully been unsubscribed. You will not receive any more messages from this number."
        " Reply START to resubscribe."
    ),
    "START": (
        "You have successfully been re-subscribed to messages from this number. Reply HELP for help."
        " Reply STOP to unsubscribe. Msg&Data Rates May Apply."
    ),
    "HELP": "Reply STOP to unsubscribe. Msg&Data Rates May Apply.",
}


def keyword(body: str) -> Keyword | None:
    """Return what a text means to Twilio. A keyword counts only if it is the whole text, in upper or lower case."""
    word = body.strip().upper()
    if word in _STOP:
        return "STOP"
    if word in _START:
        return "START"
    return "HELP" if word in _HELP else None
