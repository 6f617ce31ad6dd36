"""Tool calls of agents that wait for people: which approval is used up, by whom, and the result of the call."""
