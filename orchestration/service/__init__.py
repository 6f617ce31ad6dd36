"""What callers use: start, decide, look, operate."""
