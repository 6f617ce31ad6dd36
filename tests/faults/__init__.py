"""`make faults`: runs hundreds of approvals through real processes that are killed, stopped and cut off.

A ledger lists everything that did not hold.
"""
