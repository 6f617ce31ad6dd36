"""Finds the amount among the words of a command. It depends on the words beside a number, and is never guessed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from orchestration.domain.amounts import folded, read_amount, read_figure
from orchestration.domain.errors import InvalidRequestError
from orchestration.domain.money import is_currency, is_currency_noun
from orchestration.domain.text import ascii_digits

AMOUNT_LIMIT: Final = 30  # characters; the form's field takes no more

BESIDE: Final = "“{run}” may all be the amount, or only a part of it. Please put the amount right."
SEVERAL: Final = "This has more than one number. Please say which is the amount."
ELSEWHERE: Final = "“{number}” may be the amount. If it is, please put it into its field."
WHICH: Final = "“{amount}” does not say which currency it is in. This policy is in {currency}."

# Digits with what people write between, before and after them. Dates and times of day do not count.
_LIKE: Final = re.compile(
    r"^[-+~≈(−–]*(?P<before>[A-Z]{3}|[A-Z]{0,3}\S)??[-+−–]?\d[\d.,'’·/⁄+\-−–—×*~()½¼¾⅓⅔]*"
    r"(?P<after>[kKmM]|bn|mn|mio|[A-Za-z]{3}|\S)??[.,;:!?)]*$"
)
_DATE: Final = re.compile(r"^\d{4}-\d{2}-\d{2}$|^\d{1,2}:\d{2}$")
_APART: Final = re.compile(r"[:=;|]")
_AROUND: Final = "\"'“”„‘’«»`*_[]{}<>"
# A number that is joined to a word, as in `12400Steel`; not `2nd`, `3D` and `24-inch`.
_GLUED: Final = re.compile(r"^\W*(?:\d[\d.,]{2,}(?!st|nd|rd|th)[^\W\d_]|\d+_\d|\d+[eE][+-]?\d)")
# Words after a number that may change its value.
_SCALES: Final = frozenset(
    [
        *(
            "k",
            "m",
            "mm",
            "mn",
            "mio",
            "mil",
            "mill",
            "mille",
            "million",
            "millions",
            "bn",
            "billion",
            "billions",
        ),
        *(
            "hundred",
            "hundreds",
            "thousand",
            "thousands",
            "tsd",
            "tausend",
            "dozen",
            "grand",
            "lakh",
            "lakhs",
        ),
        *(
            "lac",
            "crore",
            "crores",
            "cr",
            "half",
            "per",
            "each",
            "apiece",
            "ea",
            "x",
            "×",
            "*",
            "/",
            "+",
            "-",
            "−",
        ),
        *("–", "—", "times", "plus", "minus", "percent", "%", "‰", "=", "~", "cents", "cent", "p.a.", "pa"),
        *("kr", "rs", "fr", "zł", "kč", "ft", "tl", "dh"),
    ]
)


@dataclass(frozen=True)
class Split:
    """The amount as typed ("" if there is none) and the title. `doubt` says why the person has to check them first."""

    amount: str
    title: str
    doubt: str = ""


def split_amount(words: Sequence[str], currency: str) -> Split:
    """Takes the amount from the words of a command, for a policy in `currency`.

    Raises `InvalidRequestError` where the amount stands by itself and cannot be read.
    """
    plain = [folded(word) for word in words]
    whole = " ".join(words)
    numbers = [at for at, word in enumerate(plain) if _like(word)]
    lead = _lead(plain, currency)
    if lead is None:
        return _elsewhere(words, plain, numbers, currency)
    number, end = lead
    amount, title = " ".join(words[:end]), " ".join(words[end:])
    marked = _marked(plain, number) or any(_names(plain[at], currency) for at in range(end))
    if end < len(plain) and _belongs(plain[end], marked=marked):
        return _run(words, plain, end, currency)
    if shared := _shared_sign(" ".join(plain[:end])):
        figure = "".join(plain[:end]).replace(shared, "", 1)
        doubt = WHICH.format(amount=amount, currency=currency)
        return Split(figure if read_figure(figure) else "", title if read_figure(figure) else whole, doubt)
    lowest = read_amount(amount, currency)  # refuses a wrong amount at once, without a form
    others = [at for at in numbers if at > number]
    if not marked and any(_at_least(plain[at]) >= lowest for at in others):
        return _elsewhere(words, plain, numbers, currency)
    if any(_marked(plain, at) for at in others):
        return Split("", whole, SEVERAL)
    return Split(amount, title)


def _run(words: Sequence[str], plain: Sequence[str], end: int, currency: str) -> Split:
    """Takes the number with all words that could belong to it. The form refuses that until the person corrects it."""
    while end < len(plain) and _belongs(plain[end], marked=False):
        end += 1
    run = " ".join(words[:end])
    doubt = BESIDE.format(run=run)
    if len(run) > AMOUNT_LIMIT or _readable(run, currency):
        return Split("", " ".join(words), doubt)
    return Split(run, " ".join(words[end:]), doubt)


def _lead(words: Sequence[str], currency: str) -> tuple[int, int] | None:
    """The index of the number, and the end of the amount, if the text begins with one; else None."""
    number = 1 if len(words) > 1 and _names(words[0], currency) and _like(words[1]) else 0
    if not words or not _like(words[number]):
        return None
    end = number + 1
    return number, end + 1 if end < len(words) and _names(words[end], currency) else end


def _elsewhere(words: Sequence[str], plain: Sequence[str], numbers: Sequence[int], currency: str) -> Split:
    """Handles a text that does not begin with the amount: if it may contain one, the person has to check it."""
    whole = " ".join(words)
    if not any(_telling(plain, at) for at in numbers):
        glued = bool(plain) and _GLUED.match(plain[0])
        return Split("", whole, ELSEWHERE.format(number=words[0]) if glued else "")
    doubt = ELSEWHERE.format(number=words[numbers[0]]) if len(numbers) == 1 else SEVERAL
    marked = [at for at in numbers if _marked(plain, at)]
    if len(marked) != 1:
        return Split("", whole, doubt)
    at = marked[0]
    start = at - 1 if at and _names(plain[at - 1], currency) else at
    end = at + 2 if at + 1 < len(plain) and _names(plain[at + 1], currency) else at + 1
    amount = " ".join(words[start:end]).rstrip(".,;:!?)")
    beside = end < len(plain) and _belongs(plain[end], marked=True)
    before = start > 0 and _like(plain[start - 1])
    clear = _readable(amount, currency) and not beside and not before
    return Split(amount if clear else "", whole, doubt)


def _telling(words: Sequence[str], at: int) -> bool:
    """Whether a number later in the text may be an amount: `Steel 12400`, not `hall 3`."""
    beside = [words[there] for there in (at - 1, at + 1) if 0 <= there < len(words)]
    return not re.fullmatch(r"\d{1,2}[.,;:!?]?", words[at]) or any(
        _belongs(word, marked=False) for word in beside
    )


def _readable(amount: str, currency: str) -> bool:
    try:
        read_amount(amount, currency)
    except InvalidRequestError:
        return False
    return True


def _like(word: str) -> bool:
    """Whether a word looks like an amount, even if it is badly written: `4200`, `4.2k`, `€4.200,00`; not `2nd`."""
    if _DATE.match(word) or "://" in word:
        return False
    return any(_like_alone(part.strip(_AROUND)) for part in _APART.split(word))


def _like_alone(word: str) -> bool:
    if word and all(map(str.isnumeric, word)):
        return True
    found = _LIKE.match(word)
    return found is not None and all(
        not beside or beside.lower() in _SCALES or _is_code(beside) or _sign_in(beside) is not None
        for beside in (found["before"], found["after"])
    )


def _at_least(word: str) -> Decimal:
    """The highest value that a number among other words may have: infinity if it cannot be read."""
    found = read_figure(word.strip(_AROUND + ".,;:!?()"))
    if found is not None:
        return found.number
    digits = "".join(filter(str.isdecimal, ascii_digits(word)))
    return Decimal(digits) if digits and not re.search(r"[^\W\d]", word) else Decimal("Infinity")


def _is_code(word: str) -> bool:
    return is_currency(word.upper())


def _sign_in(text: str) -> str | None:
    """The first sign of a currency, with letters before it as in `US$`."""
    found = next((c for c in text if unicodedata.category(c) == "Sc"), None)
    if found is None:
        return None
    letters = re.search(rf"[A-Za-z]{{0,3}}{re.escape(found)}", text)
    return letters[0] if letters else found


def _shared_sign(text: str) -> str | None:
    """The text's currency sign if several currencies share it; else None."""
    sign = _sign_in(text)
    return sign if sign is not None and read_figure(f"1 {sign}") is None else None


def _names(word: str, currency: str) -> bool:
    """Whether the word is a currency: a code in capitals, a sign, or the policy's own code however it is written."""
    return is_currency(word) or word.upper() == currency or (len(word) <= 4 and word == _sign_in(word))


def _marked(words: Sequence[str], at: int) -> bool:
    """Whether the number at `at` has a currency, in the same word or beside it."""
    own = re.search(r"[A-Za-z]{3}$|^[A-Za-z]{3}", words[at].strip(".,;:!?()"))
    beside = [words[there] for there in (at - 1, at + 1) if 0 <= there < len(words)]
    return (
        bool(own and _is_code(own[0]))
        or _sign_in(words[at]) is not None
        or any(is_currency(word.strip(".,;:!?()")) or _sign_in(word) for word in beside)
    )


def _belongs(word: str, *, marked: bool) -> bool:
    """Whether a word after a number could be part of the amount. A `marked` number has its currency already."""
    bare = word.strip(".,;:!?()").lower()
    if _like(word) or word[:1].isnumeric() or word.lower() in _SCALES or bare in _SCALES or is_currency(word):
        return True
    return not marked and (_is_code(bare) or is_currency_noun(bare) or _sign_in(word) is not None)
