"""The workflow of a list of waiting calls: one card for all waiting calls of one agent run."""
