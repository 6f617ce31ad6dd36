"""Concurrent writes share a batch, and a write that fails does not fail the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from orchestration.service.batching import Batches


class Writes:
    """Writes that end when they are told to. What is `bad` fails its batch."""

    def __init__(self) -> None:
        self.made: list[list[str]] = []
        self.go_on = asyncio.Event()

    async def write(self, batch: Sequence[str]) -> list[str]:
        self.made.append(list(batch))
        await self.go_on.wait()
        if "bad" in batch:
            raise OSError("The disk is full.")
        return [item.upper() for item in batch]


async def test_the_first_goes_at_once_and_what_comes_meanwhile_goes_together() -> None:
    writes = Writes()
    batches = Batches(writes.write)
    first = batches.put("a")
    await asyncio.sleep(0)
    assert writes.made == [["a"]]
    others = [batches.put(item) for item in "bcd"]
    await asyncio.sleep(0)
    assert writes.made == [["a"]]
    writes.go_on.set()
    assert await asyncio.gather(first, *others) == ["A", "B", "C", "D"]
    assert writes.made == [["a"], ["b", "c", "d"]]
    assert await batches.put("e") == "E"
    assert writes.made[2:] == [["e"]]


async def test_a_batch_is_bounded_in_number_and_in_bytes() -> None:
    writes = Writes()
    writes.go_on.set()
    batches = Batches(writes.write, len, most=3, most_bytes=10)
    given = ["1", "2", "3", "4", "x" * 8, "yyy", "z" * 50, "5"]
    assert await asyncio.gather(*map(batches.put, given)) == [item.upper() for item in given]
    assert writes.made == [["1", "2", "3"], ["4", "x" * 8], ["yyy"], ["z" * 50], ["5"]]


async def test_a_write_that_fails_is_told_to_each_of_its_items_and_to_no_other() -> None:
    writes = Writes()
    batches = Batches(writes.write)
    first = batches.put("a")
    await asyncio.sleep(0)
    together = [batches.put("bad"), batches.put("b")]
    writes.go_on.set()
    assert await first == "A"
    for one in together:
        with pytest.raises(OSError, match="full"):
            await one
    assert await batches.put("c") == "C"


async def test_what_nobody_waits_for_any_more_is_written_all_the_same() -> None:
    writes = Writes()
    batches = Batches(writes.write)
    put = batches.put("a")
    put.cancel()
    other = batches.put("b")
    writes.go_on.set()
    assert await other == "B"
    assert writes.made == [["a", "b"]]
