"""Watches the places of documents, asks for their reviews, shows them, and moves them once that is decided."""
