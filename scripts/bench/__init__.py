"""Benchmarks and proofs of size; README.md says what each of them measures."""
