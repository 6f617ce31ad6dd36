"""Splits a shell command into words, if it is one simple command that the shell passes on unchanged."""

from __future__ import annotations

import re
from typing import Final

# Characters without a special meaning in the middle of a word in any POSIX shell. A glob, a brace, a tilde, `!` and
# `#` are left out.
_PLAIN: Final = r"[A-Za-z0-9_@%+=:,./-]+"
_SINGLE: Final = r"'[^'\x00-\x1f\x7f]*'"
_DOUBLE: Final = r'"[^"$`\\!\x00-\x1f\x7f]*"'
_PIECE: Final = re.compile(f"(?P<plain>{_PLAIN})|(?P<single>{_SINGLE})|(?P<double>{_DOUBLE})")
_SPACE: Final = re.compile("[ \t]+")
_RESERVED: Final = frozenset(
    (  # noqa: SIM905 - a table of words
        "if then else elif fi do done case esac while until for in function select time coproc . source eval exec "
        "command builtin alias export declare typeset local readonly set shopt trap nocorrect noglob repeat foreach "
        # These built-ins may run a command inside a word, even a quoted one: `printf -v 'a[$(id)]' x` runs id.
        "end bind compgen complete compopt enable fc getopts hash history jobs let mapfile printf read readarray test "
        # So do these in zsh, which evaluates their numeric arguments.
        "unset wait autoload bindkey break compcall compctl continue echotc echoti emulate exit float functions "
        "integer logout print private r return sched shift vared zcompile zformat zle zmodload zparseopts zregexparse "
        "zstyle"
    ).split()
)


def simple_command(command: str) -> list[str] | None:
    """The words of `command`, as the program gets them; None if it is, or may be, more than one program.

    A command that has words contains no operator, redirection, substitution, expansion, assignment, comment, escape
    or second line. Its first word is no keyword, and no built-in that runs other commands or may run what its words
    contain.
    """
    words: list[str] = []
    text = command.strip(" \t")
    at = 0
    while at < len(text):
        word = ""
        start = at
        while at < len(text) and (piece := _PIECE.match(text, at)) is not None:
            word += piece[0] if piece["plain"] else piece[0][1:-1]
            at = piece.end()
        if at == start:
            return None
        if text[start] == "=":  # zsh replaces such a word by the path of a program
            return None
        words.append(word)
        if at < len(text):
            space = _SPACE.match(text, at)
            if space is None:
                return None
            at = space.end()
    return words if words and _is_program(words[0]) else None


def _is_program(word: str) -> bool:
    return bool(word) and "=" not in word and not word.startswith(("%", "-", "+")) and word not in _RESERVED
