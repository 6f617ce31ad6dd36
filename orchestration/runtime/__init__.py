"""Connects a process to a hub: the connection, the registered functions of its worker, and the JSON on the wire."""
