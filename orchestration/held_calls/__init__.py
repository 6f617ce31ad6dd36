"""Tool calls of agents that wait for people: which approval is used up, and by whom."""
