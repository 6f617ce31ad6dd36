"""Our own MCP server: tools by which an agent asks people by itself, and the policies that it may ask under."""
