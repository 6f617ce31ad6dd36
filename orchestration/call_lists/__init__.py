"""The workflow of a list of waiting calls: one card for all that one run of an agent waits for."""
