"""The record of a request as a page for the people of that request: no scripts, no external resources."""
