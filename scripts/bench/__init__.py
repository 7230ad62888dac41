"""Benchmarks and full-size checks; README.md describes them."""
