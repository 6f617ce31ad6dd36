"""Reads what people type and press: commands, amounts, dates, and which card was pressed."""
