"""Opens places by their address, and finds what is wrong with those that policies name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bot.documents.folder import DocumentFolder
from bot.documents.place import DocumentPlace, PlaceError
from bot.documents.store import DocumentStore
from orchestration.domain.documents import LOCAL_SCHEMES, path_of, scheme_of
from orchestration.domain.policy import Policy


def open_place(address: str) -> DocumentPlace:
    """The place of that address; nothing is looked for there yet. Raises `PlaceError`."""
    return DocumentFolder(path_of(address)) if scheme_of(address) in LOCAL_SCHEMES else DocumentStore(address)


def faults(policies: Mapping[str, Policy]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each place that a policy names and that cannot be used, and why. Looks at every one of them."""
    for key, policy in policies.items():
        documents = policy.documents
        if documents is None:
            continue
        for name in ("place", "published", "archived"):
            if (words := _fault(getattr(documents, name))) is not None:
                yield ("policies", key, "documents", name), words


def _fault(address: str) -> str | None:
    try:
        return open_place(address).fault()
    except PlaceError as error:
        return str(error)
