"""Run code on a loop."""
