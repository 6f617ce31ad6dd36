"""A person: the requests that wait for them, their absence, and how they are told when their delegate changes."""
