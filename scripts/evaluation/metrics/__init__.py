"""The paper's measures, as plain functions on NumPy arrays."""
