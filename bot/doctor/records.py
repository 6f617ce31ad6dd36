"""Checks the store that the records are copied to."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from bot.doctor.aside import aside
from bot.doctor.finding import DoctorFinding, error, ok, unchecked
from bot.doctor.subject import Subject
from bot.records.store import RecordStore
from bot.setting_sources import SettingError


async def check(subject: Subject) -> AsyncGenerator[DoctorFinding, None]:
    """Whether the store can be read. Writes nothing, as some stores allow no deletion."""
    address = subject.settings.records_store
    if why := subject.usable("COUNTERSIGN_RECORDS_STORE"):
        yield unchecked("records", why)
    elif address is None:
        yield ok(
            "records", "COUNTERSIGN_RECORDS_STORE is not set: the records are in the data directory alone."
        )
    else:
        try:
            await aside(lambda: RecordStore(address).look())
        except SettingError as failure:
            yield error("records", str(failure))
        except Exception as failure:  # noqa: BLE001 - whatever the store's library raises; its texts may hold credentials
            yield error(
                "records",
                f"COUNTERSIGN_RECORDS_STORE: the store cannot be read ({type(failure).__name__}); correct the address, "
                "or the credentials in the environment.",
            )
        else:
            yield ok("records", "The store of the records can be read. Nothing was written to it.")
