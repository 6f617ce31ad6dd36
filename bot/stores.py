"""Reaches a store such as an S3 bucket by its address, through fsspec. Its credentials are the environment's."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from fsspec.core import url_to_fs

from orchestration.domain.errors import CountersignError

# The extra of Countersign that pip has to install for each scheme.
EXTRAS: Final = {"s3": "s3", "s3a": "s3", "az": "azure", "abfs": "azure", "abfss": "azure"}
# These are read-only, or store nothing.
UNFIT: Final = frozenset({"http", "https", "data", "ftp"})


class StoreAddressError(CountersignError):
    """An address that no store can be reached by."""


def open_store(address: str, example: str) -> tuple[Any, str]:
    """The file system of that address, and the path in it. Connects to nothing yet.

    Raises `StoreAddressError`: why not, and what to do, as the rest of a sentence that begins with the setting.
    """
    scheme = urlsplit(address).scheme
    if not scheme or scheme in UNFIT:
        raise StoreAddressError(f"{address!r} is no address of a store; give one such as {example}")
    how = {"auto_mkdir": True} if scheme in {"file", "local"} else {}
    try:
        files, root = url_to_fs(address, **how)
    except ImportError as error:
        extra = EXTRAS.get(scheme)
        remedy = f"pip install 'countersign[{extra}]'" if extra else "install what fsspec needs for it"
        raise StoreAddressError(f"{scheme}:// is not installed; {remedy} ({error})") from error
    except (ValueError, OSError) as error:
        raise StoreAddressError(f"{address!r} cannot be used; correct it ({error})") from error
    return files, root
