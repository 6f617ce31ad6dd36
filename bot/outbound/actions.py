"""Does what a policy says an outcome does: a POST to another system, or an action from an installed package.

A package offers one under the entry point group `countersign.actions`: a callable that takes the key, the same over
all tries, and the event, and returns a few words for people or None. It runs on a worker thread and may raise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import entry_points
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from orchestration.domain.effects import RunActionInput
from orchestration.domain.errors import CountersignError, DeliveryError, ThrottledError
from orchestration.domain.policy import Policy

GROUP: Final = "countersign.actions"
TIMEOUT: Final = 10  # seconds, to connect and between bytes
ANSWER_READ: Final = 16_384  # bytes; an answer for people is a line, and the other side chooses what it sends
ANSWER_KEPT: Final = 200  # characters
LONGEST_WAIT: Final = 3600.0  # seconds; a system that asks for more is looked at sooner all the same

AGAIN: Final = frozenset({408, 425, 429})

InstalledAction = Callable[[str, dict[str, Any]], str | None]


class ActionFailedError(CountersignError):
    """The other system did not do it this time."""


class MissingActionError(CountersignError):
    """A policy names an action that is not installed."""


def installed() -> dict[str, InstalledAction]:
    """The actions of the installed packages, by name. Raises `MissingActionError` for one that cannot be loaded."""
    found: dict[str, InstalledAction] = {}
    for point in entry_points(group=GROUP):
        try:
            found[point.name] = point.load()
        except Exception as error:
            raise MissingActionError(
                f"The action {point.name} ({point.value}) cannot be loaded: {error}"
            ) from error
    return found


def missing(
    policies: Mapping[str, Policy], known: Mapping[str, InstalledAction]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each place in `policies` that names an action which is not installed, and what to say of it."""
    there = ", ".join(sorted(known)) or "none"
    for key, policy in policies.items():
        for status, actions in policy.on.items():
            for action in actions:
                if action.activity is not None and action.activity not in known:
                    words = f"no installed package has the action {action.activity!r} (installed: {there})"
                    yield ("policies", key, "on", status), words


class OutcomeActions:
    """`orchestration.ports.Actions`. Safe to share between threads."""

    def __init__(self, known: Mapping[str, InstalledAction]) -> None:
        self._known = known

    def run_action(self, action: RunActionInput) -> str:
        """POSTs the event, or calls the installed action. `key` stays the same over all tries."""
        if action.post is not None:
            return self._post(action.post, action.key, action.event)
        return self._call(action.activity or "", action.key, action.event)

    def _post(self, url: str, key: str, event: dict[str, Any]) -> str:
        """POSTs the event as JSON, with `key` as its `Idempotency-Key`.

        Returns the `message` or `id` of a JSON answer, else its status.
        """
        where = urlsplit(url).hostname or "the system"
        try:
            with requests.post(
                url,
                json=event,
                headers={"Idempotency-Key": key},
                timeout=TIMEOUT,
                allow_redirects=False,  # what was approved goes nowhere that no policy names
                stream=True,
            ) as answer:
                return _understood(answer, where)
        except requests.RequestException as error:
            # The library's own words name paths and objects; the person who reads this wants to know which system.
            raise ActionFailedError(f"{where} could not be reached ({type(error).__name__}).") from error

    def _call(self, name: str, key: str, event: dict[str, Any]) -> str:
        """Calls the installed action."""
        action = self._known.get(name)
        if action is None:  # it was there when the request was made
            raise DeliveryError(f"No installed package has the action {name} any more.")
        return (action(key, event) or "")[:ANSWER_KEPT]


def _understood(answer: requests.Response, where: str) -> str:
    """What the other side says for people. Raises as the port does."""
    status = answer.status_code
    if status in AGAIN or status >= 500:
        if (wait := _retry_after(answer.headers.get("Retry-After"))) is not None:
            raise ThrottledError(wait, f"{where} asks us to wait ({status}).")
        raise ActionFailedError(f"{where} answered {status}.")
    said = _words(answer)
    if 200 <= status < 300:
        return said or f"done ({status})"
    if 300 <= status < 400:
        raise DeliveryError(f"{where} answered {status}, a redirect; give its final address in the policy.")
    raise DeliveryError(f"{where} refused it ({status})" + (f": {said}" if said else "."))


def _words(answer: requests.Response) -> str:
    """`message` or `id` of a JSON answer; "" for anything else, as pages of HTML are no words for people."""
    try:
        told = json.loads(_beginning(answer))
    except ValueError:
        return ""
    said = (told.get("message") or told.get("id")) if isinstance(told, dict) else None
    return str(said)[:ANSWER_KEPT] if isinstance(said, (str, int)) else ""


def _beginning(answer: requests.Response) -> bytes:
    """As much of the body as is looked at. More than that is no short answer, and so no JSON that ends."""
    body = b""
    for piece in answer.iter_content(ANSWER_READ):
        body += piece
        if len(body) >= ANSWER_READ:
            break
    return body


def _retry_after(text: str | None) -> float | None:
    """Seconds, of either form of the header; None where it says nothing."""
    if not text:
        return None
    if text.strip().isdigit():
        return min(float(text), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    left = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(left, 0.0), LONGEST_WAIT)
