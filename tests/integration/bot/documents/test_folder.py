"""A folder of documents: from the file that somebody puts there to the file that is published."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.documents.reviews import Reviews
from bot.documents.watcher import DocumentWatcher
from bot.simulator.control.person import ActionRefusedError
from tests.integration.bot.documents.conftest import CHANNEL, FIRST, SECOND, Shelf, names, request_of, sha256
from tests.support.world import read


@pytest.mark.every_hub
async def test_a_document_is_shown_approved_and_published(shelf: Shelf) -> None:
    shelf.put("contract.pdf")
    card = await shelf.card("Review contract.pdf")
    shown = read(card)
    for part in (sha256(FIRST), f"{len(FIRST)} bytes", "application/pdf", f"{shelf.inbox}/contract.pdf"):
        assert part in shown
    progress = await shelf.service.status(request_of(card))
    assert progress.deadline is not None
    assert round((progress.deadline - progress.asked_at).total_seconds() / 3600) == 72
    await shelf.eventually(lambda: len(shelf.files_under(card)) == 1)
    [title] = shelf.files_under(card)
    assert title.startswith("contract.pdf (SHA-256 ")
    assert sha256(FIRST)[:16] in title

    await shelf.press("U0ADA", card)
    await shelf.says(request_of(card), "Approved", f"Published as {shelf.published}/contract.pdf")
    assert (shelf.published / "contract.pdf").read_bytes() == FIRST
    assert names(shelf.inbox) == names(shelf.archived) == []
    assert names(shelf.published) == ["contract.pdf"]


async def test_what_is_rejected_withdrawn_or_not_answered_is_archived(shelf: Shelf) -> None:
    for name in ("no.pdf", "back.pdf", "silence.pdf"):
        shelf.put(name, name.encode())
    no, back, silence = [await shelf.card(f"Review {name}") for name in ("no.pdf", "back.pdf", "silence.pdf")]
    await shelf.reject("U0FIN", no)
    await shelf.person("U0RITA").command("C0DOCS", f"/request-approval cancel {request_of(back)} Too early")
    await shelf.says(request_of(no), "Rejected", f"Archived as {shelf.archived}/no.pdf")
    await shelf.says(request_of(back), "Too early", f"Archived as {shelf.archived}/back.pdf")
    await shelf.skip(hours=72, minutes=1)
    await shelf.says(request_of(silence), "Timed out", f"Archived as {shelf.archived}/silence.pdf")
    assert names(shelf.archived) == ["back.pdf", "no.pdf", "silence.pdf"]
    assert names(shelf.inbox) == names(shelf.published) == []


async def test_a_changed_document_gets_a_new_review_and_the_old_one_says_so(shelf: Shelf) -> None:
    path = shelf.put("contract.pdf")
    old = await shelf.card("Review contract.pdf", sha256(FIRST))
    path.write_bytes(SECOND)
    new = await shelf.card("Review contract.pdf", sha256(SECOND))
    assert request_of(new) != request_of(old)
    said = await shelf.says(request_of(old), "contract.pdf was changed", request_of(new))
    assert "Withdrawn" in said
    with pytest.raises(ActionRefusedError):
        await shelf.press("U0ADA", old)
    await shelf.press("U0ADA", new)
    await shelf.says(request_of(new), f"Published as {shelf.published}/contract.pdf")
    assert (shelf.published / "contract.pdf").read_bytes() == SECOND
    assert names(shelf.archived) == []


async def test_nothing_else_than_what_was_reviewed_is_published(shelf: Shelf) -> None:
    """Somebody changes the document in the moment of the approval, before the next look at the place."""
    shelf.write(shelf.policies.read_text().replace('look_every = "PT0.05S"', 'look_every = "1h"'))
    await shelf.stop()
    await shelf.start()
    path = shelf.put("late.pdf")
    await asyncio.sleep(0.3)
    shelf.write(shelf.policies.read_text().replace('look_every = "1h"', 'look_every = "PT0.05S"'))
    card = await shelf.card("Review late.pdf")
    shelf.write(shelf.policies.read_text().replace('look_every = "PT0.05S"', 'look_every = "1h"'))
    await asyncio.sleep(0.3)
    path.write_bytes(SECOND)
    await shelf.press("U0ADA", card)
    await shelf.says(request_of(card), "Failed: late.pdf was changed after it was asked for")
    await shelf.eventually(
        lambda: any("late.pdf was changed" in one for one in shelf.direct_messages("U0DIRK"))
    )
    assert names(shelf.published) == []
    assert path.read_bytes() == SECOND


async def test_a_failed_move_is_told_to_the_owner_and_tried_again(shelf: Shelf) -> None:
    shelf.put("contract.pdf")
    card = await shelf.card("Review contract.pdf")
    shelf.published.rename(shelf.published.with_name("away"))
    await shelf.press("U0ADA", card)
    await shelf.says(request_of(card), "Approved", "Failed", "there is no folder")
    told = f"there is no folder {shelf.published}; make it"
    await shelf.eventually(lambda: any(told in one for one in shelf.direct_messages("U0DIRK")))
    shelf.published.with_name("away").rename(shelf.published)
    [message] = [one for one in shelf.workspace.messages.in_channel("D0DIRK") if told in read(one)]
    await shelf.person("U0DIRK").click(message.channel, message.ts, "retry")
    await shelf.says(request_of(card), f"Published as {shelf.published}/contract.pdf")
    assert (shelf.published / "contract.pdf").read_bytes() == FIRST


async def test_the_same_document_that_comes_back_is_reviewed_again(shelf: Shelf) -> None:
    shelf.put("contract.pdf")
    first = await shelf.card("Review contract.pdf")
    await shelf.reject("U0ADA", first)
    await shelf.says(request_of(first), "Archived as")
    shelf.put("contract.pdf")
    await shelf.eventually(lambda: len(shelf.cards()) == 2)
    [second] = [card for card in shelf.cards() if request_of(card) != request_of(first)]
    await shelf.press("U0ADA", second)
    await shelf.says(request_of(second), "Published as")


async def test_nobody_asks_for_a_review_but_the_place(shelf: Shelf) -> None:
    """Otherwise somebody could ask for an approval that moves a document which nobody put there."""
    ada = shelf.person("U0ADA")
    await ada.command("C0DOCS", "/request-approval contract Something")
    await shelf.eventually(
        lambda: any(
            "There is no policy called" in read(one)
            for one in shelf.workspace.messages.in_channel(CHANNEL, "U0ADA")
        )
    )
    await ada.command("C0DOCS", "/request-approval")
    view = await ada.wait_for_view("ask")
    assert "Contracts" not in str(view)
    assert shelf.cards() == []


async def test_a_bot_that_was_killed_goes_on_and_asks_nothing_twice(shelf: Shelf) -> None:
    shelf.put("contract.pdf")
    card = await shelf.card("Review contract.pdf")
    await shelf.eventually(lambda: len(shelf.files_under(card)) == 1)
    await shelf.rest()  # the approval is on disk, and nothing of what follows is done
    await shelf.press("U0ADA", card)
    await shelf.stop()
    # As after a kill between the copy and the removal; the bot has also lost what it had seen.
    (shelf.published / "contract.pdf").write_bytes(FIRST)
    (shelf.data / "documents.sqlite").write_bytes(b"not a database")
    await shelf.start()
    await shelf.says(request_of(card), f"Published as {shelf.published}/contract.pdf")
    assert names(shelf.published) == ["contract.pdf"]
    assert names(shelf.inbox) == []
    shelf.put("other.pdf", SECOND)
    await shelf.card("Review other.pdf")
    assert len(shelf.cards()) == 2


async def test_two_bots_ask_for_one_review(shelf: Shelf, tmp_path: Path) -> None:
    """The second one watches the same place on the same hub, with nothing on its own disk."""
    second = DocumentWatcher(shelf.service.book, Reviews(shelf.service), tmp_path)
    watching = asyncio.create_task(second.keep(0.02))
    shelf.put("contract.pdf")
    card = await shelf.card("Review contract.pdf")
    await asyncio.sleep(0.5)  # both look at the folder every few hundredths of a second of real time
    assert len(shelf.cards()) == 1
    (shelf.inbox / "contract.pdf").write_bytes(SECOND)
    new = await shelf.card("Review contract.pdf", sha256(SECOND))
    await shelf.says(request_of(card), "was changed", request_of(new))
    await asyncio.sleep(0.3)
    assert len(shelf.cards()) == 2
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_where_the_file_cannot_be_shown_the_thread_says_why(tmp_path: Path) -> None:
    async with Shelf(tmp_path) as shelf:
        shelf.workspace.store.execute(
            "DELETE FROM channel_member WHERE channel = ? AND person = ?", CHANNEL, "U0BOT"
        )
        shelf.put("contract.pdf")
        card = await shelf.card("Review contract.pdf")
        await shelf.eventually(lambda: any("cannot be shown here" in one for one in shelf.thread(card)))
        assert any("invite it (not_in_channel)" in one for one in shelf.thread(card))


async def test_more_documents_than_may_be_open_wait_in_their_place(tmp_path: Path) -> None:
    async with Shelf(tmp_path, "open_at_once = 2", "preview = false") as shelf:
        for number in range(4):
            shelf.put(f"{number}.txt", str(number).encode())
        await shelf.eventually(lambda: len(shelf.cards()) == 2)
        await asyncio.sleep(0.4)
        assert len(shelf.cards()) == 2
        await shelf.press("U0ADA", shelf.cards()[0])
        await shelf.eventually(lambda: len(shelf.cards()) == 3)
        assert shelf.files_under(shelf.cards()[0]) == []
