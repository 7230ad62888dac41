"""What a sample is, where it comes from, and the files in which the two stacks meet.

Imports neither MXNet nor TensorFlow, and nothing of `vision`, `language` or `scripts`.
"""
