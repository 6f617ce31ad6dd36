"""What follows an approval, on the command line: the diagram, where it stands, and calling it off."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE

from bot.cli.main import main
from bot.records.chain import ENTRIES
from tests.support import PATIENCE_S, POLICIES, ROOT
from tests.support.order_world import PAID, OrderWorld


async def run(orders: OrderWorld, token: str, *arguments: str) -> tuple[int | None, str, str]:
    environment = {"PATH": os.environ["PATH"], "COUNTERSIGN_URL": orders.url, "COUNTERSIGN_TOKEN": token}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode, out.decode(), err.decode()


async def test_status_says_where_it_stands_and_its_owner_calls_it_off(orders: OrderWorld) -> None:
    request_id = await orders.ordered()
    code, out, _ = await run(orders, orders.admin, "status", request_id)
    assert code == 0
    assert "after it\tCreated, waiting for PaymentReceived or PaymentFailed\n" in out
    code, _, err = await run(orders, orders.rita, "cancel", request_id, "--fulfilment")
    assert code == 4
    assert "Only the owner of what follows the approval may call it off" in err
    code, out, _ = await run(orders, orders.owner, "cancel", request_id, "--fulfilment", "--reason", "Left")
    assert (code, out) == (0, "It is now Cancelled.\n")
    code, out, _ = await run(orders, orders.admin, "status", request_id)
    assert "after it\tCancelled\n" in out


async def test_an_auditor_finds_the_records_whole_with_every_step(orders: OrderWorld) -> None:
    request_id = await orders.ordered()
    await orders.send(request_id, "PaymentReceived", PAID)
    await orders.state(request_id, "Paid")
    entries = "".join(file.read_text() for file in (orders.data / "records").glob(f"*/{ENTRIES}"))
    assert entries.count('"kind":"step"') == 2
    assert "4200" not in entries
    code, out, err = await run(orders, orders.admin, "audit", "verify", str(orders.data / "records"))
    assert code == 0, out + err


def test_a_diagram_is_shown_of_what_follows_an_approval_alone() -> None:
    file = str(POLICIES / "order.toml")
    assert main(["policies", "show", "order", "--diagram", "--file", file]) == 0
    assert main(["policies", "show", "orders", "--diagram", "--file", file]) == 4
    assert main(["policies", "show", "deploy", "--diagram", "--file", str(POLICIES / "api.toml")]) == 4
