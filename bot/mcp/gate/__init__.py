"""The gate in front of an MCP server: it decides on each tool call, and forwards everything else unchanged."""
