"""From predictions to metrics. Imports neither of the two stacks."""
