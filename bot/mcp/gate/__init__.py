"""The gate in front of an MCP server: it rules on each call of a tool, and passes everything else on as it is."""
