"""Copies of the logs in a store, such as an S3 bucket: new objects only, none of which is ever written again."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import urlsplit

from fsspec.core import url_to_fs

from bot.config import SettingError
from orchestration.domain.errors import CountersignError

# What pip has to install for it, beside what fsspec brings along.
EXTRAS: Final = {"s3": "s3", "s3a": "s3", "az": "azure", "abfs": "azure", "abfss": "azure"}
# They cannot be written to, or keep nothing.
UNFIT: Final = frozenset({"http", "https", "data", "ftp"})
_SEGMENT: Final = re.compile(r"entries-([0-9]{12,})-([0-9]{12,})\.jsonl$")


class StoreConflictError(CountersignError):
    """The store has something else at the place of what was to be copied."""


class RecordStore:
    """One store. Each call may take as long as the store takes, and may raise whatever its library raises."""

    def __init__(self, address: str) -> None:
        """`address`: as fsspec takes it. Raises `SettingError`."""
        scheme = urlsplit(address).scheme
        if not scheme or scheme in UNFIT:
            raise SettingError(
                f"COUNTERSIGN_RECORDS_STORE: {address!r} is no address of a store; give one such as s3://bucket/records."
            )
        how = {"auto_mkdir": True} if scheme in {"file", "local"} else {}
        try:
            self._files, self._root = url_to_fs(address, **how)
        except ImportError as error:
            extra = EXTRAS.get(scheme)
            remedy = f"pip install 'countersign[{extra}]'" if extra else "install what fsspec needs for it"
            raise SettingError(
                f"COUNTERSIGN_RECORDS_STORE: {scheme}:// is not installed; {remedy} ({error})."
            ) from error
        except (ValueError, OSError) as error:
            raise SettingError(
                f"COUNTERSIGN_RECORDS_STORE: {address!r} cannot be used; correct it ({error})."
            ) from error

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
        """Copies a head. `at` sets it apart from others of the same entry."""
        self._put(f"{log}/heads-{sequence:012}-{re.sub(r'[^0-9]', '', at)[:20]}.jsonl", head.encode() + b"\n")

    def _put(self, name: str, data: bytes) -> None:
        """Nothing that is there is written over, but for a part of the same, which a kill may have left."""
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
