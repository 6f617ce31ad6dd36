"""The two kinds of errors: one has a sentence for a person, the other a code for an app."""

from typing import Any


class SimulatorError(Exception):
    """The simulator cannot do what was asked; the message is a sentence that says why."""


class SlackError(Exception):
    """A Web API call that ends in ``{"ok": false, "error": code}``, with Slack's own code.

    `details` are the further keys of the body (`needed`, `provided`, `errors`, `response_metadata`).
    """

    def __init__(self, code: str, **details: Any) -> None:
        super().__init__(code)
        self.code = code
        self.details = details

    def body(self) -> dict[str, Any]:
        """Return the response body, in Slack's key order."""
        return {"ok": False, "error": self.code, **self.details}


def bad_arguments(*messages: str) -> SlackError:
    """Return the error ``invalid_arguments``, with the reasons at the place where Slack puts them."""
    return SlackError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {m}" for m in messages]})
