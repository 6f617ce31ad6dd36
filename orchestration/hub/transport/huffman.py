"""Decodes the Huffman code of header strings (RFC 7541, appendix B), a byte at a time.

A bit at a time would cost so much that one client's headers could take all of the hub.
"""

from typing import Final

# RFC 7541, appendix B: the length in bits of the code of each byte, 0 to 255. The code is canonical.
# fmt: off
_LENGTHS: Final = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8,
    7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7,
    7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23,
    24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22,
    23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25,
    26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24,
    20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27,
    27, 27, 27, 26,
)
# fmt: on


class HuffmanError(Exception):
    """These bytes are not in the code."""


def _tree() -> list[list[int | None]]:
    """The nodes of the code's tree: for each bit the next node, or the byte -1 - n where the code is complete.

    None is the end-of-string code, which must not occur.
    """
    nodes: list[list[int | None]] = [[None, None]]
    code = length = 0
    for size, byte in sorted((size, byte) for byte, size in enumerate(_LENGTHS)):
        code <<= size - length
        length = size
        node = 0
        for shift in range(size - 1, 0, -1):
            bit = code >> shift & 1
            after = nodes[node][bit]
            if after is None:
                after = nodes[node][bit] = len(nodes)
                nodes.append([None, None])
            node = after
        nodes[node][code & 1] = -1 - byte
        code += 1
    return nodes


def _paddings() -> frozenset[int]:
    """The nodes at which a string may end: after fewer than eight bits, all of them ones."""
    out, node = [0], 0
    for _ in range(7):
        after = _TREE[node][1]
        if after is None or after < 0:
            break
        node = after
        out.append(node)
    return frozenset(out)


_TREE: Final = _tree()
_ENDS: Final = _paddings()
_NEVER: Final = -1


def _row(start: int) -> list[tuple[int, bytes]]:
    """For each byte that comes at the node `start`: the node after it, and the bytes that it completes."""
    row: list[tuple[int, bytes]] = []
    for packed in range(256):
        node, out = start, bytearray()
        for shift in range(7, -1, -1):
            after = _TREE[node][packed >> shift & 1]
            if after is None:
                node = _NEVER
                break
            if after < 0:
                out.append(-1 - after)
                after = 0
            node = after
        row.append((node, bytes(out)))
    return row


# Made when they are first needed: most of the tree never is.
_ROWS: Final[dict[int, list[tuple[int, bytes]]]] = {}


def decode(packed: bytes) -> bytes:
    """The string. Raises HuffmanError."""
    out: list[bytes] = []
    node = 0
    for byte in packed:
        row = _ROWS.get(node)
        if row is None:
            row = _ROWS[node] = _row(node)
        node, done = row[byte]
        if node < 0:
            raise HuffmanError("the end-of-string code")
        out.append(done)
    if node not in _ENDS:
        raise HuffmanError("bad padding")
    return b"".join(out)
