"""Every error this package raises on purpose; each docstring is its default message, fit for a person."""

from __future__ import annotations

import inspect


class CountersignError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or inspect.cleandoc(type(self).__doc__ or ""))


class PolicyError(CountersignError):
    """The policy file is not valid."""


class InvalidRequestError(CountersignError):
    """The request is not valid."""

    def __init__(self, message: str | None = None, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class TooManyOpenError(InvalidRequestError):
    """The asker has as many requests open as they may."""

    def __init__(self, most: int, token: str | None) -> None:
        whose = f"The token {token} has" if token else "You have"
        super().__init__(
            f"{whose} as many requests open as may be at once ({most}). Withdraw one, or wait until one is decided."
        )


class UnknownRequestError(CountersignError):
    """There is no request with that ID."""


class IdempotencyConflictError(CountersignError):
    """That idempotency key was already used for a different request."""


class ReservedEventError(CountersignError):
    """Approvals are decided through /api/approvals/{id}/decision, never by raising their events."""


class NotInvolvedError(CountersignError):
    """Only the people of this request can see all of it: who asked, who may decide it or was told, and its owner."""


class OwnInstanceError(CountersignError):
    """That instance is one of Countersign's own: no event from outside reaches it, and it never runs again."""


class EndedInstanceError(CountersignError):
    """The instance has ended."""


class WrongStateError(CountersignError):
    """The instance is in no state for that."""


class ForeignCallError(CountersignError):
    """That call was asked for with another token, and only the token that asked may make it."""


class UnusableApprovalError(CountersignError):
    """The approval cannot be used, so the call must not be made."""


class UnprovenOutcomeError(CountersignError):
    """The request has ended, but there is no outcome on record that is about what was asked. Nothing was approved."""


class HubUnavailableError(CountersignError):
    """The task hub cannot be reached just now, so nothing was recorded. Please try again in a moment."""


class HubSilentError(HubUnavailableError):
    """The task hub did not answer in time, so I cannot tell whether that counts. Please do it again: it counts once."""


class RecordsUnavailableError(CountersignError):
    """The records cannot be written to just now, so nothing was done. The server's log says why."""


class DeliveryError(CountersignError):
    """The message cannot be delivered. Trying again will not help."""


class RevokedTokenError(DeliveryError):
    """The token that asked was revoked, so the response that it wanted is not sent."""


class TryFailedError(CountersignError):
    """This try failed; the next may succeed."""

    def __init__(self, message: str | None = None, *, maybe_done: bool = True) -> None:
        """maybe_done: whether it may have been done all the same, and only the answer was lost."""
        super().__init__(message)
        self.maybe_done = maybe_done


class NumberDecryptionError(CountersignError):
    """That phone number cannot be read: it was encrypted under a secret that is no longer known."""


class SmsRefusedError(DeliveryError):
    """The SMS cannot be sent, and trying again will not help.

    `trouble` is the value of a challenge's `Trouble`, and `code` the provider's number for the reason.
    """

    def __init__(self, trouble: str, code: int | None = None) -> None:
        super().__init__(f"the SMS provider refused it ({trouble}, code {code})")
        self.trouble = trouble
        self.code = code


class MailRefusedError(DeliveryError):
    """The e-mail cannot be sent, and trying again will not help.

    `trouble` is the value of a challenge's `Trouble`, and `code` the mail server's reply code.
    """

    def __init__(self, trouble: str, code: int | None = None) -> None:
        super().__init__(f"the mail server refused it ({trouble}, code {code})")
        self.trouble = trouble
        self.code = code


class ThrottledError(CountersignError):
    """The chat system asks us to wait."""

    def __init__(self, retry_after: float, message: str | None = None) -> None:
        """retry_after: seconds until the next try may succeed."""
        super().__init__(message)
        self.retry_after = retry_after
