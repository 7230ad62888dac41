"""Runs the trainings of a table and compares the results with those of the paper."""
