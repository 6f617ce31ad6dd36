"""A person: what waits for them, whether they are away, and how they hear of a change of that."""
