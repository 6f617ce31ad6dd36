"""The readers of what comes from outside. Each check takes any bytes, and fails where its reader does what it must not.

What a reader may say of bad input is an error of its own kind, in one line for each fault. Anything else that it raises
is let through, and so fails the check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import hpack
from durabletask.internal import orchestrator_service_pb2 as pb

from bot.gate import gate_file
from bot.gate.condition import Condition, ConditionError
from bot.gate.gate_file import GateFileError
from bot.gate.shell import simple_command
from bot.mail import replies
from bot.slack.ids import SlackIds
from bot.slack.input import grammar
from bot.slack.input.draft import to_request
from bot.slack.input.grammar import AskAtOnce, Explain, Fill, Subcommand
from bot.slack.text import linked, plain, quoted, quoted_whole, safe, said, typed
from orchestration.domain import policy_file
from orchestration.domain.errors import InvalidRequestError, PolicyError
from orchestration.domain.text import phone_number
from orchestration.hub.transport import hpack as ours
from orchestration.hub.transport.skim import Skim
from tests.support import POLICIES as POLICY_FILES
from tests.support.forging import never_seems_ours
from tests.support.story import POLICIES

# The most characters that Slack shows of one text.
_MOST_SHOWN: Final = 3000


@dataclass(frozen=True)
class Parser:
    """A reader: what checks it, and bytes that it takes, to begin from."""

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def pieces_of(data: bytes) -> Iterator[bytes]:
    """`data` in pieces, each with its length in the byte before it."""
    at = 0
    while at < len(data):
        end = at + 1 + data[at]
        yield data[at + 1 : end]
        at = end


def in_pieces(pieces: Iterable[bytes]) -> bytes:
    """The inverse of `pieces_of`, for pieces of at most 255 bytes."""
    return b"".join(bytes([len(piece)]) + piece for piece in pieces)


# ---- what people type ------------------------------------------------------------------------------------


def slash_text(data: bytes) -> None:
    """Any command text has a meaning; a request that it asks for at once is valid or refused in words."""
    text = data.decode(errors="replace")
    wish = grammar.parse(text, POLICIES)
    if isinstance(wish, AskAtOnce):
        with suppress(InvalidRequestError):
            asked = to_request(wish.draft, POLICIES, requester="U0RITA", idempotency_key="k")
            assert asked.title.strip()
    elif isinstance(wish, Explain):
        assert 0 < len(grammar.explanation(wish, POLICIES)) <= _MOST_SHOWN
    elif isinstance(wish, Fill):
        assert len(wish.doubt) <= _MOST_SHOWN
    else:
        assert isinstance(wish, Subcommand)
        assert wish.word in grammar.SUBCOMMANDS


def cards_text(data: bytes) -> None:
    """Typed text never passes for Countersign's own, and stays within its limit of length."""
    text = data.decode(errors="replace")
    for room in (20, 200):
        whole = list(quoted_whole(text, room))
        assert all(len(piece) <= room for piece in whole)
        shown = [quoted(text, 500, room=room + 40), safe(text, 500, room=room), said(text, 500, room=room)]
        assert all(len(each) <= room + 40 for each in shown)
    never_seems_ours(text)
    assert len(plain(text, 75)) <= 75
    assert "<" not in linked(text, 75)
    typed(text)


def sms_text(data: bytes) -> None:
    """Whatever a reply says, a number read from it is one; and a mail server's refusal has a meaning."""
    phone_number(data.decode(errors="replace"))
    for code in (250, 421, 550, 552, 599, 0):
        replies.refused_at_recipient(code, data)
        replies.refused_as_sender(code)
        replies.refused_message(code, data)


# ---- what operators write --------------------------------------------------------------------------------


def policies(data: bytes) -> None:
    """A policy file is read, or each of its faults has the file, a line of it, and words."""
    text = data.decode(errors="replace")
    try:
        policy_file.parse(text, "p.toml", SlackIds())
    except PolicyError as error:
        _each_has_its_line(str(error), "p.toml", text)


def gate(data: bytes) -> None:
    """A gate file is read, or each of its faults has the file, a line of it, and words."""
    text = data.decode(errors="replace")
    try:
        gate_file.parse(text, "g.toml")
    except GateFileError as error:
        _each_has_its_line(str(error), "g.toml", text)


def _each_has_its_line(said: str, source: str, text: str) -> None:
    for fault in said.split("\n"):
        assert fault.startswith(source), fault
        assert fault.endswith("."), fault
        number = fault.removeprefix(source).removeprefix(":").partition(":")[0]
        assert not number.isdigit() or 1 <= int(number) <= text.count("\n") + 2, fault
    assert "Traceback" not in said


def condition(data: bytes) -> None:
    """A condition is refused in words, or has an answer for any call."""
    text = data.decode(errors="replace")
    with suppress(ConditionError):
        found = Condition(text).holds({"tool": "Bash", "arguments": {"command": "ls"}, "argv": ["ls"]})
        assert found in {True, False, None}


def shell(data: bytes) -> None:
    """The words of a simple command are all in its text, and a shell gives none of them a special meaning."""
    words = simple_command(data.decode(errors="replace"))
    assert words is None or not any(set(word) & set("\n\0\r") for word in words)


# ---- what comes in at the hub's socket -------------------------------------------------------------------


def header_blocks(data: bytes) -> None:
    """Blocks of headers, one after the other, mean what the `hpack` package reads in them, or break off as there."""
    mine, theirs = ours.Decoder(), hpack.Decoder(max_header_list_size=ours.LARGEST_LIST)
    for block in pieces_of(data):
        try:
            expected: dict[bytes, bytes] | None = dict(theirs.decode(block, raw=True))
        except hpack.HPACKError:
            expected = None
        try:
            found: dict[bytes, bytes] | None = dict(mine.decode(block))
        except (ours.HeaderError, ours.HeaderListError):
            found = None
        assert found == expected, (block.hex(), found, expected)
        if found is None:
            return


def long_messages(data: bytes) -> None:
    """The kept part of a message is the same, however the message is cut into pieces."""
    whole, parts = Skim(), Skim()
    pieces = list(pieces_of(data))
    whole.feed(b"".join(pieces))
    for piece in pieces:
        parts.feed(piece)
    assert whole.kept == parts.kept


_GATE: Final = b"""agent = "claude"
default_policy = "deploy"
mask = ["password"]

[[rules]]
tool = ["Bash", "mcp__*"]
when = 'argv[0] == "rm" && arguments.command.contains("-r")'
action = "deny"
reason = "no"

[[rules]]
tool = "*"
action = "ask"
window = "10m"
"""

PARSERS: Final = {
    "slash": Parser(
        slash_text,
        (
            b"purchase 4,200.00 USD New laptops",
            "purchase \u20ac12 400,50 \u0664\u0662 \u00bd \uff30".encode(),
            b"away <@U0ADA|ada> 2026-12-24 2027-01-03",
            b"status purchase-k7m2x9qd &amp; &lt;",
        ),
    ),
    "cards": Parser(
        cards_text,
        ("*a* _b_ ~c~ `d` <@U0BOSS> <!here> https://a.example/x|y :+1: @here “ ” ✓ → \u202e &amp;".encode(),),
    ),
    "sms": Parser(sms_text, (b"rcs:+12025550142", b"5.1.1 no such user", "٤٢١ ٤٤٤".encode())),
    "policies": Parser(policies, tuple(file.read_bytes() for file in sorted(POLICY_FILES.glob("*.toml")))),
    "gate": Parser(gate, (_GATE,)),
    "condition": Parser(
        condition,
        (b'argv[0] == "rm" && size(argv) > 1', b'arguments.command.matches("^a+$") || tool in ["a", "b"]'),
    ),
    "shell": Parser(shell, (b"git commit -m 'a b' --amend=\"x\" ; rm $(id)",)),
    "hpack": Parser(
        header_blocks,
        (
            in_pieces([bytes.fromhex("828684418cf1e3c2e5f23a6ba0ab90f4ff"), bytes.fromhex("828684be5886a8eb10649cbf")]),
            in_pieces([bytes.fromhex("3f e1 1f 20 82 400361616101 62 be".replace(" ", ""))]),
            in_pieces([b"\x00\x01a\x01b\x0f\x10\x01x\x7f\x80\x80\x00"]),
        ),
    ),
    "skim": Parser(
        long_messages,
        (
            in_pieces([
                pb.OrchestratorResponse(instanceId="one", completionToken="token", isPartial=True).SerializeToString(),
                b"\x0a\xff\x7f" + b"x" * 100,
            ]),
        ),
    ),
}  # fmt: skip
