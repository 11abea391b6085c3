"""Measure aiorepl and its peers at real prompts, in one run: ``python benchmarks/run.py``."""
