"""The server's secrets, API tokens, and signed receipts."""
