"""A store such as an S3 bucket or an Azure container as a place of documents."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

from bot.documents.names import is_document, is_plain
from bot.documents.place import CHUNK, DocumentChangedError, PlacedDocument, PlaceError, Sink
from bot.stores import StoreAddressError, open_store

# The fields that change with an object's content; each store has some of them.
_STAMPS: Final = (
    "ETag",
    "etag",
    "VersionId",
    "version_id",
    "generation",
    "LastModified",
    "last_modified",
    "mtime",
)
_NO_ENTRY: Final = frozenset(
    {"NoCredentialsError", "ClientAuthenticationError"}
)  # of libraries that may be missing
_NOT_ALLOWED: Final = "this server may not use {address}; check its credentials and rights ({error})"


class DocumentStore:
    """See `DocumentPlace`. A name holds no separator, so each is an object just under the address."""

    def __init__(self, address: str) -> None:
        """Raises `PlaceError` for an address that no store has."""
        self.address = address.rstrip("/")
        try:
            self._files, root = open_store(address, "s3://bucket/inbox")
        except StoreAddressError as error:
            raise PlaceError(str(error)) from error
        self._root = root.rstrip("/")

    def entries(self) -> list[PlacedDocument]:
        """The documents that are there now. A prefix that no object has is an empty place."""
        return [
            entry
            for info in self._listed()
            if (entry := self._stamped(info)) is not None and is_document(entry.name) and entry.size
        ]

    def entry(self, name: str) -> PlacedDocument | None:
        """Returns the document of that name, by one call."""
        if not is_plain(name):
            return None
        self._files.invalidate_cache()
        try:
            return self._stamped(self._files.info(self._path(name)))
        except FileNotFoundError:
            return None

    def read(self, entry: PlacedDocument, sink: Sink) -> str:
        """Reads the document. It is looked up before and after, as reading may take several calls."""
        sha256 = hashlib.sha256()
        if self._now(entry) != entry:
            raise DocumentChangedError
        left = entry.size
        try:
            with self._files.open(self._path(entry.name), "rb", cache_type="none") as reading:
                while left > 0 and (piece := reading.read(min(CHUNK, left))):
                    left -= len(piece)
                    sha256.update(piece)
                    sink(piece)
        except OSError as error:
            if self._now(entry) != entry:
                raise DocumentChangedError from error
            raise
        if left or self._now(entry) != entry:
            raise DocumentChangedError
        return sha256.hexdigest()

    def add(self, name: str, path: Path) -> bool:
        """Adds the document by a conditional write, if the store supports it."""
        if self.entry(name) is not None:
            return False
        try:
            self._files.put_file(str(path), self._path(name), mode="create")
        except Exception:
            if self.entry(name) is not None:  # a store says in its own way that the condition does not hold
                return False
            raise
        return True

    def remove(self, entry: PlacedDocument) -> bool:
        """Removes the document. A change since the last check is lost, unless the store keeps versions."""
        there = self.entry(entry.name)
        if there is not None and there != entry:
            return False
        if there is not None:
            self._files.rm_file(self._path(entry.name))
        return True

    def fault(self) -> str | None:
        """Returns why the bucket or container cannot be reached. Write access is known only at the first write."""
        try:
            self._files.invalidate_cache()
            self._look_for_bucket()
        except PlaceError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever the library of the store raises
            return f"{self.address} cannot be reached; check its address and the network ({_words(error)})"
        return None

    def _listed(self) -> list[dict[str, Any]]:
        self._files.invalidate_cache()
        try:
            found: list[dict[str, Any]] = self._files.ls(self._root, detail=True)
        except FileNotFoundError:
            self._look_for_bucket()
            return []
        except Exception as error:
            self._refuse(error)
            raise
        return found

    def _look_for_bucket(self) -> None:
        bucket = self._root.strip("/").split("/")[0]
        try:
            self._files.info(bucket)
        except FileNotFoundError as error:
            raise PlaceError(
                f"{self.address}: there is no {bucket}; make it, or correct the address"
            ) from error
        except Exception as error:
            self._refuse(error)
            raise

    def _refuse(self, error: Exception) -> None:
        """Raises `PlaceError` where the store does not let this server in."""
        if isinstance(error, PermissionError) or type(error).__name__ in _NO_ENTRY:
            raise PlaceError(_NOT_ALLOWED.format(address=self.address, error=_words(error))) from error

    def _now(self, entry: PlacedDocument) -> PlacedDocument | None:
        found = self.entry(entry.name)
        if found is None:
            raise FileNotFoundError(entry.name)
        return found

    def _stamped(self, info: dict[str, Any]) -> PlacedDocument | None:
        path = str(info["name"]).rstrip("/")
        name = path.removeprefix(self._root).lstrip("/")
        if info.get("type") != "file" or not path.startswith(self._root) or not is_plain(name):
            return None
        stamp = "|".join(f"{key}={info[key]}" for key in _STAMPS if info.get(key) is not None)
        return PlacedDocument(name, int(info.get("size") or 0), stamp or f"created={info.get('created')}")

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
