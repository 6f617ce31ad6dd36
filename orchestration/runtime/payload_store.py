"""The store for what is too large for a Durable Task Scheduler: a container of Azure Blob storage, set by a setting."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError
from durabletask.payload import LargePayloadStorageOptions, PayloadStore

from orchestration.domain.errors import HubUnavailableError
from orchestration.runtime.hub_address import HubSettingError, is_local
from orchestration.runtime.scheduler import Credential

T = TypeVar("T")

log = logging.getLogger(__name__)

SETTING: Final = "COUNTERSIGN_PAYLOAD_STORE"
# The container that every SDK uses, and the form of the names in it.
CONTAINER: Final = "durabletask-payloads"
_TOKEN: Final = f"blob:v1:{CONTAINER}:"
UNREACHABLE: Final = (
    "The store for what is too large for the task hub cannot be used just now, so nothing was recorded. Please try "
    "again in a moment."
)


class OurPayloadStore(PayloadStore):
    """The SDK's store in Azure, used only from threads. It fetches nothing from other containers of the account.

    It raises its faults as `HubUnavailableError`: without the store the hub cannot be used either.
    """

    def __init__(self, inner: PayloadStore) -> None:
        self._inner = inner
        # Not the event loop's threads: code there may wait for a call to the hub, and that call waits for this
        # store.
        self._threads = ThreadPoolExecutor(4, "payloads")

    @property
    def options(self) -> LargePayloadStorageOptions:
        """The size in bytes from which a payload is stored, and the largest size allowed."""
        return self._inner.options

    def upload(self, data: bytes, *, instance_id: str | None = None) -> str:
        """Raises `HubUnavailableError`."""
        return _translated(lambda: self._inner.upload(data, instance_id=instance_id))

    async def upload_async(self, data: bytes, *, instance_id: str | None = None) -> str:
        """Raises `HubUnavailableError`."""
        upload = partial(self.upload, data, instance_id=instance_id)
        return await asyncio.get_running_loop().run_in_executor(self._threads, upload)

    def download(self, token: str) -> bytes:
        """The stored text, read as UTF-8. Raises `HubUnavailableError`, also where the stored bytes are not UTF-8."""
        try:
            found = _translated(lambda: self._inner.download(token))
            found.decode()
        except (UnicodeDecodeError, EOFError, OSError, zlib.error) as error:
            log.warning("what is stored as %s cannot be read (%s)", token, type(error).__name__)
            raise HubUnavailableError(UNREACHABLE) from error
        return found

    async def download_async(self, token: str) -> bytes:
        """Raises `HubUnavailableError`."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.download, token)

    def is_known_token(self, value: str) -> bool:
        """Whether the token names a payload in our container."""
        return value.startswith(_TOKEN) and self._inner.is_known_token(value)


def _translated(call: Callable[[], T]) -> T:
    try:
        return call()
    except AzureError as error:
        raise HubUnavailableError(UNREACHABLE) from error


def open_payload_store(setting: str, credential: Credential | None) -> PayloadStore:
    """The store of that connection string, or at that `https://ACCOUNT.blob…` by the scheduler's credential.

    Connects to nothing yet. Raises `HubSettingError`.
    """
    try:
        # Imported late: it comes with an extra of the package.
        from durabletask.extensions.azure_blob_payloads import (  # noqa: PLC0415
            BlobPayloadStore,
            BlobPayloadStoreOptions,
        )
    except ImportError as error:
        raise HubSettingError(f"{SETTING}: needs pip install 'countersign[azure]' ({error}).") from error
    is_url = setting.startswith(("https://", "http://"))
    if is_url and credential is None:
        raise HubSettingError(
            f"{SETTING}: an address goes with a scheduler that we send tokens to; with Authentication=None give the "
            "storage account's connection string."
        )
    url, more = (setting, credential) if is_url else (None, None)
    options = BlobPayloadStoreOptions(
        container_name=CONTAINER,
        connection_string=None if is_url else setting,
        account_url=url,
        credential=more,
    )
    try:
        store = BlobPayloadStore(options)
        place = urlsplit(store._blob_service_client.url)  # noqa: SLF001 - however it was named
    except ValueError:  # the error's text may hold the account's key
        raise HubSettingError(
            f"{SETTING}: is neither the https:// address of a storage account's blobs nor its connection string; copy "
            'one from "Access keys" or "Endpoints" of the account.'
        ) from None
    if place.scheme != "https" and not is_local(place.hostname or ""):
        raise HubSettingError(f"{SETTING}: nothing is sent to {place.hostname} over http://; give https://.")
    return OurPayloadStore(store)
