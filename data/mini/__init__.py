"""Generates the miniature data sets: `python -m data.mini`."""
