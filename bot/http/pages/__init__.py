"""The record of a request as a page for the people of that request: no script, nothing fetched from elsewhere."""
