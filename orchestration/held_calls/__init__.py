"""Tool calls of agents that wait for people: which approvals are used, by whom, and the result of each call."""
