"""The entities of a person: what waits for them, and whether they are away."""
