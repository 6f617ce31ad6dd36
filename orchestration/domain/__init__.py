"""The data types and rules of approvals. Pure: no I/O, no durable calls."""
