"""`ask --receipt FILE`: keeps the receipt of the request asked here, and of no other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestration.domain.errors import CountersignError
from orchestration.domain.request import ApprovalRequest


class ReceiptFileError(CountersignError):
    """The receipt cannot be kept."""


class ReceiptFile:
    """The file for a receipt. If it exists, it holds a checked receipt of this request."""

    def __init__(self, path: Path) -> None:
        """Removes the file of an earlier request, so that nobody takes its receipt for this request's.

        Raises `ReceiptFileError` if no file can be written there: better now than after somebody has decided.
        """
        self._path = path
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise ReceiptFileError(f"--receipt: {path} cannot be replaced ({error.strerror}).") from error
        if not path.parent.is_dir() or not os.access(path.parent, os.W_OK | os.X_OK):
            raise ReceiptFileError(
                f"--receipt: nothing can be written into {path.parent}; give another file."
            )

    def keep(self, receipt: str, published: Mapping[str, Any], asked: Asked) -> None:
        """Writes the receipt. Raises `CountersignError` if it is not genuine, or is about another request."""
        # Imported late: asking without --receipt needs no cryptography.
        from bot.cli.receipt_check import OtherReceiptError, check_receipt  # noqa: PLC0415

        claims = check_receipt(receipt, published, {"sub": asked.request_id, "jti": asked.nonce})
        if claims.get("digest") != asked.digest(claims.get("currency")):
            raise OtherReceiptError(
                f"the receipt of {asked.request_id} is genuine, but something else was shown than was asked here."
            )
        fresh = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            fresh.write_text(receipt + "\n")
            fresh.replace(self._path)
        except OSError as error:
            raise ReceiptFileError(
                f"--receipt: {self._path} cannot be written ({error.strerror})."
            ) from error


class Asked:
    """The question that was asked here: the ID and nonce of the request, and its texts."""

    def __init__(self, request_id: str, nonce: str, body: Mapping[str, Any]) -> None:
        """`body`: the body of the POST."""
        self.request_id = request_id
        self.nonce = nonce
        self._body = body

    def digest(self, currency: object) -> str | None:
        """SHA-256 of the question, computed here. The currency is the policy's, and comes from the receipt."""
        said = {name: self._body.get(name) for name in ("policy", "title", "description", "amount", "fields")}
        try:
            return ApprovalRequest.model_validate({**said, "currency": currency, "requester": "-"}).digest()
        except ValidationError:
            return None
