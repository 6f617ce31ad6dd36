"""Copies of the logs in a store, such as an S3 bucket: new objects only, none of which is ever written again."""

from __future__ import annotations

import re
from typing import Any, Final

from bot.setting_sources import SettingError
from bot.stores import StoreAddressError, open_store
from orchestration.domain.errors import CountersignError

_SEGMENT: Final = re.compile(r"entries-([0-9]{12,})-([0-9]{12,})\.jsonl$")


class StoreConflictError(CountersignError):
    """The store has something else at the place of what was to be copied."""


class RecordStore:
    """One store. Each call may take as long as the store takes, and may raise whatever its library raises."""

    def __init__(self, address: str) -> None:
        """`address`: as fsspec takes it. Raises `SettingError`."""
        try:
            self._files, self._root = open_store(address, "s3://bucket/records")
        except StoreAddressError as error:
            raise SettingError(f"COUNTERSIGN_RECORDS_STORE: {error}.") from error

    def look(self) -> None:
        """Lists the top level, to check access. An empty store is no fault."""
        try:
            self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return

    def last(self, log: str) -> int:
        """The last entry of the log that is there; 0 where there is none."""
        self._files.invalidate_cache()
        try:
            names = self._files.ls(f"{self._root}/{log}", detail=False)
        except FileNotFoundError:
            return 0
        return max((int(found[2]) for name in names if (found := _SEGMENT.search(str(name)))), default=0)

    def put_entries(self, log: str, first: int, last: int, lines: bytes) -> None:
        """Copies entries. Raises `StoreConflictError` where others are there already."""
        self._put(f"{log}/entries-{first:012}-{last:012}.jsonl", lines)

    def put_head(self, log: str, sequence: int, at: str, head: str) -> None:
        """Copies a head. `at` distinguishes it from other heads of the same entry."""
        self._put(f"{log}/heads-{sequence:012}-{re.sub(r'[^0-9]', '', at)[:20]}.jsonl", head.encode() + b"\n")

    def _put(self, name: str, data: bytes) -> None:
        """Writes an object. It only overwrites a part of the same object, which a kill may have left."""
        path = f"{self._root}/{name}"
        try:
            self._files.pipe_file(path, data, mode="create")
        except FileExistsError:
            there = self._read(path)
            if there == data:
                return
            if not data.startswith(there):
                raise StoreConflictError(f"{name} in the store is not what was to be copied there.") from None
            self._files.pipe_file(path, data)

    def _read(self, path: str) -> bytes:
        found: Any = self._files.cat_file(path)
        return bytes(found)
