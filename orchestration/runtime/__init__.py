"""How a process joins a hub: the connection, what its worker runs, and the JSON on the wire."""
