"""The named SQL statements as attributes: those of `queries.sql` of `Q`, those of `checks.sql` of `CHECKS`."""

from importlib import resources
from typing import Final


class _Queries:
    def __init__(self, source: str) -> None:
        for block in source.split("-- name: ")[1:]:
            name, _, body = block.partition("\n")
            lines = [line for line in body.splitlines() if not line.startswith("--")]
            setattr(self, name.strip(), " ".join(" ".join(lines).split()).rstrip("; "))

    def __getattr__(self, name: str) -> str:
        raise AttributeError(f"no statement is named {name!r}")


def script(name: str) -> str:
    """The text of a `.sql` file of this package."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


Q: Final = _Queries(script("queries.sql"))
CHECKS: Final = _Queries(script("checks.sql"))
