"""A store for large payloads in this process, which may return changed payloads, or fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from azure.core.exceptions import ServiceRequestError
from durabletask.payload import LargePayloadStorageOptions, PayloadStore

from orchestration.runtime.payload_store import CONTAINER

PREFIX: Final = f"blob:v1:{CONTAINER}:"


class MemoryPayloadStore(PayloadStore):
    """Keeps payloads of more than `threshold` bytes. `change` changes a text on reading, as an intruder could."""

    def __init__(self, threshold: int) -> None:
        self._options = LargePayloadStorageOptions(threshold_bytes=threshold)
        self.kept: dict[str, bytes] = {}
        self.change: Callable[[str], str] = lambda text: text
        self.down = False

    @property
    def options(self) -> LargePayloadStorageOptions:
        return self._options

    def upload(self, data: bytes, *, instance_id: str | None = None) -> str:
        self._answer()
        name = f"{PREFIX}{instance_id}/{len(self.kept)}"
        self.kept[name] = data
        return name

    async def upload_async(self, data: bytes, *, instance_id: str | None = None) -> str:
        return self.upload(data, instance_id=instance_id)

    def download(self, token: str) -> bytes:
        self._answer()
        return self.change(self.kept[token].decode()).encode()

    async def download_async(self, token: str) -> bytes:
        return self.download(token)

    def is_known_token(self, value: str) -> bool:
        return value.startswith("blob:v1:")

    def _answer(self) -> None:
        if self.down:
            raise ServiceRequestError("no route to the store")
