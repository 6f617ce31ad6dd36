"""Reads a shell command that is one simple command, and nothing that the shell would do more with."""

from __future__ import annotations

import re
from typing import Final

# What no POSIX shell gives a meaning in the middle of a word. A glob, a brace, a tilde, `!` and `#` are left out.
_PLAIN: Final = r"[A-Za-z0-9_@%+=:,./-]+"
_SINGLE: Final = r"'[^'\x00-\x1f\x7f]*'"
_DOUBLE: Final = r'"[^"$`\\!\x00-\x1f\x7f]*"'
_PIECE: Final = re.compile(f"(?P<plain>{_PLAIN})|(?P<single>{_SINGLE})|(?P<double>{_DOUBLE})")
_SPACE: Final = re.compile("[ \t]+")
_RESERVED: Final = frozenset(
    (  # noqa: SIM905 - a table of words
        "if then else elif fi do done case esac while until for in function select time coproc . source eval exec "
        "command builtin alias export declare typeset local readonly set shopt trap nocorrect noglob repeat foreach "
        # These may run a command that is in a word, though it is quoted: `printf -v 'a[$(id)]' x` runs id.
        "end bind compgen complete compopt enable fc getopts hash history jobs let mapfile printf read readarray test "
        # So do these in zsh, which computes the numbers that it is given.
        "unset wait autoload bindkey break compcall compctl continue echotc echoti emulate exit float functions "
        "integer logout print private r return sched shift vared zcompile zformat zle zmodload zparseopts zregexparse "
        "zstyle"
    ).split()
)


def simple_command(command: str) -> list[str] | None:
    """The words of `command`, as the program gets them; None where it is more, or may be more, than one program.

    There is no operator, redirection, substitution, expansion, assignment, comment, escape or second line in what has
    words, and the first word is no keyword and no built-in that runs other commands or may run what is in its words.
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
        if text[start] == "=":  # zsh puts the path of a program there
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
