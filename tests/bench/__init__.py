"""Speed and size as one table, side by side with the SDK's testing backend: `python -m tests.bench`."""
