"""Turn values into text."""
