"""The Model Context Protocol: the gate in front of other people's servers, and Countersign's own server."""
