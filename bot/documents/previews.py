"""Shows documents under their cards: what is reviewed, and nothing that was changed since."""

from __future__ import annotations

import io
from collections.abc import Callable

from bot.documents.mover import find
from bot.documents.place import DocumentChangedError, PlaceError
from bot.documents.places import open_place
from bot.slack.api.files import SlackFiles
from orchestration.domain.documents import ReviewedDocument
from orchestration.domain.effects import PostPreviewInput
from orchestration.domain.errors import DeliveryError, TryFailedError


class DocumentPreviews:
    """`orchestration.ports.Previews`."""

    def __init__(self, files: SlackFiles) -> None:
        self._files = files

    def post_preview(self, preview: PostPreviewInput, begin: Callable[[], bool]) -> None:
        """Reads the document, and uploads it if its SHA-256 is still the one that is reviewed."""
        data = _read(preview.place, preview.document)
        if begin():
            self._files.share(preview.ref, preview.document.name, _title(preview.document), data)

    def has_preview(self, preview: PostPreviewInput) -> bool:
        """By the title, which holds the SHA-256."""
        return self._files.is_shared(preview.ref, _title(preview.document))


def _title(document: ReviewedDocument) -> str:
    return f"{document.name[:150]} (SHA-256 {document.sha256[:16]}…)"


def _read(address: str, document: ReviewedDocument) -> bytes:
    held = io.BytesIO()
    try:
        place = open_place(address)
        entry = find(place, document.name)
        # What has another size by now may be larger than there is memory.
        same = entry is not None and entry.size == document.size
        sha256 = place.read(entry, held.write) if entry is not None and same else None
    except PlaceError as error:
        raise TryFailedError(f"{error}.", maybe_done=False) from error
    except (DocumentChangedError, FileNotFoundError):
        sha256 = None
    except Exception as error:
        raise TryFailedError(
            f"the document could not be read ({type(error).__name__}).", maybe_done=False
        ) from error
    if sha256 != document.sha256:
        raise DeliveryError("it is not in its place any more as it was asked for.")
    return held.getvalue()
