"""What the hub can refuse, in sentences a caller can act on."""


class HubError(Exception):
    """The hub cannot open, serve or do what was asked; the message says what to do about it."""


class RefusedError(HubError):
    """A request that the hub will not carry out; nothing was changed."""


class NotFoundError(RefusedError):
    """No such orchestration instance."""


class AlreadyExistsError(RefusedError):
    """The instance ID is taken."""


class InvalidError(RefusedError):
    """The request itself is malformed or too large."""


class NotReadyError(RefusedError):
    """The instance is not in a state that allows this."""


class StaleError(RefusedError):
    """The work was handed to somebody else, or belongs to an execution that is over."""


class UnsupportedError(RefusedError):
    """Part of the protocol that this hub does not serve."""


class FullError(RefusedError):
    """The disk is full: the request was not recorded and may be sent again when there is space."""


class DamagedError(HubError):
    """The file is damaged: restore it from a backup."""
