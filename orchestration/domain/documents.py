"""Document review, as a part of a policy: which place is watched, and what a review asks. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Final
from urllib.parse import quote, urlsplit

from pydantic import Field, StrictBool

from orchestration.domain.ids import PersonId
from orchestration.domain.request import ApprovalRequest, Duration, Recorded
from orchestration.domain.text import prose

DECIDED_WITHIN: Final = "72h"
NAME_LENGTH: Final = 400  # characters; a field of a request holds 500
TITLE_LENGTH: Final = 150
LOCAL_SCHEMES: Final = frozenset({"", "file", "local"})

# The request's fields that describe the document. So each vote is for this name and this SHA-256.
NAME: Final = "document"
SIZE: Final = "size"
TYPE: Final = "type"
SHA256: Final = "sha256"
WHERE: Final = "where"
_FIELDS: Final = (
    {"name": NAME, "required": True},
    {"name": SIZE, "required": True},
    {"name": TYPE, "required": True},
    {"name": SHA256, "label": "SHA-256", "required": True},
    {"name": WHERE, "required": True},
)
# Slack previews these types. Of any other it shows only the name, which the card already has.
_SHOWN: Final = frozenset(
    {
        "application/json",
        "application/msword",
        "application/pdf",
        "application/rtf",
        "application/vnd.ms-excel",
        "application/vnd.ms-powerpoint",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
    }
)
_SHOWN_FAMILIES: Final = ("text/", "application/vnd.openxmlformats-officedocument.")

# Matches most names. They are kept unchanged, which is faster for a place with ten thousand of them.
_PLAIN: Final = re.compile(r"[A-Za-z0-9._-]{1,400}")
# Surrogates: Python decodes names in another encoding to these, and they cannot be kept.
_NO_UTF8: Final = re.compile("[\ud800-\udfff]")

Place = Annotated[str, Field(min_length=1, max_length=500)]


class Documents(Recorded):
    """`[policies.NAME.documents]`: each document that appears in `place` is reviewed under this policy.

    The three places are folders of this machine, or addresses such as `s3://bucket/inbox`.
    """

    place: Place
    published: Place = Field(description="Where a document goes once its review is approved")
    archived: Place = Field(description="Where it goes when the review ends in any other way")
    requester: PersonId = Field(description="In whose name the reviews are asked")
    link: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s]*\{name\}[^\s]*$",
        max_length=300,
        description="Where people read a document; `{name}` stands for its name",
    )
    look_every: Duration = timedelta(seconds=30)
    unchanged_for: Duration = Field(
        default=timedelta(seconds=10), description="How long a document has to be as it is before it is asked"
    )
    open_at_once: int = Field(default=20, ge=1, le=100, description="How many reviews are open at once")
    largest_mb: int = Field(default=100, ge=1, le=1000, description="In megabytes of 1,000,000 bytes")
    preview: StrictBool = Field(default=True, description="Whether the document is shown under its card")
    preview_largest_mb: int = Field(default=5, ge=1, le=50)

    def faults(self) -> Iterator[str]:
        """Why the three places cannot work together: sentences without a full stop."""
        places = {"place": self.place, "published": self.published, "archived": self.archived}
        for name, place in places.items():
            if scheme_of(place) in LOCAL_SCHEMES and not path_of(place).startswith("/"):
                yield (
                    f"documents.{name} is {place!r}; give the whole path of a folder, or an address such as "
                    "s3://bucket/inbox"
                )
        for name in ("published", "archived"):
            if _within(places[name], self.place):
                yield f"documents.{name} is documents.place or lies in it; name a place beside it"
            elif _within(self.place, places[name]):
                yield f"documents.place lies in documents.{name}; name a place beside it"
        if overlap(self.published, self.archived):
            yield (
                "documents.archived and documents.published are one place, or one lies in the other; keep them apart"
            )

    def request(self, policy: str, document: ReviewedDocument, key: str) -> ApprovalRequest:
        """The request for a review of that document. Equal documents and keys give equal requests."""
        title = f"Review {document.name}"
        return ApprovalRequest(
            policy=policy,
            title=title if len(title) <= TITLE_LENGTH else title[: TITLE_LENGTH - 1] + "…",
            requester=self.requester,
            fields={
                NAME: document.name,
                SIZE: f"{document.size:,} bytes",
                TYPE: document.media_type,
                SHA256: document.sha256,
                WHERE: self.address_of(document.name),
            },
            idempotency_key=key,
        )

    def address_of(self, name: str) -> str:
        """Where people find the document: by the policy's `link`, else its place."""
        if self.link is not None:
            return self.link.replace("{name}", quote(name, safe=""))[:NAME_LENGTH]
        return f"{self.place.rstrip('/')}/{name}"[: NAME_LENGTH + 100]


class ReviewedDocument(Recorded):
    """The document of a review. `name` is as a request keeps it: see `orchestration.domain.text`."""

    name: str
    size: int = Field(description="In bytes")
    media_type: str = Field(description="By its name alone")
    sha256: str


class DocumentMove(Recorded):
    """The move of a document once its review has ended. It is moved only if it is still what was reviewed."""

    place: str
    target: str
    name: str
    size: int = Field(description="In bytes")
    sha256: str
    publishes: bool


def reviewed(request: ApprovalRequest) -> ReviewedDocument:
    """The document of a review's request."""
    fields = request.fields
    return ReviewedDocument(
        name=fields[NAME],
        size=int(fields[SIZE].split(" ", maxsplit=1)[0].replace(",", "")),
        media_type=fields[TYPE],
        sha256=fields[SHA256],
    )


def has_preview(documents: Documents, document: ReviewedDocument) -> bool:
    """Whether the chat system can show it, and the policy wants that."""
    shown = document.media_type in _SHOWN or document.media_type.startswith(_SHOWN_FAMILIES)
    return documents.preview and shown and document.size <= documents.preview_largest_mb * 1_000_000


def kept_name(name: str) -> str | None:
    """The name as a request keeps it; None for one that is too long for that, shows nothing, or is not UTF-8."""
    if _PLAIN.fullmatch(name):
        return name
    if _NO_UTF8.search(name):
        return None
    kept = prose(name)
    return kept if kept and "\n" not in kept and len(kept) <= NAME_LENGTH else None


def completed(table: Mapping[str, Any]) -> dict[str, Any]:
    """A policy's table with the defaults of a policy for documents added: its fields, and how long a level waits."""
    if "documents" not in table:
        return dict(table)
    levels = table.get("levels")
    timed = [
        {"timeout": DECIDED_WITHIN, **level} if isinstance(level, dict) else level
        for level in (levels if isinstance(levels, list) else ())
    ]
    waiting = {"levels": timed} if isinstance(levels, list) else {}
    return {**table, **waiting, "fields": [*_FIELDS]}


def file_faults(key: str, table: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """The places where a policy for documents sets what it cannot have, each with why that is wrong."""
    if "documents" not in table:
        return
    if "fields" in table:
        yield ("policies", key, "fields"), "a policy with documents fills in its own fields; remove them"
    for name in ("auto_approve_below", "auto_approve_when", "require_amount"):
        if name in table:
            yield (
                ("policies", key, name),
                "does not go with documents, which somebody reviews and which have no amount; remove it",
            )


def scheme_of(place: str) -> str:
    """The scheme of an address; empty for a path."""
    return urlsplit(place).scheme if "://" in place else ""


def path_of(place: str) -> str:
    """What follows the scheme."""
    return place.partition("://")[2] if "://" in place else place


def overlap(one: str, other: str) -> bool:
    """Whether two places are one, or one of them lies in the other, by their names."""
    return _within(one, other) or _within(other, one)


def _within(inner: str, outer: str) -> bool:
    """Whether one place is the other, or lies in it, by their names."""
    schemes = [scheme_of(place) for place in (inner, outer)]
    local = [scheme in LOCAL_SCHEMES for scheme in schemes]
    if local[0] != local[1] or (not local[0] and schemes[0] != schemes[1]):
        return False
    inner, outer = (posixpath.normpath("/" + path_of(place).strip("/")) for place in (inner, outer))
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")
