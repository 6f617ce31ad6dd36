"""The errors of the hub. Each message says what the caller can do."""


class HubError(Exception):
    """The hub cannot open its file, serve, or do what was asked."""


class StoppingError(HubError):
    """The hub is stopping: nothing was changed, and the caller may ask again when it is back."""

    def __init__(self) -> None:
        super().__init__("The hub is stopping. Ask again when it is back.")


class RefusedError(HubError):
    """The hub refuses a request; nothing was changed."""


class NotFoundError(RefusedError):
    """No such orchestration instance."""


class AlreadyExistsError(RefusedError):
    """The instance ID is taken."""


class InvalidError(RefusedError):
    """The request itself is malformed or too large."""


class NotReadyError(RefusedError):
    """The instance is not in a state that allows this."""


class StaleError(RefusedError):
    """The work was dispatched again or completed, or belongs to an execution that is over."""


class UnsupportedError(RefusedError):
    """The request needs a part of the protocol that this hub does not serve."""


class FullError(RefusedError):
    """The disk is full: the request was not recorded and may be sent again when there is space."""


class LockedError(HubError):
    """Another program has the file locked: the request was not recorded and may be sent again when it is not."""


class DamagedError(HubError):
    """The file is damaged: restore it from a backup."""
