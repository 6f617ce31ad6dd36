"""The Model Context Protocol: what stands in front of other people's servers, and what we serve ourselves."""
