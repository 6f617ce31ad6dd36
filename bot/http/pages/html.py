"""HTML that cannot be broken out of: every string is escaped where it is put in, unless it was made here."""

from __future__ import annotations

from html import escape
from typing import TypeAlias

Child: TypeAlias = "Html | str | None"


class Html:
    """A piece of a page. Only `tag` and `run` make one."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return self._text


def tag(name: str, *children: Child, **attributes: str) -> Html:
    """An element; `class_` is the attribute `class`. A child that is None is left out."""
    given = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{given}>{run(*children)}</{name}>")


def run(*children: Child) -> Html:
    """Children in a row, without an element around them."""
    return Html("".join(_put(child) for child in children if child is not None))


def document(title: str, style: str, *body: Child) -> str:
    """A whole page. `style` is a stylesheet of ours."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n{run(*body)}\n</body>\n</html>\n"
    )


def _put(child: Html | str) -> str:
    return str(child) if isinstance(child, Html) else escape(child)
