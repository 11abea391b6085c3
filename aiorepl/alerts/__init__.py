"""Notice what goes wrong on a loop."""
