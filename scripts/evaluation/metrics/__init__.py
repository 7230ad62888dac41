"""The metrics of the paper, as functions on NumPy arrays."""
