"""`make faults`: hundreds of approvals through real processes that are killed, stopped and cut off, and a ledger."""
